"""The training of one trial: a plain PyTorch loop that can be interrupted anywhere and goes on to the bit.

What a step computes depends on the weights, the optimiser's state, the seed and the step's number, and on nothing else:
these are all that has to be kept.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import Any

import torch
from torch import Tensor

from corpora.noise import NoiseBank
from corpora.store import Corpus
from model.config import load as load_settings
from model.masking import mask_statistics
from model.smile import Losses, Smile, initialise, parameter_count
from training import checkpoint
from training.averaging import Average
from training.batches import Batch, TrainingBatches, curriculum, generator
from training.compiled import compile_layers
from training.devices import Place, join, pinned
from training.optimiser import build_optimiser, set_learning_rate
from training.prefetch import prefetched
from training.state import SAVE_EVERY_S, States, told_to_end
from training.step import Share, TrainingFailed, train_step
from training.units import Units, check_frames, units_of
from training.validation import validation_wer

LOG_EVERY = 10
VALIDATE_TIMES = 5
LOADERS = 4  # threads that make batches while a GPU computes

Log = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainResult:
    """`seconds` is wall time of the loop, without loading; of a resumed training, over all its processes."""

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
    states: Path | None = None,
    save_every_s: float = SAVE_EVERY_S,
) -> TrainResult:
    """Train one arm with one seed and leave its checkpoint in `out`.

    `settings` are what `model.config.CATALOGUE.resolve` gave; `noise` maps a noise kind to recordings that stand in for
    the corpus's own babble; `log(step, metrics)` is called every few steps. In the folder `states`, which has to be this
    training's alone, its state is kept every `save_every_s` seconds and on SIGTERM, which then ends the process. The next call goes
    on from there, and begins by logging what was logged before. Raises TrainingFailed when the loss or its gradient is
    no number any more, and leaves no checkpoint then.
    """
    torch.set_num_threads(threads)
    typed, data = load_settings(settings), Corpus.open(corpus)
    units = units_of(typed.decoder, data)
    model = Smile(typed, len(units.symbols))
    initialise(model, seed)
    babble = NoiseBank.from_corpus(data, "babble", (noise or {}).get("babble"))
    batches = TrainingBatches(data, typed.training, seed, babble)
    check_frames(batches.utterances, units)
    place = join()
    training = Training(model.to(place.device), units, batches, data, log if place.rank == 0 else _silent, place)
    if states is None:
        training.run()
    else:
        _run_resumable(training, States(states, save_every_s))
    if place.rank == 0:
        checkpoint.save(out, model, units, seed=seed, corpus_fingerprint=data.fingerprint)
    return TrainResult(parameter_count(model), typed.training.steps, training.progress.seconds)


def _silent(_step: int, _metrics: dict[str, float]) -> None:
    """What processes but the first do with their curves."""


def _run_resumable(training: "Training", states: States) -> None:
    training.restore(states.newest())
    with told_to_end() as told:

        def keep() -> None:
            ends = training.place.any(told())  # all processes end after the same step, whichever was told
            if training.place.rank == 0 and (ends or states.due()):
                states.save(training.progress.step, training.state())
            if ends:
                raise SystemExit(128 + SIGTERM)

        training.run(keep)


@dataclass
class Progress:
    """How far a training has come: steps done, seconds spent on them, and the points of its curves."""

    step: int = 0
    seconds: float = 0.0
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)


class Training:
    """A model, what it learns from, and how far it has come."""

    def __init__(
        self, model: Smile, units: Units, batches: TrainingBatches, data: Corpus, log: Log, place: Place
    ) -> None:
        self.model, self.units, self.batches, self.data = model, units, batches, data
        self.recipe, self.seed = batches.recipe, batches.seed
        self.optimiser = build_optimiser(model, self.recipe)
        self.average = Average(self.recipe.average, self.recipe.steps)
        self.progress, self.place, self._log = Progress(), place, log
        if self.recipe.compile:
            compile_layers(model.encoder)

    def run(self, after_step: Callable[[], None] = lambda: None) -> None:
        """Take the steps that are left; `after_step` is called after each."""
        validate_every = max(1, self.recipe.steps // VALIDATE_TIMES)
        workers = LOADERS if self.place.device.type == "cuda" else 0
        loaded = prefetched(self._load, self.progress.step, self.recipe.steps, workers)
        started = time.perf_counter()
        for step, shares in enumerate(loaded, self.progress.step):
            self._step(step, shares)
            self.progress.step += 1
            if self.progress.step % validate_every == 0 and self.place.rank == 0:
                self._point(self.progress.step - 1, {"wer/valid": validation_wer(self.model, self.units, self.data)})
            started, before = time.perf_counter(), started
            self.progress.seconds += started - before
            after_step()
        self.average.give(self.model)

    def state(self) -> dict[str, Any]:
        """All that the remaining steps depend on."""
        weights = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}
        mean = {"mean": self.average.mean, "taken": self.average.taken}
        return weights | mean | vars(self.progress)

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Take up a state, if there is one, and log its points again."""
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.taken = state["taken"]
        self.average.mean = {name: value.to(self.place.device) for name, value in state["mean"].items()}
        self.progress = Progress(state["step"], state["seconds"], state["points"])
        print(f"training goes on after {self.progress.step} steps", flush=True)
        for step, metrics in self.progress.points:
            self._log(step, metrics)

    def _load(self, step: int) -> list[Share]:
        """This process's shares of a step: utterances and masks. Depends on seed and step alone; runs in a thread."""
        chosen = self.batches.chosen(step)
        masks = self.model.sample_masks(
            [utterance.frames for utterance in chosen],
            {name: generator(self.seed, "mask", name, step) for name in self.model.inputs},
            probability=curriculum(step, self.recipe),
        )
        count = self.recipe.gradient_accumulation_steps * self.place.world
        numbers = range(self.place.rank, count, self.place.world)
        batches = [batch for number in numbers if (batch := self.batches.batch(step, number, count))]
        return [self._share(batch, masks, len(chosen)) for batch in batches]

    def _share(self, batch: Batch, masks: dict[str, Tensor], utterances: int) -> Share:
        frames = max(batch.inputs.lengths)
        own = {name: mask[batch.rows, :frames] for name, mask in masks.items()}
        if self.place.device.type == "cuda":
            batch.inputs = pinned(batch.inputs)
        return Share(batch, own, len(batch.rows) / utterances)

    def _step(self, step: int, shares: list[Share]) -> None:
        self.model.begin_step(step)
        # Dropout is a function of seed, step and process, not of what ran before.
        torch.manual_seed(self.seed * 1_000_003 + step + (self.place.rank << 40))
        rate = set_learning_rate(self.optimiser, step, self.recipe)
        try:
            losses = train_step(self.model, self.optimiser, shares, self.units, self.place)
        except TrainingFailed as error:
            raise TrainingFailed(f"{error} at step {step}") from None
        self.average.after(step, self.model)
        if losses is not None and (step % LOG_EVERY == 0 or step + 1 == self.recipe.steps):
            self._point(step, _metrics(self.model, losses, shares[0], rate))

    def _point(self, step: int, metrics: dict[str, float]) -> None:
        self.progress.points.append((step, metrics))
        self._log(step, metrics)


def _metrics(model: Smile, losses: Losses, share: Share, learning_rate: float) -> dict[str, float]:
    metrics = {"loss": losses.total.item(), "loss/ctc": losses.ctc.item(), "learning_rate": learning_rate}
    if losses.masked is not None:
        metrics["loss/masked"] = losses.masked.item()
    if losses.attention is not None:
        metrics["loss/attention"] = losses.attention.item()
    metrics |= model.scale_values()
    metrics |= {f"fusion/omega_{n}": w for n, w in enumerate(model.layer_sum.weights().tolist())}
    masked = mask_statistics(share.masks, share.batch.inputs.lengths)
    return metrics | {f"mask/{name}_{key}": value for name, found in masked.items() for key, value in found.items()}
