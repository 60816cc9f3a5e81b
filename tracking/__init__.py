"""MLflow: studies, trial runs, checkpoints and the registry. No other package imports mlflow."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
# Artifacts pass through MLflow's server unless the environment says otherwise. MLflow's default is to follow addresses that the
# server has signed, to an S3 that often only the server can reach, and the client waits there for minutes.
os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")
os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
# Else each end of a run costs one request more, and prints two lines with the address of the server, a password included.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
