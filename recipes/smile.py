"""SMILE: its catalogue of parts, and the functions that examine, train and score it.

Only the functions that need torch import it, so that plans can be checked without it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UserError
from model.config import CATALOGUE as CATALOGUE
from model.presets import PRESETS as PRESETS
from training.resume import SAVE_EVERY_S as SAVE_EVERY_S
from training.resume import newest_step as newest_step

if TYPE_CHECKING:
    import pandas as pd

    from training.hygiene import Hygiene as Hygiene
    from training.loop import TrainResult as TrainResult

Log = Callable[[int, dict[str, float]], None]
# Modules for a process to import before it forks others that call `examine`, or `train` and `transcribe`. The first step of any
# optimiser imports torch._dynamo, 800 modules that take three seconds.
PRELOAD_FOR_EXAMINATION = ("training.hygiene",)
PRELOAD_FOR_TRAINING = ("torch._dynamo", "training.loop", "training.evaluate")


def frame_bytes(settings: Mapping[str, Any]) -> int:
    """Return the bytes that a training step needs at least for each frame of its batch."""
    from training.step_memory import frame_bytes as measure

    return measure(settings)


def device_bytes() -> int | None:
    """Return the memory of all GPUs of this machine; None without a GPU."""
    from training.step_memory import device_bytes as measure

    return measure()


def examine(arms: Mapping[str, Mapping[str, Any]]) -> "Hygiene":
    """Measure the arms of a plan before they are trained. `arms` maps names to resolved settings, the baseline first."""
    from training.hygiene import examine as examine_arms

    return examine_arms(arms)


def train(
    settings: Mapping[str, Any],
    seed: int,
    corpus: Path,
    out: Path,
    *,
    threads: int,
    noise: Mapping[str, str],
    log: Log,
    states: Path,
    save_every_s: float,
) -> "TrainResult":
    """Train one trial and write its checkpoint to `out`. `log(step, metrics)` receives the curves.

    `noise` maps a kind of noise to its recordings. The folder `states` holds the state of an unfinished training run, from
    which the next call continues. Raises TrainingFailed and UserError.
    """
    from training.loop import train_trial

    return train_trial(
        settings,
        seed,
        corpus,
        out,
        threads=threads,
        noise=noise,
        log=log,
        resume_folder=states,
        save_every_s=save_every_s,
    )


def transcribe(
    checkpoint: Path, corpus: Path, conditions: Mapping[str, Sequence[float]], *, threads: int, noise: Mapping[str, str]
) -> "pd.DataFrame":
    """Transcribe the test split under every condition. Return one row per utterance and condition.

    `conditions` maps a kind of noise to SNRs in dB; clean is always included.
    """
    from training.evaluate import transcribe as transcribe_split

    return transcribe_split(checkpoint, corpus, conditions, threads=threads, noise=noise)


def is_final(error: Exception) -> bool:
    """Return True for a foreseen failure, which would be the same in every process and at another time."""
    from training.step import TrainingFailed

    return isinstance(error, (TrainingFailed, UserError))
