"""A registered checkpoint gives the same texts as the trial's evaluation: with MLflow's loader and with its server."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException

from components.register_checkpoint import register_best
from corpora.clip import FRAME_BYTES
from corpora.store import Corpus
from recipes.smile import SMILE
from tracking.addresses import find_version
from tracking.checkpoints import fetch_checkpoint
from tracking.served import requirements
from tracking.store import client
from training.transcriber import Transcriber, from_bytes

ROOT = Path(__file__).parents[2]
ADDRESS = "models:/demo@baseline"
STARTS_S = 120.0


@pytest.fixture(scope="session")
def registered(done: Any, plan: dict[str, Any]) -> Any:
    register_best(plan, done.study, tracking_uri=done.uri)
    return done


@pytest.fixture(scope="session")
def clips(small_corpus: Path) -> pd.DataFrame:
    """The test split, as a served model takes it, with what its utterances are called."""
    corpus = Corpus.open(small_corpus)
    rows = [(u.id, corpus.audio(u).tobytes(), corpus.video(u).tobytes()) for u in corpus.utterances("test")]
    return pd.DataFrame(rows, columns=["utterance_id", "audio", "video"])


@pytest.fixture(scope="session")
def heard(registered: Any, clips: pd.DataFrame) -> list[str]:
    """The texts from the evaluation of the baseline's checkpoint, in the order of `clips`."""
    counts = pd.read_parquet(registered.study / "counts.parquet")
    mine = counts[(counts["arm"] == "baseline") & (counts["condition"] == "clean")]
    return mine.set_index("utterance_id")["hypothesis"].loc[clips["utterance_id"]].tolist()


@pytest.fixture(scope="session")
def loaded(registered: Any) -> mlflow.pyfunc.PyFuncModel:
    mlflow.set_tracking_uri(registered.uri)
    return mlflow.pyfunc.load_model(ADDRESS)


def test_mlflow_loads_a_model_with_the_texts_of_the_evaluation(
    loaded: mlflow.pyfunc.PyFuncModel, clips: pd.DataFrame, heard: list[str]
) -> None:
    assert loaded.predict(clips[["audio", "video"]])["text"].tolist() == heard
    assert len(set(heard)) > 1, "a model that always says the same would pass whatever it is given"
    assert loaded.predict(clips[["audio", "video"]][::-1])["text"].tolist() == heard[::-1]


def test_the_transcriber_says_the_same_one_clip_at_a_time(
    registered: Any, clips: pd.DataFrame, heard: list[str], tmp_path: Path
) -> None:
    fetch_checkpoint(registered.uri, find_version(registered.uri, "models:/demo@baseline")[0], tmp_path)
    transcriber = Transcriber.load(tmp_path)
    pairs = zip(clips["audio"], clips["video"], strict=True)
    assert [transcriber([from_bytes(*pair)])[0] for pair in pairs] == heard


# The script in models that earlier versions registered. It imports the installed ablate, so these names have to stay.
EARLIER_MODULES = ("training.transcriber", "recipes.smile_transcriber")
SCRIPT_OF_EARLIER_VERSIONS = """
from collections.abc import Callable
from pathlib import Path

from tracking.served import serve


def load(folder: Path) -> Callable[[list[bytes], list[bytes]], list[str]]:
    from MODULE import Transcriber, from_bytes

    transcriber = Transcriber.load(folder)
    return lambda audio, video: transcriber([from_bytes(*pair) for pair in zip(audio, video, strict=True)])


serve(load)
"""


@pytest.mark.parametrize("module", EARLIER_MODULES)
def test_a_model_that_an_earlier_version_registered_loads(
    registered: Any, clips: pd.DataFrame, heard: list[str], module: str, tmp_path: Path
) -> None:
    mlflow.set_tracking_uri(registered.uri)
    folder = Path(mlflow.artifacts.download_artifacts(ADDRESS, dst_path=str(tmp_path)))
    (folder / "served_model.py").write_text(SCRIPT_OF_EARLIER_VERSIONS.replace("MODULE", module))
    model = mlflow.pyfunc.load_model(str(folder))
    assert model.predict(clips[["audio", "video"]])["text"].tolist() == heard


