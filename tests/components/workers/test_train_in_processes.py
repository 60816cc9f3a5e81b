"""A trial that several processes train, as on several GPUs: here two on CPUs, started as in a cluster's pod."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from components.shared.train_one import train
from components.shared.trial import STATES_FOLDER, Status, Trial, arm_of, plan_of, read_history
from tracking.store import client
from training.loop import train_trial as train_model
from training.resume import newest_step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # seven processes start, on a busy machine slowly
STEPS = 60


@pytest.fixture
def together(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan of two arms, of which one diverges; without what sees one share of a batch at a time."""
    alike = {"training.steps": STEPS, "training.batch_size": 8, "siamese": "none", "fusion.tokens": "audio_only"}
    too_fast = {"part": "training.learning_rate", "replacements": {"too-fast": 1e6}}
    return plan | {"baseline": plan["baseline"] | alike, "ablations": [too_fast]}


def descendants(pid: int) -> list[int]:
    text = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [each for child in map(int, text.split()) for each in (child, *descendants(child))]


def second_process() -> int:
    """The process of rank 1 among ours."""
    for pid in descendants(os.getpid()):
        if b"RANK=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            return pid
    raise LookupError("no second process")


def interrupt(folder: Path, signals: dict[int, int]) -> None:
    """Send signals to the second process only. `signals` maps the step to wait for to the signal."""
    deadline = time.monotonic() + 600
    for step, number in signals.items():
        while max((newest_step(states) or 0 for states in folder.glob("states/*")), default=0) < step:
            assert time.monotonic() < deadline, "the training run did not get that far in time"
            time.sleep(0.005)
        os.kill(second_process(), number)


def test_two_processes_train_one_trial_and_survive_signals(
    together: dict[str, Any], small_corpus: Path, store: str, finding: Callable[..., list[str]], tmp_path: Path
) -> None:
    item, alone, out = finding(together, store)[0], tmp_path / "alone", tmp_path / "out"
    settings = arm_of(plan_of(together), "baseline").settings
    train_model(settings, 1, small_corpus, alone, threads=1, log=lambda _step, _metrics: None)
    ends = threading.Thread(target=interrupt, args=(tmp_path, {5: signal.SIGTERM, 25: signal.SIGKILL}))
    ends.start()
    more = {"state_root": tmp_path / "states", "save_every_s": 0, "gpus": 2}
    status = train(item, together, small_corpus, out, tracking_uri=store, threads=1, **more)
    ends.join()
    assert (status.status, status.reason, status.steps, status.untracked) == ("trained", None, STEPS, None)
    assert not (out / STATES_FOLDER).exists()
    steps = [step for step, metrics in read_history(out) if "loss" in metrics]
    assert steps == [*range(0, STEPS, 10), STEPS - 1]
    found = client(store).get_metric_history(Trial.from_json(item).run_id, "loss")
    assert [point.step for point in found] == steps
    one, two = (load_file(folder / "model.safetensors") for folder in (alone, out / "checkpoint"))
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-4


def test_divergence_in_several_processes_has_its_reason(
    together: dict[str, Any], small_corpus: Path, store: str, finding: Callable[..., list[str]], tmp_path: Path
) -> None:
    item = finding(together, store)[1]
    status = train(item, together, small_corpus, tmp_path / "out", tracking_uri=store, threads=1, gpus=2)
    assert status.failed
    assert str(status.reason).startswith("training diverged: the ")
    run = client(store).get_run(Trial.from_json(item).run_id)
    assert (run.info.status, run.data.tags["ablation.reason"]) == ("FAILED", status.reason)
    assert Status.read(tmp_path / "out") == status
