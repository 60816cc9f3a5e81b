"""A step is the same in micro-batches, by several processes, in half precision, and with prefetched data."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import UserError
from corpora.noise import NoiseBank
from corpora.store import Corpus
from model.config import CATALOGUE
from model.settings import TrainingSettings
from model.smile import Smile
from training.averaging import WeightAverage
from training.batches import TrainingBatches
from training.distributed import join_processes
from training.loop import train_trial
from training.optimiser import learning_rate_factor
from training.prefetch import prefetched
from training.step import TrainingFailed

ROOT = Path(__file__).parents[2]
# Sound alone and no Siamese branch: neither batch norm nor a mean over masked frames looks at a share by itself.
SMALL: dict[str, Any] = {
    "decoder.units": "word",
    "encoder.layers": 1,
    "encoder.width": 32,
    "encoder.feedforward": 64,
    "fusion.tokens": "audio_only",
    "siamese": "none",
    "training.batch_size": 7,
    "training.steps": 12,
    "training.learning_rate": 1e-3,
}


def run(corpus: Path, out: Path, **overrides: Any) -> None:
    settings = CATALOGUE.resolve("tiny", SMALL | overrides)
    train_trial(settings, 1, corpus, out, threads=1, log=lambda _step, _metrics: None)


def train(corpus: Path, out: Path, **overrides: Any) -> dict[str, torch.Tensor]:
    run(corpus, out, **overrides)
    return load_file(out / "model.safetensors")


@pytest.fixture(scope="module")
def whole(beeps: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    return train(beeps, tmp_path_factory.mktemp("whole"))


def difference(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    return max((left[name].double() - right[name].double()).abs().max().item() for name in left)


def test_micro_batches_give_the_result_of_the_batch(
    whole: dict[str, torch.Tensor], beeps: Path, tmp_path: Path
) -> None:
    assert difference(whole, train(beeps, tmp_path / "a", **{"training.gradient_accumulation_steps": 3})) < 1e-4
    assert difference(whole, train(beeps, tmp_path / "b", **{"training.batch_size": 3})) > 1e-3


def learn(corpus: Path, out: Path, **overrides: Any) -> None:
    """Like `run`, but leaves what this process has in the end: its weights, and the gradient of the last step."""
    seen: list[torch.nn.Module] = []

    class Noting(Smile):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            seen.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.loop.Smile", Noting)
        run(corpus, out, **overrides)
    gradients = {f"gradient of {name}": p.grad for name, p in seen[0].named_parameters() if p.grad is not None}
    save_file(seen[0].state_dict() | gradients, out.with_suffix(f".{os.environ.get('RANK', 0)}"))


class Parts(torch.nn.Module):
    """Weights that get a gradient in every process, in one, in none."""

    def __init__(self) -> None:
        super().__init__()
        self.everywhere, self.somewhere, self.nowhere = (torch.nn.Parameter(torch.ones(2)) for _ in range(3))


def sum_parts(out: Path) -> None:
    """Leave what this process has after the gradients were summed."""
    context, model = join_processes(), Parts()
    loss = 3 * model.everywhere.sum() + (5 * model.somewhere.sum() if context.rank else 0.0)
    loss.backward()
    context.sum_gradients(model)
    save_file({name: p.grad for name, p in model.named_parameters() if p.grad is not None}, out / f"s.{context.rank}")


def test_two_processes_give_the_result_of_one(whole: dict[str, torch.Tensor], beeps: Path, tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_scale; from pathlib import Path\n"
    script = tmp_path / "two.py"
    # Adam would hide a gradient of the wrong size: the gradient of a single step is compared, too, and not clipped.
    single = "**{'training.steps': 1, 'training.clip_norm': 1e9}"
    script.write_text(
        f"{code}corpus, out = map(Path, sys.argv[2:])\ntest_scale.learn(corpus, out / 'all')\n"
        f"test_scale.learn(corpus, out / 'single', {single})\ntest_scale.sum_parts(out)\n"
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    arguments = [str(Path(__file__).parent), str(beeps), str(tmp_path)]
    done = subprocess.run([*launcher, *arguments], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"all.{rank}") for rank in (0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert difference(whole, load_file(tmp_path / "all" / "model.safetensors")) < 1e-4
    learn(beeps, tmp_path / "alone", **{"training.steps": 1, "training.clip_norm": 1e9})
    alone, single_step = load_file(tmp_path / "alone.0"), load_file(tmp_path / "single.1")
    gradients = [name for name in alone if name.startswith("gradient of ")]
    assert len(gradients) > 10
    for name in gradients:
        torch.testing.assert_close(single_step[name], alone[name], rtol=1e-4, atol=1e-6)
    for rank in range(2):  # with zeros instead of no gradient, momentum would move a frozen scale
        summed = {name: gradient.tolist() for name, gradient in load_file(tmp_path / f"s.{rank}").items()}
        assert summed == {"everywhere": [6, 6], "somewhere": [5, 5]}


def test_half_precision_is_near_but_not_the_same(whole: dict[str, torch.Tensor], beeps: Path, tmp_path: Path) -> None:
    video = {"fusion.tokens": "time", "siamese": "stop_gradient"}
    assert 0 < difference(whole, train(beeps, tmp_path / "a", **{"training.precision": "bfloat16"})) < 0.05
    both = [train(beeps, tmp_path / p, **video, **{"training.precision": p}) for p in ("float32", "bfloat16")]
    assert 0 < difference(*both) < 0.5
    assert all(tensor.dtype != torch.bfloat16 for tensor in both[1].values())


def test_batches_by_length_keep_the_limit_and_epochs_are_whole(beeps: Path) -> None:
    corpus = Corpus.open(beeps)
    babble = NoiseBank.from_corpus(corpus, "white")

    def batches(seed: int, frames: int) -> TrainingBatches:
        return TrainingBatches(corpus, TrainingSettings(max_frames_per_batch=frames), seed, babble)

    steps = len(batches(1, 120)._plan(0))
    chosen = [batches(1, 120).chosen(step) for step in range(2 * steps)]
    assert all(len(each) * max(u.frames for u in each) <= 120 for each in chosen)
    everybody = sorted(utterance.id for utterance in corpus.utterances("train"))
    for epoch in (chosen[:steps], chosen[steps:]):
        assert sorted(utterance.id for each in epoch for utterance in each) == everybody
    assert chosen[:steps] != chosen[steps:]
    assert [batches(2, 120).chosen(step) for step in range(steps)] != chosen[:steps]
    assert sum(max(u.frames for u in each) * len(each) for each in chosen) < 1.1 * 2 * sum(
        utterance.frames for utterance in corpus.utterances("train")
    )
    with pytest.raises(UserError, match="has to hold the longest training utterance, which has 20 frames; got 19"):
        batches(1, 19)


def test_an_utterance_is_the_same_in_every_micro_batch(beeps: Path) -> None:
    corpus = Corpus.open(beeps)
    batches = TrainingBatches(corpus, TrainingSettings(curriculum=0.0), 1, NoiseBank.from_corpus(corpus, "babble"))
    together = batches.batch(2)
    assert together is not None
    for share in range(3):
        part = batches.batch(2, share, 3)
        assert part is not None
        for row, place in enumerate(part.rows):
            frames = part.inputs.lengths[row]
            assert torch.equal(part.inputs.video[row, :frames], together.inputs.video[place, :frames])
            assert torch.equal(part.inputs.audio[row, : 640 * frames], together.inputs.audio[place, : 640 * frames])
    assert batches.batch(2, 8, 9) is None


def test_prefetched_items_and_errors_come_in_order() -> None:
    threads = set()

    def make(number: int) -> np.ndarray:
        threads.add(threading.current_thread().name)
        if number == 30:
            raise ValueError("thirty")
        return np.random.default_rng(number).random(3)

    plain = list(prefetched(make, 3, 20, workers=0))
    assert threads == {threading.current_thread().name}
    assert np.array_equal(list(prefetched(make, 3, 20, workers=3)), plain)
    ahead = prefetched(make, 28, 40, workers=2)
    assert [len(next(ahead)), len(next(ahead))] == [3, 3]
    with pytest.raises(ValueError, match="thirty"):
        next(ahead)


@pytest.mark.parametrize("holds", [3, 0])
def test_a_batch_too_large_for_memory_names_a_size_that_fits(
    holds: int, beeps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no GPU to run out of memory on: the model stands in for it by its real error on larger batches."""
    losses = Smile.losses

    def limited(self: Smile, inputs: Any, *rest: Any) -> Any:
        if len(inputs.lengths) > holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return losses(self, inputs, *rest)

    monkeypatch.setattr(Smile, "losses", limited)
    fits = r"but 3; set training.gradient_accumulation_steps: 3, or a smaller batch_size or max_frames_per_batch"
    with pytest.raises(TrainingFailed, match=fits if holds else "nor a single one; use a smaller model"):
        train(beeps, tmp_path)


