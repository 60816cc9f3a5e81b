"""Run the command `train` for a trial."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from common.files import atomic_write
from recipes.base import TrainingFailed, TrainingJob, TrainingResult
from recipes.command import corpus, external_data
from recipes.command.curves import Curves
from recipes.command.jobs import CONFIG, Job, job, run_job, used
from recipes.command.placeholders import filled
from recipes.command.process import CommandFailed
from recipes.command.spec import Spec

SPENT = "seconds.json"  # in the states folder: the time of earlier, interrupted tries
POINTS = "points.jsonl"  # in the states folder: the curves so far
STATE = "state"  # in the states folder: what `{state}` is


def train(spec: Spec, folder: Path, asked: TrainingJob) -> TrainingResult:
    """Train a trial with the command of a recipe file in `folder`. Raises TrainingFailed and UserError."""
    out, state = asked.out.resolve(), (asked.states / STATE).resolve()
    for each in (out, state):
        each.mkdir(parents=True, exist_ok=True)
    command = training_job(
        spec, asked, corpus.for_training(asked.corpus, spec) if "corpus" in used(spec, "train") else None
    )
    command.write_config(spec, folder)
    curves = _curves(spec, asked, out, state)
    with Clock(asked.states / SPENT) as clock:
        try:
            run_job(spec, folder, "train", command, curves.read if curves else lambda: None)
        except CommandFailed as error:
            raise TrainingFailed(str(error)) from error
        finally:
            if curves:
                curves.read(at_end=True)
    if curves and curves.skipped:
        print(f"{curves.skipped} lines of {curves.path.name} are not points of curves and were skipped", flush=True)
    _check_checkpoint(out, curves)
    return TrainingResult(_steps(asked.settings, curves), clock.seconds, curves.parameters if curves else None)


def _curves(spec: Spec, asked: TrainingJob, out: Path, state: Path) -> Curves | None:
    """Return the curves of the command, if it writes any, after those of earlier tries were logged again."""
    if spec.curves is None:
        return None
    path = out / str(filled(spec.curves, {"out": str(out), "state": str(state)}))
    curves = Curves(path, asked.log, asked.states / POINTS)
    curves.repeat()
    return curves


def training_job(spec: Spec, asked: TrainingJob, data: Path | None) -> Job:
    """Return the command of a training run, filled in. `data` is the folder for `{corpus}`; None if it is not used."""
    values = {
        "arm": asked.arm,
        "seed": asked.seed,
        "out": str(asked.out.resolve()),
        "state": str((asked.states / STATE).resolve()),
        **external_data.placeholders_of(asked.external),
    }
    return job(spec, asked.settings, "train", values, asked.out.resolve(), data, asked.threads, asked.gpus)


def _check_checkpoint(out: Path, curves: Curves | None) -> None:
    """Raise TrainingFailed if the command left nothing in {out} but its curves."""
    ours = {curves.path.name} if curves else set()
    if not any(path.is_file() and path.name not in ours and path.stem != CONFIG for path in out.rglob("*")):
        raise TrainingFailed("`train` ended without an error, but it wrote no checkpoint: {out} has no files")


def _steps(settings: Mapping[str, Any], curves: Curves | None) -> int:
    """Return the number of steps: the setting training.steps, else the last one of the curves, else 0."""
    with suppress(KeyError, TypeError, ValueError):
        return int(settings["training"]["steps"])
    return curves.last_step or 0 if curves else 0


class Clock:
    """Context manager that adds the time of its block to that of earlier tries, which a file keeps. `seconds` is the sum."""

    def __init__(self, file: Path) -> None:
        self._file, self.seconds = file, 0.0

    def __enter__(self) -> "Clock":
        self._started = time.monotonic()
        with suppress(OSError, ValueError, TypeError):
            self.seconds = float(json.loads(self._file.read_text()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds += time.monotonic() - self._started
        with suppress(OSError):
            atomic_write(self._file, json.dumps(self.seconds))
