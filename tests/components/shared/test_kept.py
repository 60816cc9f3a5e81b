"""A trained trial whose checkpoint MLflow does not take is kept, and the next run takes it instead of training again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.shared import kept
from components.shared.train_one import train
from components.shared.trial import STATUS_FILE, Status, Trial, read_history
from components.workers.isolation import Run, Start
from tracking.database import SQLITE
from tracking.runs import reap
from tracking.store import client

WEIGHTS = "checkpoint/model.safetensors"


@contextmanager
def no_worker(_module: str, _processes: int = 1, _on_stop: object = None) -> Iterator[Run]:
    yield lambda _request: "a worker was started"


@contextmanager
def artifacts_refused(store: str) -> Iterator[None]:
    """Let the store take no artifacts during the block: a file is where their folder should be."""
    place = Path(store.removeprefix(SQLITE)).parent / "artifacts"
    aside = place.with_name("aside")
    if place.exists():
        place.rename(aside)
    place.write_text("not a folder")
    yield
    place.unlink()
    if aside.exists():
        aside.rename(place)


@pytest.fixture
def one(plan: dict[str, Any]) -> dict[str, Any]:
    return plan | {"ablations": []}


def test_a_result_that_mlflow_did_not_take_is_not_trained_again(
    one: dict[str, Any], small_corpus: Path, store: str, finding: Callable[..., list[str]], here: Start, tmp_path: Path
) -> None:
    def attempt(number: int, start: Start) -> tuple[Trial, Path, Status]:
        item, out = Trial.from_json(finding(one, store)[0]), tmp_path / f"out-{number}"
        with artifacts_refused(store) if number == 0 else _nothing():
            ended = train(
                item.to_json(), one, small_corpus, out,
                tracking_uri=store, threads=1, start=start, state_root=tmp_path / "states",
            )  # fmt: skip
        return item, out, ended

    first, lost_in, lost = attempt(0, here)
    assert (lost.status, lost.model_id) == ("trained", None)
    assert kept.is_kept(tmp_path / "states" / first.fingerprint)
    reap(store, first.experiment_id, first.study_run_id)
    again, out, ended = attempt(1, no_worker)
    assert (ended.status, ended.reason, ended.untracked, ended.steps) == ("trained", None, None, lost.steps)
    assert ended.model_id is not None
    assert (ended.run_id, ended.reused_from) == (again.run_id, None)
    assert (out / WEIGHTS).read_bytes() == (lost_in / WEIGHTS).read_bytes()
    assert client(store).get_metric_history(again.run_id, "loss")
    assert read_history(out) == read_history(lost_in)
    assert not (tmp_path / "states" / first.fingerprint).exists()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder of states with a kept result, and the status of another trial's run."""
    out, states = tmp_path / "trained", tmp_path / "states" / "fingerprint"
    Status("baseline", 1, "run-1", status="trained", steps=6).write(out)
    (out / WEIGHTS).parent.mkdir()
    (out / WEIGHTS).write_bytes(b"weights")
    kept.keep(states, out)
    return states, tmp_path / "again"


def test_a_kept_result_gets_the_run_of_the_trial_that_takes_it(trained: tuple[Path, Path]) -> None:
    states, again = trained
    status = kept.take(states, again, Status("renamed", 1, "run-2").write(again))
    assert status is not None
    assert (status.arm, status.run_id, status.status, status.steps) == ("renamed", "run-2", "trained", 6)
    assert (again / WEIGHTS).read_bytes() == b"weights"
    assert Status.read(again).run_id == "run-2"


@pytest.mark.parametrize("name", [WEIGHTS, STATUS_FILE, kept.SUMS])
@pytest.mark.parametrize("damage", [b"", b"{}"])
def test_a_damaged_kept_result_is_not_taken(
    trained: tuple[Path, Path], name: str, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    states, again = trained
    (states / kept.KEPT / name).unlink()
    (states / kept.KEPT / name).write_bytes(damage)
    status = Status("baseline", 1, "run-2").write(again)
    assert kept.take(states, again, status) is None
    assert "is trained again" in capsys.readouterr().out
    assert not kept.is_kept(states)


def test_only_kept_results_survive_the_end_of_a_study(trained: tuple[Path, Path]) -> None:
    states, _ = trained
    (states.parent / "other").mkdir()
    kept.clear(states.parent)
    assert [path.name for path in states.parent.iterdir()] == ["fingerprint"]
    kept.clear(states.parent.parent / "none")
