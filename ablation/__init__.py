"""Plans, arms, scores, statistics and the report: no torch, kfp, mlflow or boto3 in here."""
