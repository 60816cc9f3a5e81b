"""Check the artifact store behind an MLflow server that proxies artifacts, before anything is trained."""

from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from common.errors import UserError
from common.redact import redact

PROXIED = "mlflow-artifacts:"
RETRIES = 2  # MLflow's default of seven takes minutes
TIMEOUT_S = 30


def check_artifacts(uri: str, artifact_uri: str) -> None:
    """List the artifacts at `artifact_uri` if the server proxies them. Raises UserError if the server cannot read its store.

    Without this check, the first checkpoint fails after hours of training.
    """
    if not artifact_uri.startswith(PROXIED):
        return
    try:
        answer = http_request(
            get_default_host_creds(uri),
            "/api/2.0/mlflow-artifacts/artifacts",
            "GET",
            params={"path": artifact_uri.removeprefix(PROXIED).strip("/")},
            max_retries=RETRIES,
            timeout=TIMEOUT_S,
            raise_on_status=False,
        )
        said = "" if answer.status_code == 200 else f"{answer.status_code}: {answer.text.strip()}"
    except MlflowException as error:
        said = str(error)
    if said:
        why = f"cannot use its artifact store ({redact(said).partition(chr(10))[0][:200]})"
        raise UserError(f"the MLflow server {redact(uri)} {why}; check the server's S3 address and secret")
