"""Training of a trial: its files, and its results after divergence, a kill and SIGTERM."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from common.source_code import code_of
from components.shared.outcome import sentence
from components.shared.train_one import train
from components.shared.trial import (
    CHECKPOINT_FOLDER,
    HISTORY_FILE,
    STATES_FOLDER,
    Status,
    Trial,
    arm_of,
    plan_of,
    read_history,
)
from components.workers.isolation import Run
from corpora.store import Corpus
from tracking.fingerprint import fingerprint
from tracking.store import client
from training import checkpoint
from training.resume import newest_step
from training.step import TrainingFailed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def endless(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan whose training does not end by itself."""
    return plan | {"baseline": plan["baseline"] | {"training.steps": 1e6}, "ablations": []}


def children(pid: int) -> list[int]:
    text = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(number) for number in text.split()]


def workers(others: set[int]) -> set[int]:
    """Child processes of this one except `others`, which are servers of other tests."""
    return set(children(os.getpid())) - others


def wait_for(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


def trains(folder: Path) -> bool:
    return (folder / HISTORY_FILE).is_file() and bool(read_history(folder))


def test_a_trial_leaves_a_checkpoint_curves_and_a_status(done: Any, plan: dict[str, Any], small_corpus: Path) -> None:
    for folder in done.trained[:2]:
        status = Status.read(folder)
        settings = arm_of(plan_of(plan), status.arm).settings
        assert (status.status, status.steps, status.untracked) == ("trained", 6, None)
        inputs = {  # as before there were other recipes
            "settings": settings,
            "seed": 1,
            "corpus": Corpus.open(small_corpus).fingerprint,
            "noise": {},
            "start": None,
            "code": code_of(("training.loop",)),
            "torch": version("torch"),
        }
        assert status.fingerprint == fingerprint(inputs)
        model, _ = checkpoint.load(folder / CHECKPOINT_FOLDER)
        assert status.parameters == sum(parameter.numel() for parameter in model.parameters())
        assert [step for step, metrics in read_history(folder) if "loss" in metrics] == [0, 5]
        assert not list(folder.glob("*.part"))


def test_arms_share_their_first_loss_but_not_their_settings(done: Any) -> None:
    baseline, other = (read_history(folder)[0][1] for folder in done.trained[:2])
    assert baseline["loss/ctc"] == pytest.approx(other["loss/ctc"], rel=1e-4)
    assert "fusion/scale" in baseline
    assert done.status("baseline").fingerprint != done.status("no-scale").fingerprint


def test_a_diverged_training_run_is_a_failed_trial(done: Any) -> None:
    status = Status.read(done.trained[2])
    assert (status.arm, status.status) == ("too-fast", "failed")
    assert status.reason is not None
    assert status.reason.startswith("training diverged: the loss is nan at step")
    run = client(done.uri).get_run(status.run_id)
    assert (run.info.status, run.data.tags["ablation.reason"]) == ("FAILED", status.reason)
    assert not list((done.trained[2] / CHECKPOINT_FOLDER).glob("*"))


def test_a_worker_that_is_killed_is_reported(
    endless: dict[str, Any], small_corpus: Path, store: str, finding: Callable[..., list[str]], tmp_path: Path
) -> None:
    item, others = Trial.from_json(finding(endless, store)[0]), set(children(os.getpid()))

    def kill() -> None:
        wait_for(lambda: workers(others))
        for pid in workers(others):
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    status = train(item.to_json(), endless, small_corpus, tmp_path / "out", tracking_uri=store, threads=1)
    killer.join()
    assert status.failed
    assert "killed (SIGKILL), as happens when memory runs out" in str(status.reason)
    assert client(store).get_run(item.run_id).info.status == "FAILED"
    assert not workers(others)


def test_training_continues_after_crashes_with_complete_curves(
    plan: dict[str, Any], small_corpus: Path, store: str, finding: Callable[..., list[str]], tmp_path: Path
) -> None:
    steps = 120  # far beyond the second kill: a busy machine may look late
    plan = plan | {"baseline": plan["baseline"] | {"training.steps": steps}, "ablations": []}
    item, out, others = Trial.from_json(finding(plan, store)[0]), tmp_path / "out", set(children(os.getpid()))

    def kill() -> None:
        for step in (5, 25):
            wait_for(lambda step=step: reached(out / STATES_FOLDER) >= step)
            for pid in workers(others):
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    status = train(item.to_json(), plan, small_corpus, out, tracking_uri=store, threads=1, save_every_s=0)
    killer.join()
    assert (status.status, status.steps, status.untracked) == ("trained", steps, None)
    logged = [step for step, metrics in read_history(out) if "loss" in metrics]
    assert logged == [*range(0, steps, 10), steps - 1]
    assert [point.step for point in client(store).get_metric_history(item.run_id, "loss")] == logged
    assert not (out / STATES_FOLDER).exists()


def reached(states: Path) -> int:
    """Steps done in the newest state of the only trial there is."""
    return max((newest_step(folder) or 0 for folder in states.glob("*")), default=0)


def test_sigterm_leaves_a_state_but_no_open_run_and_no_process(
    endless: dict[str, Any], small_corpus: Path, store: str, finding: Callable[..., list[str]], tmp_path: Path
) -> None:
    item, out = Trial.from_json(finding(endless, store)[0]), tmp_path / "out"
    call = f"train({item.to_json()!r}, {endless!r}, Path({str(small_corpus)!r}), Path({str(out)!r}), "
    call += f"tracking_uri={store!r}, threads=1, state_root=Path({str(tmp_path / 'states')!r}))"
    code = "from pathlib import Path; from components.shared.train_one import train; "
    step = subprocess.Popen(
        [sys.executable, "-c", f"{code}{call}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        wait_for(lambda: trains(out) and client(store).get_run(item.run_id).info.status == "RUNNING", 200)
        workers = children(step.pid)
        step.terminate()
        assert step.wait(60) == 128 + signal.SIGTERM
    finally:
        step.terminate()
        step.wait()
    assert len(workers) == 1
    assert not Path(f"/proc/{workers[0]}").exists()
    assert client(store).get_run(item.run_id).info.status == "KILLED"
    assert client(store).get_metric_history(item.run_id, "loss")
    assert not list(out.rglob("*.safetensors*"))
    assert reached(tmp_path / "states") > max(step for step, _ in read_history(out))


class Seen:
    """A start whose worker trains nothing: it records the lease of the trial's run and then ends as `end` says."""

    def __init__(self, store: str, item: Trial, end: BaseException | str) -> None:
        self.store, self.item, self.end = store, item, end
        self.leases: list[str | None] = []

    @contextmanager
    def __call__(self, _module: str, _processes: int = 1, _on_stop: object = None) -> Iterator[Run]:
        assert lease_of(self.store, self.item) is None  # a fork must not inherit it
        yield self.run

    def run(self, _request: Mapping[str, Any]) -> str:
        self.leases.append(lease_of(self.store, self.item))
        if isinstance(self.end, str):
            return self.end
        raise self.end


def lease_of(store: str, item: Trial) -> str | None:
    return client(store).get_run(item.run_id).data.tags.get("ablation.lease")


@pytest.mark.parametrize(
    ("end", "ended"),
    [("it crashed", "FAILED"), (SystemExit(143), "KILLED"), (KeyError("a bug of the step"), "SCHEDULED")],
    ids=["crash", "SIGTERM", "bug"],
)
def test_the_step_holds_the_lease_while_its_worker_trains(
    plan: dict[str, Any],
    small_corpus: Path,
    store: str,
    finding: Callable[..., list[str]],
    tmp_path: Path,
    end: BaseException | str,
    ended: str,
) -> None:
    item = Trial.from_json(finding(plan, store)[0])
    seen = Seen(store, item, end)
    with nullcontext() if isinstance(end, str) else pytest.raises(type(end)):
        train(item.to_json(), plan, small_corpus, tmp_path / "out", tracking_uri=store, threads=1, start=seen)
    assert seen.leases == [item.fingerprint]
    assert lease_of(store, item) is None
    assert client(store).get_run(item.run_id).info.status == ended
    assert Status.read(tmp_path / "out").reason == (end if isinstance(end, str) else None)


def test_a_trial_that_was_trained_before_starts_no_worker(
    done: Any, plan: dict[str, Any], small_corpus: Path, finding: Callable[..., list[str]], tmp_path: Path
) -> None:
    louder = plan | {"conditions": {"babble": [-5.0]}}
    item = Trial.from_json(finding(louder, done.uri)[0])
    seen = Seen(done.uri, item, "a worker was started")
    out = tmp_path / "out"
    status = train(item.to_json(), louder, small_corpus, out, tracking_uri=done.uri, threads=1, start=seen)
    assert (status.status, seen.leases) == ("trained", [])
    trained_by = client(done.uri).get_run(str(status.reused_from))  # the newest of those that trained it
    assert trained_by.data.tags["ablation.fingerprint"] == item.fingerprint
    assert {name: trained_by.data.tags[f"ablation.{name}"] for name in ("threads", "gpus")} == {
        "threads": "1",
        "gpus": "0",
    }
    weights = [folder / CHECKPOINT_FOLDER / "model.safetensors" for folder in (out, done.trained[0])]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert lease_of(done.uri, item) is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TrainingFailed("the loss is nan"), "the loss is nan"),
        (UserError("a rule;\n  a remedy"), "a rule; a remedy"),
        (KeyError("zebra"), "KeyError: 'zebra'"),
    ],
)
def test_reasons_are_sentences(error: Exception, text: str) -> None:
    assert sentence(error) == text
