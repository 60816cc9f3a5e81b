"""The training loop of one trial: a plain PyTorch loop with a warm-up, a cosine, and a look at the validation split."""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.functional import edit_distance

from ablation.errors import UserError
from corpora.noise import NoiseBank
from corpora.store import Corpus
from model.config import Settings, TrainingSettings
from model.config import load as load_settings
from model.masking import mask_statistics
from model.smile import Losses, Smile, initialise, parameter_count
from training import checkpoint
from training.batches import Batch, TrainingBatches, by_length, centre_crop, collate, curriculum, generator
from training.decode import greedy
from training.units import Units

LOG_EVERY = 10
VALIDATE_TIMES = 5
EVALUATION_BATCH = 32

Log = Callable[[int, dict[str, float]], None]


class TrainingFailed(RuntimeError):
    """The trial cannot go on; the text says why in a sentence."""


@dataclass(frozen=True)
class TrainResult:
    """`seconds` is wall time of the loop, without loading."""

    parameters: int
    steps: int
    seconds: float


def train_trial(
    settings: Mapping[str, Any],
    seed: int,
    corpus: Path,
    out: Path,
    *,
    threads: int,
    log: Log,
    noise: Mapping[str, str] | None = None,
) -> TrainResult:
    """Train one arm with one seed and leave its checkpoint in `out`.

    `settings` are what `model.config.CATALOGUE.resolve` gave; `noise` maps a noise kind to recordings that stand in for
    the corpus's own babble; `log(step, metrics)` is called every few steps. Raises TrainingFailed when the loss is no
    number any more, and leaves no checkpoint then.
    """
    torch.set_num_threads(threads)
    typed, data = load_settings(settings), Corpus.open(corpus)
    recipe = typed.training
    units = Units.from_texts(typed.decoder.units, (utterance.text for utterance in data.utterances("train")))
    model = Smile(typed, len(units.symbols))
    initialise(model, seed)
    batches = TrainingBatches(data, recipe, seed, NoiseBank.from_corpus(data, "babble", (noise or {}).get("babble")))
    _check_targets(batches, units, typed)
    started = time.perf_counter()
    _loop(model, units, batches, data, log)
    seconds = time.perf_counter() - started
    checkpoint.save(out, model, units, seed=seed, corpus_fingerprint=data.fingerprint)
    return TrainResult(parameter_count(model), recipe.steps, seconds)


def _loop(model: Smile, units: Units, batches: TrainingBatches, data: Corpus, log: Log) -> None:
    recipe, seed = batches.recipe, batches.seed
    optimiser = build_optimiser(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate_factor(step, recipe))
    validate_every = max(1, recipe.steps // VALIDATE_TIMES)
    for step in range(recipe.steps):
        batch = batches.batch(step)
        masks = model.sample_masks(
            batch.inputs.lengths,
            {name: generator(seed, "mask", name, step) for name in model.inputs},
            share=curriculum(step, recipe),
        )
        model.begin_step(step)
        torch.manual_seed(seed * 1_000_003 + step)  # dropout: a function of seed and step, not of what ran before
        losses = train_step(model, optimiser, batch, units, masks)
        _check_finite(losses, step)
        schedule.step()
        if step % LOG_EVERY == 0 or step + 1 == recipe.steps:
            log(step, _metrics(model, losses, masks, batch, float(schedule.get_last_lr()[0])))
        if (step + 1) % validate_every == 0:
            log(step, {"wer/valid": validation_wer(model, units, data)})


def train_step(
    model: Smile, optimiser: torch.optim.Optimizer, batch: Batch, units: Units, masks: dict[str, Tensor]
) -> Losses:
    """One update of the weights; returns the losses before it."""
    model.train()
    losses = model.losses(batch.inputs, [units.encode(utterance.text) for utterance in batch.utterances], masks)
    optimiser.zero_grad(set_to_none=True)
    losses.total.backward()
    nn.utils.clip_grad_norm_(model.parameters(), model.settings.training.clip_norm)
    optimiser.step()
    return losses


def build_optimiser(model: nn.Module, recipe: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW; vectors and scalars (biases, norms, S, omega) are kept out of weight decay."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
    kept = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def learning_rate_factor(step: int, recipe: TrainingSettings) -> float:
    """Linear warm-up, then a half cosine to 0."""
    warm = max(1, round(recipe.warmup * recipe.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, recipe.steps - warm)))


def validation_wer(model: Smile, units: Units, data: Corpus) -> float:
    """Pooled WER of greedy decoding on the clean validation split; NaN without one."""
    errors = words = 0
    for utterances in by_length(data.utterances("valid"), EVALUATION_BATCH):
        audio = [data.audio(utterance) / 32768.0 for utterance in utterances]
        batch = collate(utterances, audio, [centre_crop(data.video(utterance)) for utterance in utterances])
        for utterance, text in zip(utterances, recognise(model, batch, units), strict=True):
            errors += edit_distance(utterance.text.split(), text.split())
            words += len(utterance.text.split())
    return errors / words if words else math.nan


@torch.inference_mode()
def recognise(model: Smile, batch: Batch, units: Units) -> list[str]:
    """The texts of a batch, by greedy CTC decoding."""
    return greedy(model.eval()(batch.inputs), batch.inputs.lengths, units)


def _metrics(
    model: Smile, losses: Losses, masks: dict[str, Tensor], batch: Batch, learning_rate: float
) -> dict[str, float]:
    metrics = {"loss": losses.total.item(), "loss/ctc": losses.ctc.item(), "learning_rate": learning_rate}
    if losses.masked is not None:
        metrics["loss/masked"] = losses.masked.item()
    metrics |= model.scale_values()
    metrics |= {f"fusion/omega_{n}": w for n, w in enumerate(model.layer_sum.weights().tolist())}
    masked = mask_statistics(masks, batch.inputs.lengths)
    return metrics | {f"mask/{name}_{key}": value for name, found in masked.items() for key, value in found.items()}


def _check_finite(losses: Losses, step: int) -> None:
    if not math.isfinite(losses.total.item()):
        raise TrainingFailed(f"training diverged: the loss is {losses.total.item()} at step {step}")


def _check_targets(batches: TrainingBatches, units: Units, settings: Settings) -> None:
    """CTC needs a frame per unit and one more between equal neighbours; an utterance that is shorter teaches nothing."""
    short = [u.id for u in batches.utterances if u.frames < _frames_needed(units.encode(u.text))]
    if len(short) > len(batches.utterances) // 100:
        raise UserError(
            f"CTC needs at least one frame per {settings.decoder.units}: {len(short)} of {len(batches.utterances)} "
            f"training utterances are shorter (e.g. {short[0]}); use decoder.units: word, or slower speech"
        )


def _frames_needed(units: Iterable[int]) -> int:
    numbers = list(units)
    return len(numbers) + sum(a == b for a, b in itertools.pairwise(numbers))
