"""Damaged checkpoints and training states: cut, zeroed, forged or not finite. Each is refused, or training goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import UserError
from model.fairseq_file import read
from model.finite import not_finite
from training import checkpoint
from training.resume import ResumeCheckpoints, newest_step
from training.transcriber import Transcriber

SOUND = Path(__file__).parent / "earlier_checkpoint"
WEIGHTS = "model.safetensors"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def poisoned(value: float) -> Callable[[Path], None]:
    """Return a damage that sets one weight to a value."""

    def damage(file: Path) -> None:
        tensors = load_file(file)
        tensors["head.weight" if "head.weight" in tensors else sorted(tensors)[0]].view(-1)[0] = value
        save_file(tensors, file)

    return damage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SOUND, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.mark.parametrize("load", [checkpoint.load, Transcriber.load])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut, "is damaged, it cannot be read as safetensors"),
        (zeroed, "is damaged, it cannot be read as safetensors"),
        (poisoned(float("nan")), "the weights of a checkpoint are finite, and .* in .*model.safetensors is not"),
        (poisoned(float("inf")), "the weights of a checkpoint are finite, and .* in .*model.safetensors is not"),
    ],
)
def test_damaged_weights_are_refused_in_one_sentence(
    folder: Path, load: Callable[[Path], object], damage: Callable[[Path], None], says: str
) -> None:
    damage(folder / WEIGHTS)
    with pytest.raises(UserError, match=says) as raised:
        load(folder)
    assert "\n" not in str(raised.value)
    assert WEIGHTS in str(raised.value)


def test_both_files_of_a_checkpoint_have_the_same_mode(tmp_path: Path) -> None:
    model, tokenizer = checkpoint.load(SOUND)
    checkpoint.save(tmp_path, model, tokenizer, seed=1, corpus_fingerprint="c")
    assert len({file.stat().st_mode for file in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_checkpoint_to_start_from_with_such_a_weight_is_refused(value: float, tmp_path: Path) -> None:
    torch.save({"model": {"encoder.a": torch.ones(2), "encoder.b": torch.tensor([1.0, value])}}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"are finite, and encoder\.b in .*a\.pt is not"):
        read(tmp_path / "a.pt")


def test_the_first_tensor_that_is_not_finite_is_named() -> None:
    nan = torch.tensor([1.0, torch.nan])
    state = {
        "steps": 3,
        "optimiser": {"state": {0: {"step": torch.tensor(1), "mean": torch.ones(2)}, 1: {"mean": nan}}},
    }
    assert not_finite(state) == "optimiser.state.1.mean"
    assert not_finite({"a": [torch.ones(1), nan]}) == "a.1"
    assert not_finite({"ok": torch.ones(3), "number": torch.nan}) is None


def forged(file: Path) -> None:
    """Another content under the checksum of that content: only a look into it tells."""
    step = file.name.partition("-")[0]
    file.unlink()
    ResumeCheckpoints(file.parent).save(int(step), {"weights": torch.tensor([torch.nan])})


@pytest.mark.parametrize("damage", [cut, zeroed, forged, Path.unlink])
def test_a_damaged_state_is_passed_over_and_removed(damage: Callable[[Path], None], tmp_path: Path) -> None:
    states = ResumeCheckpoints(tmp_path)
    for step in (10, 20):
        states.save(step, {"weights": torch.full((3,), float(step))})
    damage(sorted(tmp_path.glob("*.pt"))[-1])

    def fault(state: dict[str, Any]) -> str | None:
        return not_finite(state)

    if damage is Path.unlink:
        found = states.newest(fault)
    else:
        with pytest.warns(UserWarning, match="000000020-.* is damaged .*; the state before it is used"):
            found = states.newest(fault)
    assert found is not None
    assert (found["weights"].tolist(), newest_step(tmp_path)) == ([10.0] * 3, 10)
    for path in tmp_path.glob("*.pt"):
        cut(path)
    with pytest.warns(UserWarning, match="training starts anew"):
        assert states.newest(fault) is None
    assert newest_step(tmp_path) is None