def test_the_final_model_is_the_mean_of_late_weights(beeps: Path, tmp_path: Path) -> None:
    average, model = WeightAverage(4, 100), torch.nn.Linear(1, 1)
    for step in range(100):
        torch.nn.init.constant_(model.weight, step)
        average.update(step, model)
    average.apply_to(model)
    assert sorted(average.at) == [92, 94, 97, 99]
    assert model.weight.item() == pytest.approx(95.5)
    assert WeightAverage(1, 100).at == set()
    one, mean = (train(beeps, tmp_path / str(n), **{"training.steps": 40, "training.average": n}) for n in (1, 3))
    assert 0 < difference(one, mean) < 0.1


@pytest.mark.parametrize(("schedule", "last"), [("tri_stage", 0.05), ("inverse_sqrt", 0.5), ("cosine", 0.0)])
def test_schedules_rise_to_one_and_fall_to_their_end(schedule: Any, last: float) -> None:
    recipe = TrainingSettings(steps=400, warmup_ratio=0.25, schedule=schedule)
    factors = [learning_rate_factor(step, recipe) for step in range(400)]
    assert max(factors) == factors[99] == 1.0
    assert factors[99:] == sorted(factors[99:], reverse=True)
    assert factors[-1] == pytest.approx(last, abs=0.001)


def test_arms_of_a_seed_see_the_same_batches_masks_and_weights(
    beeps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Common random numbers, as the training itself draws them: what is not changed between two arms is equal."""
    seen: list[tuple[Any, ...]] = []
    losses = Smile.losses

    def noting(self: Smile, inputs: Any, targets: Any, masks: Any) -> Any:
        seen.append((inputs.audio, inputs.video, targets, masks))
        return losses(self, inputs, targets, masks)

    monkeypatch.setattr(Smile, "losses", noting)
    arms = [{}, {"fusion.scale": "none"}, {"training.learning_rate": 2e-3}, {"siamese": "none"}]
    for number, arm in enumerate(arms):
        train(beeps, tmp_path / str(number), **({"fusion.tokens": "time", "siamese": "ema", "training.steps": 3} | arm))
    for step in range(3):
        audio, video, targets, masks = seen[step]
        for other in seen[step + 3 :: 3]:
            assert torch.equal(audio, other[0])
            assert torch.equal(video, other[1])
            assert targets == other[2]
            assert all(torch.equal(masks[name], other[3][name]) for name in ("audio", "video"))
    assert len(seen) == 12
