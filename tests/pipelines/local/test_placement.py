"""Trials at a time, and their GPUs: which cards count, who gets which, and what is refused."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ablation.plan.arms import expand
from ablation.plan.plan import plan_from_mapping
from common.errors import UserError
from model.config import CATALOGUE
from pipelines.local import placement
from pipelines.local.cards import MIB, Card, visible_cards
from pipelines.local.fits import check_batches
from pipelines.local.placement import Groups, Placement, place
from recipes.smile import SMILE
from tests.support import nvidia_smi

H100 = "81559"
FOUR = [(f"GPU-{letter}0", H100) for letter in "abcd"]
MEMORY = int(H100) * MIB


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with four GPUs, and torch with CUDA."""
    nvidia_smi.install(tmp_path / "bin", monkeypatch, *FOUR)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(placement, "_without_cuda", lambda _: False)
    monkeypatch.setattr(placement.os, "sched_getaffinity", lambda _: set(range(16)))
    return tmp_path


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (None, ["GPU-a0", "GPU-b0", "GPU-c0", "GPU-d0"]),
        ("", []),
        ("-1", []),
        ("2,0", ["2", "0"]),
        ("0,7,1", ["0"]),  # the first name that is not valid ends the list
        (" GPU-b, 3 ", ["GPU-b", "3"]),
        ("GPU-x", []),
        ("MIG-3c", ["MIG-3c"]),
        ("1,1", ["1"]),
        ("none", []),
    ],
)
@pytest.mark.usefixtures("four")
def test_visible_cards_are_those_that_cuda_would_use(chosen: str | None, names: list[str]) -> None:
    assert [card.name for card in visible_cards({} if chosen is None else {"CUDA_VISIBLE_DEVICES": chosen})] == names


def test_no_driver_or_a_broken_one_means_no_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_cards({"CUDA_VISIBLE_DEVICES": "0"}) == ()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    nvidia_smi.install(
        tmp_path / "bin", monkeypatch, ("Failed to initialize NVML: Driver/library version mismatch", ""), code=18
    )
    assert visible_cards({}) == ()
    nvidia_smi.install(tmp_path / "bin", monkeypatch, ("GPU-a0", "[N/A]"))
    assert visible_cards({}) == (Card("GPU-a0"),)


def test_without_a_gpu_two_trials_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi.install(tmp_path / "bin", monkeypatch)
    for cores, options, expected in [
        (2, {}, (2, 1)),
        (1, {}, (2, 1)),
        (16, {}, (2, 8)),
        (16, {"at_once": 16}, (16, 1)),
    ]:
        monkeypatch.setattr(placement.os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        found = place(SMILE, **options)
        assert (found.at_once, found.threads, found.gpus) == (*expected, 0)


@pytest.mark.usefixtures("four")
def test_all_cards_are_used_and_shared_as_asked() -> None:
    alone, shared, pairs, threes = (
        place(SMILE, **options) for options in [{}, {"per_gpu": 3}, {"gpus": 2}, {"gpus": 3}]
    )
    assert (alone.at_once, alone.gpus, alone.threads, alone.memory) == (4, 1, 4, MEMORY)
    assert (shared.at_once, shared.gpus, shared.threads, shared.memory) == (12, 1, 1, MEMORY)
    assert (pairs.at_once, pairs.gpus, pairs.memory) == (2, 2, 2 * MEMORY)
    assert pairs.groups == (("GPU-a0", "GPU-b0"), ("GPU-c0", "GPU-d0"))
    assert threes.groups == (("GPU-a0", "GPU-b0", "GPU-c0"),)
    assert shared.sentence() == "12 trials at a time on 4 x 1 GPU, each with 1 thread"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"at_once": 4},
            r"without a GPU, and this one has 4 GPUs; give --trials-per-gpu, or hide GPUs by CUDA_VISIBLE",
        ),
        ({"gpus": 5}, r"got 5, but 4 GPUs can be used here; give fewer, or allow more by CUDA_VISIBLE_DEVICES"),
        ({"gpus": 2, "per_gpu": 2}, r"do not share them, and got --gpus-per-trial 2 with --trials-per-gpu 2; give one"),
        (
            {"per_gpu": 2, "in_containers": True},
            r"--trials-per-gpu needs a GPU, and steps in containers get none; leave",
        ),
    ],
)
@pytest.mark.usefixtures("four")
def test_options_that_do_not_fit_the_machine_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        place(SMILE, **options)


