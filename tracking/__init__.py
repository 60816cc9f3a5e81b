"""MLflow: studies, trial runs, checkpoints and the registry; the only importer of mlflow."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
