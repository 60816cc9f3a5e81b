"""MLflow: studies, trial runs, checkpoints and the registry; the only importer of mlflow."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
# Artifacts pass through MLflow's server unless somebody says otherwise: by itself its client follows addresses that the server
# has signed, into an S3 that often only the server can reach, and waits there for minutes.
os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")
os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
