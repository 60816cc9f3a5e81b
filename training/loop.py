"""The training of one trial: a plain PyTorch loop that can be interrupted anywhere and then continues exactly.

A step depends only on the weights, the state of the optimiser, the seed and the number of the step, so a resume checkpoint holds
only these.
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
from model.finite import not_finite
from model.masking import mask_statistics
from model.smile import Losses, Smile, initialise, parameter_count
from training import checkpoint
from training.averaging import WeightAverage
from training.batches import Batch, TrainingBatches, curriculum, generator
from training.compiled import compile_layers
from training.distributed import DistributedContext, join_processes, pinned
from training.optimiser import build_optimiser, set_learning_rate
from training.prefetch import prefetched
from training.resume import SAVE_EVERY_S, ResumeCheckpoints, sigterm_noted
from training.step import MicroBatch, TrainingFailed, train_step
from training.tokenizer import Tokenizer, check_frames, tokenizer_for
from training.validation import validation_wer

LOG_EVERY = 10
VALIDATE_TIMES = 5
LOADERS = 4  # threads that prepare batches while a GPU computes

Log = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainResult:
    """`seconds` is the wall time of the loop without loading, summed over all processes of a resumed run."""

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
    resume_folder: Path | None = None,
    save_every_s: float = SAVE_EVERY_S,
) -> TrainResult:
    """Train one arm with one seed and write its checkpoint to `out`.

    `settings` are the result of `model.config.CATALOGUE.resolve`. `noise` maps a noise kind to recordings that replace the babble
    of the corpus. `log(step, metrics)` is called every few steps. `resume_folder` belongs to this run only. A resume checkpoint
    is saved there every `save_every_s` seconds, and on SIGTERM, which then ends the process. The next call continues from it,
    and first logs all earlier points again. Raises TrainingFailed, and writes no checkpoint, if the loss, its gradient or a weight
    is not finite.
    """
    torch.set_num_threads(threads)
    typed, data = load_settings(settings), Corpus.open(corpus)
    tokenizer = tokenizer_for(typed, data)
    model = Smile(typed, len(tokenizer.symbols))
    initialise(model, seed, tokenizer.symbols)
    babble = NoiseBank.from_corpus(data, "babble", (noise or {}).get("babble"))
    batches = TrainingBatches(data, typed.training, seed, babble)
    check_frames(batches.utterances, tokenizer)
    context = join_processes()
    own_log = log if context.rank == 0 else _silent
    trainer = Trainer(model.to(context.device), tokenizer, batches, data, own_log, context)
    if resume_folder is None:
        trainer.run()
    else:
        _run_resumable(trainer, ResumeCheckpoints(resume_folder, save_every_s))
    if context.rank == 0:
        if name := not_finite(model.state_dict()):
            raise TrainingFailed(f"training diverged: {name} is not finite after the last step")
        checkpoint.save(out, model, tokenizer, seed=seed, corpus_fingerprint=data.fingerprint)
    return TrainResult(parameter_count(model), typed.training.steps, trainer.progress.seconds)


def _silent(_step: int, _metrics: dict[str, float]) -> None:
    """Ignore the curves; for all processes except the first."""


def _run_resumable(trainer: "Trainer", checkpoints: ResumeCheckpoints) -> None:
    trainer.restore(checkpoints.newest(trainer.fault))
    with sigterm_noted() as received:

        def save() -> None:
            ends = trainer.context.any(received())  # all processes end after the same step, whichever got the signal
            if trainer.context.rank == 0 and (ends or checkpoints.due()):
                checkpoints.save(trainer.progress.step, trainer.state())
            if ends:
                raise SystemExit(128 + SIGTERM)

        trainer.run(save)


@dataclass
class Progress:
    """Progress of a training run: finished steps, their time in seconds, and the points of the curves."""

    step: int = 0
    seconds: float = 0.0
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)


class Trainer:
    """A model, its training data and its progress."""

    def __init__(
        self,
        model: Smile,
        tokenizer: Tokenizer,
        batches: TrainingBatches,
        data: Corpus,
        log: Log,
        context: DistributedContext,
    ) -> None:
        self.model, self.tokenizer, self.batches, self.data = model, tokenizer, batches, data
        self.recipe, self.seed = batches.recipe, batches.seed
        self.optimiser = build_optimiser(model, self.recipe)
        self.average = WeightAverage(self.recipe.average, self.recipe.steps)
        self.progress, self.context, self._log = Progress(), context, log
        if self.recipe.compile:
            compile_layers(model.encoder)

    def run(self, after_step: Callable[[], None] = lambda: None) -> None:
        """Run the remaining steps, and call `after_step` after each."""
        validate_every = max(1, self.recipe.steps // VALIDATE_TIMES)
        workers = LOADERS if self.context.device.type == "cuda" else 0
        loaded = prefetched(self._load, self.progress.step, self.recipe.steps, workers)
        started = time.perf_counter()
        for step, micro_batches in enumerate(loaded, self.progress.step):
            self._step(step, micro_batches)
            self.progress.step += 1
            if self.progress.step % validate_every == 0 and self.context.rank == 0:
                wer = validation_wer(self.model, self.tokenizer, self.data)
                self._point(self.progress.step - 1, {"wer/valid": wer})
            started, before = time.perf_counter(), started
            self.progress.seconds += started - before
            after_step()
        self.average.apply_to(self.model)

    def state(self) -> dict[str, Any]:
        """Return everything that the remaining steps depend on."""
        weights = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}
        mean = {"mean": self.average.mean, "taken": self.average.taken}
        return weights | mean | vars(self.progress)

    def fault(self, state: Mapping[str, Any]) -> str | None:
        """Return why training cannot continue from a state, in a few words; None if it can."""
        own = self.state()
        if missing := own.keys() - state.keys():
            return f"it lacks {', '.join(sorted(missing))}"
        if _shapes(state["model"]) != _shapes(own["model"]):
            return "it is of another model"
        weights = {name: state[name] for name in ("model", "optimiser", "mean")}
        return f"{name} is not finite" if (name := not_finite(weights)) else None

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Continue from a state, if there is one, and log its points again."""
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.taken = state["taken"]
        self.average.mean = {name: value.to(self.context.device) for name, value in state["mean"].items()}
        self.progress = Progress(state["step"], state["seconds"], state["points"])
        print(f"training continues after {self.progress.step} steps", flush=True)
        for step, metrics in self.progress.points:
            self._log(step, metrics)

    def _load(self, step: int) -> list[MicroBatch]:
        """Return this process's micro-batches of a step. They depend only on seed and step. Runs in a thread."""
        chosen = self.batches.chosen(step)
        masks = self.model.sample_masks(
            [utterance.frames for utterance in chosen],
            {name: generator(self.seed, "mask", name, step) for name in self.model.inputs},
            probability=curriculum(step, self.recipe),
        )
        count = self.recipe.gradient_accumulation_steps * self.context.world
        numbers = range(self.context.rank, count, self.context.world)
        batches = [batch for number in numbers if (batch := self.batches.batch(step, number, count))]
        return [self._micro_batch(batch, masks, len(chosen)) for batch in batches]

    def _micro_batch(self, batch: Batch, masks: dict[str, Tensor], utterances: int) -> MicroBatch:
        frames = max(batch.inputs.lengths)
        own = {name: mask[batch.rows, :frames] for name, mask in masks.items()}
        if self.context.device.type == "cuda":
            batch.inputs = pinned(batch.inputs)
        return MicroBatch(batch, own, len(batch.rows) / utterances)

    def _step(self, step: int, micro_batches: list[MicroBatch]) -> None:
        self.model.begin_step(step)
        # Dropout depends on seed, step and process, and not on earlier steps.
        torch.manual_seed(self.seed * 1_000_003 + step + (self.context.rank << 40))
        rate = set_learning_rate(self.optimiser, step, self.recipe)
        try:
            losses = train_step(self.model, self.optimiser, micro_batches, self.tokenizer, self.context)
        except TrainingFailed as error:
            raise TrainingFailed(f"{error} at step {step}") from None
        self.average.update(step, self.model)
        if losses is not None and (step % LOG_EVERY == 0 or step + 1 == self.recipe.steps):
            self._point(step, _metrics(self.model, losses, micro_batches[0], rate))

    def _point(self, step: int, metrics: dict[str, float]) -> None:
        self.progress.points.append((step, metrics))
        self._log(step, metrics)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _metrics(model: Smile, losses: Losses, micro_batch: MicroBatch, learning_rate: float) -> dict[str, float]:
    metrics = {"loss": losses.total.item(), "loss/ctc": losses.ctc.item(), "learning_rate": learning_rate}
    if losses.masked is not None:
        metrics["loss/masked"] = losses.masked.item()
    if losses.attention is not None:
        metrics["loss/attention"] = losses.attention.item()
    metrics |= model.scale_values()
    metrics |= {f"fusion/omega_{n}": w for n, w in enumerate(model.layer_sum.weights().tolist())}
    masked = mask_statistics(micro_batch.masks, micro_batch.batch.inputs.lengths)
    return metrics | {f"mask/{name}_{key}": value for name, found in masked.items() for key, value in found.items()}
