"""Registered checkpoints as models that MLflow serves, by models-from-code: audio and video in, text out, no pickle.

Beside `model.safetensors` and `config.json` lie four small files: MLmodel, a script of a few lines, and the requirements. The
script imports the installed `ablate` and brings no copy of it: packages called `model` and `training` on the path would hide, or
be hidden by, those of the process that loads them, and a hundred files more would be sent for every version.
"""

from collections.abc import Callable
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

MLMODEL, CONFIG, REQUIREMENTS, ENVIRONMENT = "MLmodel", "config.json", "requirements.txt", "python_env.yaml"
PYTHON = "3.11"
# What transcribing imports, out of the project's own pins.
NEEDED = (
    "av",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "sentencepiece",
    "torch",
    "torchaudio",
)
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.binary, "audio"), ColSpec(DataType.binary, "video")]),
    outputs=Schema([ColSpec(DataType.string, "text")]),
)

Load = Callable[[Path], Callable[[list[bytes], list[bytes]], list[str]]]


class Served(PythonModel):
    """A table of clips (columns audio and video, bytes) in, a table with the column text out."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def load_context(self, context: Any) -> None:
        """Called once, when the model is loaded."""
        self._texts = self._load(Path(context.artifacts["config"]).parent)

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:  # type: ignore[override]  # its arguments are optional
        """Raises MlflowException, which a server answers with status 400, for what is no clip."""
        try:
            texts = self._texts(list(model_input["audio"]), list(model_input["video"]))
        except UserError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
        return pd.DataFrame({"text": texts})


def serve(load: Load) -> None:
    """To be called by the script in the model's folder: `load` takes that folder and returns what transcribes."""
    set_model(Served(load))


def make_servable(uri: str, model_id: str, script: Path) -> None:
    """Lay what MLflow needs beside a stored checkpoint, once; `script` calls `serve`. The weights are not touched."""
    if any(file.path == MLMODEL for file in client(uri).list_logged_model_artifacts(model_id)):
        return
    described = Model(
        model_id=model_id, run_id=client(uri).get_logged_model(model_id).source_run_id, signature=SIGNATURE
    )
    add_to_model(
        described,
        loader_module=code_model.__name__,
        model_code_path=script.name,
        python_env=ENVIRONMENT,
        artifacts={"config": {"path": CONFIG, "uri": CONFIG}},  # how the script learns where it lies
    )
    environment = {"python": PYTHON, "build_dependencies": ["pip"], "dependencies": [f"-r {REQUIREMENTS}"]}
    texts = {
        script.name: script.read_text(encoding="utf-8"),
        REQUIREMENTS: "".join(f"{line}\n" for line in requirements()),
        ENVIRONMENT: yaml.safe_dump(environment),
        MLMODEL: described.to_yaml(),  # last: a model that has it is complete
    }
    with TemporaryDirectory() as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
            client(uri).log_model_artifact(model_id, str(Path(folder) / name))


def requirements() -> list[str]:
    """The pins of what transcribing needs, out of requirements.txt, which `ablate` was installed with."""
    return [line for line in requires("ablate") or () if line.partition("==")[0] in NEEDED]
