"""Registered checkpoints as models that MLflow serves: audio and video in, text out. They use models-from-code, not pickle.

Each model has four small files in addition to those of its checkpoint: MLmodel, a short script, and two files of
requirements. The script imports the installed `ablate` and contains no copy of it. A copy would put packages named `model` and
`training` on the path, which would hide those of the loading process or be hidden by them. It would also add a hundred files to
every version.
"""

from collections.abc import Callable, Collection
from importlib.metadata import requires
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import add_to_model
from mlflow.pyfunc.loaders import code_model
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, Schema

from common.errors import UserError
from tracking.store import client

MLMODEL, REQUIREMENTS, ENVIRONMENT = "MLmodel", "requirements.txt", "python_env.yaml"
ANCHOR = "config"  # names a file of the model, by whose path the script finds its folder
PYTHON = "3.11"
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.binary, "audio"), ColSpec(DataType.binary, "video")]),
    outputs=Schema([ColSpec(DataType.string, "text")]),
)

Load = Callable[[Path], Callable[[list[bytes], list[bytes]], list[str]]]


class Served(PythonModel):
    """The served model. Its input is a table of clips (columns audio and video, bytes), its output a table with the column text."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def load_context(self, context: Any) -> None:
        """Load the checkpoint. MLflow calls this once."""
        self._texts = self._load(Path(context.artifacts[ANCHOR]).parent)

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:  # type: ignore[override]  # its arguments are optional
        """Transcribe clips. Raises MlflowException for a bad clip, which a server answers with status 400."""
        try:
            texts = self._texts(list(model_input["audio"]), list(model_input["video"]))
        except UserError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
        return pd.DataFrame({"text": texts})


def serve(load: Load) -> None:
    """Name the served model to MLflow. The script in the model's folder calls this; `load` turns that folder into a transcriber."""
    set_model(Served(load))


def make_servable(uri: str, model_id: str, name: str, script: str, packages: Collection[str]) -> None:
    """Add the files that MLflow needs to a stored checkpoint, if they are missing. The weights stay.

    `script` is the text of the file `name`, which calls `serve`; it imports `packages`.
    """
    if any(file.path == MLMODEL for file in client(uri).list_logged_model_artifacts(model_id)):
        return
    described = Model(
        model_id=model_id, run_id=client(uri).get_logged_model(model_id).source_run_id, signature=SIGNATURE
    )
    add_to_model(
        described,
        loader_module=code_model.__name__,
        model_code_path=name,
        python_env=ENVIRONMENT,
        artifacts={ANCHOR: {"path": name, "uri": name}},  # the script finds its folder by this path
    )
    environment = {"python": PYTHON, "build_dependencies": ["pip"], "dependencies": [f"-r {REQUIREMENTS}"]}
    texts = {
        name: script,
        REQUIREMENTS: "".join(f"{line}\n" for line in requirements(packages)),
        ENVIRONMENT: yaml.safe_dump(environment),
        MLMODEL: described.to_yaml(),  # last, so that a model with this file is complete
    }
    with TemporaryDirectory() as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
            client(uri).log_model_artifact(model_id, str(Path(folder) / name))


def requirements(packages: Collection[str]) -> list[str]:
    """Return the requirements of transcription, with the versions of the installed `ablate`, or else without."""
    pinned = {line.partition("==")[0]: line for line in requires("ablate") or ()}
    return [pinned.get(package, package) for package in packages]
