"""Downloads of stored files. MLflow's own call for the files of a run hides why it fails: a 502 reads as a wrong path."""

from pathlib import Path

import mlflow
from mlflow.entities import Run
from mlflow.utils.uri import append_to_uri_path

from common.store_address import whole


def download(uri: str, location: str, folder: Path) -> Path:
    """Download a file, or a folder of files, from a location in the artifact store of `uri` into `folder`; return its path there.

    Raises what MLflow raises, e.g. MlflowException or OSError.
    """
    # Not `models:/ID` or `runs:/ID`: MLflow looks these up in the store of the process and ignores tracking_uri.
    return Path(
        mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=str(folder), tracking_uri=whole(uri))
    )


def place_of(run: Run, path: str) -> str:
    """Return the location of a file or folder that is stored with a run."""
    return str(append_to_uri_path(run.info.artifact_uri, path))
