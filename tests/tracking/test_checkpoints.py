"""Checkpoints and the registry in a real store."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from common.errors import UserError
from tracking.addresses import find_version
from tracking.checkpoints import fetch_checkpoint, log_checkpoint, register
from tracking.registry import champion
from tracking.store import client
from tracking.studies import open_study


@pytest.fixture
def run_id(store: str) -> str:
    trial = {"arm": "baseline", "seed": 1, "part": None, "params": {}}
    return open_study(store, "demo", question="", params={}, conditions=["clean"], trials=[trial]).trials[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint"
    path.mkdir()
    (path / "model.safetensors").write_bytes(b"weights")
    (path / "config.json").write_text("{}")
    (path / "lang").mkdir()
    (path / "lang" / "units 1.txt").write_text("a b")
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_checkpoint_comes_back_byte_for_byte_and_is_stored_once(store: str, run_id: str, folder: Path) -> None:
    model_id = log_checkpoint(store, run_id, folder, {"arm": "baseline"})
    assert log_checkpoint(store, run_id, folder, {"arm": "baseline"}) == model_id
    mlflow.set_tracking_uri(store)
    back = Path(mlflow.artifacts.download_artifacts(f"models:/{model_id}"))
    assert (back / "model.safetensors").read_bytes() == b"weights"
    assert files(back) == files(folder)
    assert [output.model_id for output in client(store).get_run(run_id).outputs.model_outputs] == [model_id]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([], "has no file"),
        ([f"{number}.pt" for number in range(101)], "at most 100 files, got 101"),
        (["weights.pt", "épo.pt"], "got 'épo.pt'"),
        (["a=b.pt"], "got 'a=b.pt'"),
        ([f"{'x' * 150}/{'y' * 60}"], "at most 200 letters"),
    ],
)
def test_files_that_cannot_be_kept_are_refused(
    store: str, run_id: str, tmp_path: Path, names: list[str], why: str
) -> None:
    folder = tmp_path / "checkpoint"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    with pytest.raises(UserError, match=why):
        log_checkpoint(store, run_id, folder, {})
    assert client(store).search_logged_models([client(store).get_run(run_id).info.experiment_id]) == []


def test_a_checkpoint_without_checksums_is_refused(store: str, run_id: str, tmp_path: Path) -> None:
    model = client(store).create_logged_model(client(store).get_run(run_id).info.experiment_id, source_run_id=run_id)
    with pytest.raises(UserError, match="has no checksums"):
        fetch_checkpoint(store, model.model_id, tmp_path / "back")


def test_a_checkpoint_is_fetched_by_alias_and_checked(store: str, run_id: str, folder: Path, tmp_path: Path) -> None:
    model_id = log_checkpoint(store, run_id, folder, {})
    register(store, "smile", model_id, {"fingerprint": "a"}, ["baseline"])
    assert find_version(store, "models:/smile@baseline")[0] == model_id
    fetch_checkpoint(store, model_id, tmp_path / "back")
    assert files(tmp_path / "back") == files(folder)


@pytest.mark.parametrize("change", [lambda file: file.write_bytes(b"wrights"), lambda file: file.unlink()])
def test_a_checkpoint_that_was_changed_in_the_store_is_refused(
    store: str, run_id: str, folder: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    model_id = log_checkpoint(store, run_id, folder, {})
    [file] = (tmp_path / "mlflow").rglob("model.safetensors")
    change(file)
    with pytest.raises(UserError, match=rf"of {model_id} in MLflow, model.safetensors (differs|is missing)"):
        fetch_checkpoint(store, model_id, tmp_path / "back")
    assert list((tmp_path / "back").iterdir()) == []


def test_one_version_per_fingerprint_and_aliases_move(store: str, run_id: str, folder: Path) -> None:
    model_id = log_checkpoint(store, run_id, folder, {})
    first = register(store, "smile", model_id, {"arm": "baseline", "fingerprint": "a"}, ["baseline", "champion"])
    again = register(store, "smile", model_id, {"arm": "baseline", "fingerprint": "a"}, ["baseline"])
    other = register(store, "smile", model_id, {"arm": "b", "fingerprint": "b"}, ["champion"])
    assert first == again != other
    assert find_version(store, "models:/smile@baseline")[1].tags == {"arm": "baseline", "fingerprint": "a"}
    assert find_version(store, "models:/smile@champion")[1].tags == {"arm": "b", "fingerprint": "b"}


def test_no_alias_is_none(store: str, run_id: str) -> None:
    assert run_id
    assert champion(store, "smile") is None
