"""MLflow: studies, trial runs, checkpoints and the registry; the only importer of mlflow."""