@pytest.mark.parametrize(
    ("audio", "video", "why"),
    [
        (b"", bytes(FRAME_BYTES), "no audio samples"),
        (bytes(1280), b"", "at least one video frame"),
        (bytes(1281), bytes(FRAME_BYTES), "not a whole number"),
        (bytes(1280), bytes(FRAME_BYTES - 1), "not a whole number"),
        (bytes(1280), bytes(10 * FRAME_BYTES), "10 frames have 6400 samples"),
        (bytes(1280 * 1501), bytes(1501 * FRAME_BYTES), "at most 60 s"),
    ],
)
def test_what_is_no_clip_is_refused(loaded: mlflow.pyfunc.PyFuncModel, audio: bytes, video: bytes, why: str) -> None:
    with pytest.raises(MlflowException, match=why) as refused:
        loaded.predict(pd.DataFrame({"audio": [audio], "video": [video]}))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"


def test_the_model_is_small_without_pickle_and_registered_once(registered: Any, plan: dict[str, Any]) -> None:
    model_id = find_version(registered.uri, "models:/demo@baseline")[0]
    files = {file.path: file.file_size for file in client(registered.uri).list_logged_model_artifacts(model_id)}
    ours = {"MLmodel", "python_env.yaml", "requirements.txt", "served_model.py"}
    theirs = {
        "registered_model_meta",
        "__pycache__",
    }  # what MLflow and Python leave where a version is loaded from a folder
    assert set(files) - theirs == ours | {"model.safetensors", "config.json"}
    assert sum(files[name] for name in ours) < 5000
    register_best(plan, registered.study, tracking_uri=registered.uri)
    again = client(registered.uri).list_logged_model_artifacts(model_id)
    assert {file.path: file.file_size for file in again} == files
    folder = Path(client(registered.uri).get_logged_model(model_id).artifact_location.removeprefix("file://"))
    described = yaml.safe_load((folder / "MLmodel").read_text())
    assert (described["model_id"], str(folder.parent) in (folder / "MLmodel").read_text()) == (model_id, False)


def test_the_requirements_are_pins_of_all_that_is_imported() -> None:
    pins = {line.split()[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line}
    assert set(requirements(SMILE.packages)) <= pins
    names = {line.partition("==")[0] for line in requirements(SMILE.packages)}
    code = (
        "import sys; import training.transcriber, tracking.served; print(*{m.partition('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    ours = {re.split(r"[\[=]", pin)[0] for pin in pins}
    assert {name for name in ours if name.replace("-", "_") in done.stdout.split()} - names <= {
        "matplotlib",
        "scipy",
    }  # MLflow's own


@pytest.fixture(scope="session")
def server(registered: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `mlflow models serve`, in a folder that is not the project's."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", ADDRESS]
    command += ["--env-manager", "local", "--port", str(port), "--workers", "1"]
    settings = {"MLFLOW_TRACKING_URI": registered.uri, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **settings}, start_new_session=True
        )
    try:
        deadline = time.monotonic() + STARTS_S
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def post(address: str, body: dict[str, Any]) -> tuple[int, Any]:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def row(audio: bytes, video: bytes) -> dict[str, str]:
    return {"audio": base64.b64encode(audio).decode(), "video": base64.b64encode(video).decode()}


@pytest.mark.slow
def test_the_server_says_the_same_and_refuses_what_is_no_clip(
    server: str, clips: pd.DataFrame, heard: list[str]
) -> None:
    rows = [row(*pair) for pair in zip(clips["audio"], clips["video"], strict=True)]
    status, said = post(server, {"dataframe_records": rows})
    assert (status, said) == (200, {"predictions": [{"text": text} for text in heard]})
    status, said = post(server, {"dataframe_records": [row(b"", bytes(FRAME_BYTES))]})
    assert (status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "no audio samples" in said["message"]
