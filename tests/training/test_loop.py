"""Training learns, reports failures, repeats with its seed, and gives arms of a seed the same batches."""

from pathlib import Path

import jiwer
import numpy as np
import pytest

from common.errors import UserError
from corpora.noise import NoiseBank
from corpora.store import Corpus
from model.config import CATALOGUE
from model.settings import TrainingSettings
from training import checkpoint
from training.batches import TrainingBatches
from training.evaluate import transcribe
from training.loop import train_trial
from training.optimiser import learning_rate_factor
from training.step import TrainingFailed

SMALL = {
    "decoder.units": "word",
    "encoder.layers": 1,
    "encoder.width": 32,
    "encoder.feedforward": 64,
    "training.batch_size": 8,
}


def train(corpus: Path, out: Path, seed: int = 1, **overrides: object) -> list[tuple[int, dict[str, float]]]:
    history: list[tuple[int, dict[str, float]]] = []
    settings = CATALOGUE.resolve("tiny", SMALL | {"training.steps": 4} | overrides)
    train_trial(settings, seed, corpus, out, threads=1, log=lambda step, metrics: history.append((step, metrics)))
    return history


@pytest.fixture(scope="module")
def trained(beeps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    history = train(beeps, out, **{"training.steps": 120, "training.learning_rate": 5e-3})
    losses = [metrics["loss/ctc"] for _, metrics in history if "loss/ctc" in metrics]
    assert losses[-1] < losses[0] / 3
    return out


def test_a_trained_checkpoint_generalises_and_noise_hurts(trained: Path, beeps: Path) -> None:
    table = transcribe(trained, beeps, {"white": [30, -25]}, threads=1)
    assert list(table.condition.unique()) == ["clean", "white_30db", "white_-25db"]
    wer = {
        condition: jiwer.wer(list(rows.reference), list(rows.hypothesis))
        for condition, rows in table.groupby("condition")
    }
    assert wer["clean"] < 0.15
    assert wer["white_-25db"] > wer["clean"]


def test_transcribing_twice_gives_the_same_table(trained: Path, beeps: Path) -> None:
    noises = {"white": [0.0], "babble": [0.0, -5.0]}
    first, second = (transcribe(trained, beeps, noises, threads=1) for _ in range(2))
    assert first.equals(second)


def test_a_rerun_with_the_same_seed_is_equal_to_the_bit(beeps: Path, tmp_path: Path) -> None:
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(beeps, tmp_path / name, seed)
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_divergence_fails_with_a_reason_and_no_checkpoint(beeps: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"diverged: .* at step"):
        train(beeps, tmp_path / "out", **{"training.learning_rate": 1e6, "training.steps": 60})
    assert not (tmp_path / "out").exists()


def test_speech_too_fast_for_character_units_is_refused(beeps: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="CTC needs at least one frame per character"):
        train(beeps, tmp_path / "out", **{"decoder.units": "character"})


def test_batches_depend_on_seed_and_step_and_not_on_the_arm(beeps: Path) -> None:
    corpus = Corpus.open(beeps)
    babble = NoiseBank.from_corpus(corpus, "babble")

    def batch(seed: int, step: int, **recipe: object) -> np.ndarray:
        settings = TrainingSettings(batch_size=8, **recipe)  # type: ignore[arg-type]
        inputs = TrainingBatches(corpus, settings, seed, babble).batch(step).inputs
        return np.concatenate([inputs.audio.numpy().ravel(), inputs.video.numpy().ravel()])

    assert np.array_equal(batch(1, 3), batch(1, 3, learning_rate=0.5, beta=0.0))
    assert not np.array_equal(batch(1, 3), batch(1, 4)[: batch(1, 3).size])
    assert batch(1, 3).shape != batch(2, 3).shape or not np.array_equal(batch(1, 3), batch(2, 3))


def test_an_epoch_shows_every_utterance_once(beeps: Path) -> None:
    corpus = Corpus.open(beeps)
    batches = TrainingBatches(corpus, TrainingSettings(batch_size=10), 1, NoiseBank.from_corpus(corpus, "white"))
    seen = [utterance.id for step in range(6) for utterance in batches.batch(step).utterances]
    assert sorted(seen) == sorted(utterance.id for utterance in corpus.utterances("train"))


def test_the_learning_rate_warms_up_then_falls_to_nothing() -> None:
    recipe = TrainingSettings(steps=100, warmup_ratio=0.1)
    factors = [learning_rate_factor(step, recipe) for step in range(100)]
    assert factors[9] == 1.0
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.001


def test_weights_that_overflow_in_the_last_step_are_not_stored(beeps: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"training diverged: .* is not finite after the last step"):
        train(beeps, tmp_path, **{"training.steps": 1, "training.learning_rate": 1e39})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a checkpoint is a folder with"):
        checkpoint.load(tmp_path)


def test_a_decoder_learns_together_with_ctc(beeps: Path, tmp_path: Path) -> None:
    decoder = {"decoder.layers": 1, "decoder.feedforward": 64, "decoder.beam_size": 5, "decoder.dropout": 0.0}
    recipe = {"training.steps": 150, "training.learning_rate": 5e-3, "training.ctc_weight": 0.3}
    history = train(beeps, tmp_path, **decoder, **recipe)
    losses = [metrics["loss/attention"] for _, metrics in history if "loss/attention" in metrics]
    assert losses[-1] < losses[0] / 2
    table = transcribe(tmp_path, beeps, {}, threads=1)
    assert jiwer.wer(list(table.reference), list(table.hypothesis)) < 0.2
