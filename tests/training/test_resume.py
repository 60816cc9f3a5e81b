"""An interrupted training run continues to the bit after every kind of interruption; damaged files are detected."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import CATALOGUE
from training.loop import train_trial
from training.resume import KEPT, ResumeCheckpoints, newest_step, sigterm_noted

SETTINGS = {
    "decoder.units": "word",
    "encoder.layers": 1,
    "encoder.width": 32,
    "encoder.feedforward": 64,
    "encoder.dropout": 0.1,
    "training.batch_size": 8,
    "training.steps": 60,
}
Points = list[tuple[int, dict[str, float]]]


def train(corpus: Path, out: Path, states: Path | None) -> Points:
    points: Points = []
    train_trial(
        CATALOGUE.resolve("tiny", SETTINGS),
        3,
        corpus,
        out,
        threads=1,
        log=lambda step, metrics: points.append((step, metrics)),
        resume_folder=states,
        save_every_s=0,
    )
    return points


def start(corpus: Path, out: Path, states: Path) -> "subprocess.Popen[bytes]":
    code = "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_resume; "
    code += "test_resume.train(*map(Path, sys.argv[2:]))"
    folder = str(Path(__file__).parent)
    return subprocess.Popen([sys.executable, "-c", code, folder, str(corpus), str(out), str(states)])


def interrupt(process: "subprocess.Popen[bytes]", states: Path, step: int, number: int) -> int:
    """Send a signal once a state of that step is there; the exit code."""
    deadline = time.monotonic() + 90
    while (newest_step(states) or 0) < step:
        assert process.poll() is None
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
    process.send_signal(number)
    return process.wait(60)


@pytest.fixture(scope="module")
def uninterrupted(beeps: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Points]:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("uninterrupted")
    points = train(beeps, out, None)
    return (out / "model.safetensors").read_bytes(), points


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_continues_to_the_bit(
    number: int, uninterrupted: tuple[bytes, Points], beeps: Path, tmp_path: Path
) -> None:
    states, out = tmp_path / "states", tmp_path / "out"
    after = int(np.random.default_rng(int(time.time())).integers(1, 40))
    code = interrupt(start(beeps, out, states), states, after, number)
    assert code == (128 + number if number == signal.SIGTERM else -number)
    assert after <= (newest_step(states) or 0) < 60
    assert not out.exists()
    points = train(beeps, out, states)
    assert ((out / "model.safetensors").read_bytes(), points) == uninterrupted


def test_a_damaged_file_is_named_and_the_previous_one_used(
    uninterrupted: tuple[bytes, Points], beeps: Path, tmp_path: Path
) -> None:
    states, out = tmp_path / "states", tmp_path / "out"
    interrupt(start(beeps, out, states), states, 5, signal.SIGKILL)
    newest = sorted(states.glob("*.pt"))[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match=f"{newest.name} is damaged .*; the state before it is used"):
        points = train(beeps, out, states)
    assert ((out / "model.safetensors").read_bytes(), points) == uninterrupted


def test_the_last_two_are_kept_and_partial_files_are_ignored(tmp_path: Path) -> None:
    states = ResumeCheckpoints(tmp_path / "states")
    assert (states.newest(), newest_step(states.folder)) == (None, None)
    for step in (8, 9, 10, 1000):
        states.save(step, {"step": step, "weights": torch.full((3,), step)})
    (states.folder / ".99.part").write_bytes(b"half of a st")
    assert len(list(states.folder.glob("*.pt"))) == KEPT
    found = states.newest()
    assert found is not None
    assert (found["step"], found["weights"].tolist(), newest_step(states.folder)) == (1000, [1000] * 3, 1000)
    for path in states.folder.glob("*.pt"):
        path.write_bytes(path.read_bytes()[:-10])
    with pytest.warns(UserWarning, match="is damaged"):
        assert states.newest() is None


def test_saving_takes_at_most_one_percent_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 30.0, 30.0, 40.0, 1039.9, 1040.1])  # a save from 30 s to 40 s
    monkeypatch.setattr("training.resume.time.monotonic", lambda: next(clock))
    states = ResumeCheckpoints(tmp_path, every_s=30)
    assert states.due()
    states.save(1, {})
    assert [states.due(), states.due()] == [False, True]


def test_sigterm_is_noted_and_the_handler_is_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_noted() as told:
        assert not told()
        signal.raise_signal(signal.SIGTERM)
        assert told()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_state_that_is_not_finite_or_of_another_model_is_not_used(
    uninterrupted: tuple[bytes, Points], beeps: Path, tmp_path: Path
) -> None:
    """Both have the checksum in their name, so only their content tells."""
    states, out = ResumeCheckpoints(tmp_path / "states"), tmp_path / "out"
    interrupt(start(beeps, out, states.folder), states.folder, 5, signal.SIGKILL)
    good = states.newest()
    assert good is not None
    name = next(iter(good["model"]))
    states.save(57, good | {"model": good["model"] | {name: good["model"][name] * float("nan")}})
    states.save(58, {"step": 58})
    with pytest.warns(UserWarning, match="is damaged") as warned:
        points = train(beeps, out, states.folder)
    assert [str(each.message).partition("(")[2].partition(")")[0] for each in warned] == [
        "it lacks mean, model, optimiser, points, seconds, taken",
        f"model.{name} is not finite",
    ]
    assert ((out / "model.safetensors").read_bytes(), points) == uninterrupted