@pytest.mark.parametrize("option", ["per_gpu", "gpus"])
def test_options_for_gpus_are_refused_without_one(option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi.install(tmp_path / "bin", monkeypatch)
    with pytest.raises(UserError, match=r"needs a GPU, and this machine has none that CUDA could use; leave it out"):
        place(SMILE, **{option: 1})


def test_torch_without_cuda_uses_no_card(four: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    nvidia_smi.install(four / "bin", monkeypatch, *FOUR)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for version, gpus in (("2.11.0", 1), ("2.11.0+cu130", 1), ("2.11.0+cpu", 0)):
        monkeypatch.setattr(placement, "version", lambda _, version=version: version)
        assert place(SMILE).gpus == gpus


def test_memory_is_checked_for_every_trial_of_a_card() -> None:
    arms = expand(plan_from_mapping({"study": "s", "baseline": {"training.batch_size": 640}}), CATALOGUE)
    cards = {"at_once": 1, "groups": (("0",),), "memory": 16 * 10**9}
    check_batches(SMILE, arms, placement=Placement(**cards))
    crowded = Placement(**{**cards, "at_once": 8}, sharing=8)
    with pytest.raises(UserError, match=r"a trial has 2\.0 GB on its GPU: .*, or `ablate run --trials-per-gpu 2`$"):
        check_batches(SMILE, arms, placement=crowded)
    check_batches(SMILE, arms, placement=Placement(**{**cards, "at_once": 2}, sharing=2))
    with pytest.raises(
        UserError, match=r"a trial has 1\.0 GB on this machine: .*, or `ablate run --trials-at-once 2`$"
    ):
        check_batches(SMILE, arms, 16 * 10**9, Placement(16))
    with pytest.raises(UserError, match=r"steps: \d+ or more$"):  # one trial alone does not fit
        check_batches(SMILE, arms, 10**9, Placement(16))


KEEPS_A_CARD = """
import os, sys, time
from pathlib import Path
place = Path(sys.argv[1]) / os.environ["CUDA_VISIBLE_DEVICES"]
if sys.argv[2] == "killed": os.kill(os.getpid(), 9)
for slot in range(int(sys.argv[3])):
    try:
        os.close(os.open(f"{place}.{slot}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        continue
    time.sleep(0.1)
    print(os.environ["CUDA_VISIBLE_DEVICES"])
    os.unlink(f"{place}.{slot}")
    break
else:
    sys.exit("too many processes on this card")
"""


@pytest.mark.parametrize("sharing", [1, 2])
def test_no_card_has_more_processes_than_may_share_it(tmp_path: Path, sharing: int) -> None:
    """Every third process is killed, and the others still find room on every card."""
    groups = Groups([["a"], ["b", "c"], ["d"]])

    def run(number: int) -> str:
        fate = "killed" if number % 3 == 0 else "fine"
        with groups.held() as gpus:
            command = [sys.executable, "-S", "-c", KEEPS_A_CARD, str(tmp_path), fate, str(sharing)]
            done = subprocess.run(command, env=gpus, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (-9 if fate == "killed" else 0, "")
        return done.stdout.strip()

    with ThreadPoolExecutor(3 * sharing) as pool:
        said = list(pool.map(run, range(18)))
    assert set(said) == {"a", "b,c", "d", ""}
    assert set(groups._used.values()) == {0}
