"""The commands of a recipe file with everything filled in: one that trains a trial, and those that transcribe a checkpoint."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from recipes.command import config_file
from recipes.command.effects import Effects, effects
from recipes.command.placeholders import filled, names_in, words, written
from recipes.command.process import run
from recipes.command.spec import Spec, Stage

CONFIG = "recipe-config"  # the changed copy of the config, with the suffix of the base


@dataclass(frozen=True)
class Job:
    """A command to run: its words, what is added to the environment, and the changed keys of the config with its path."""

    words: list[str]
    environment: dict[str, str]
    config: Mapping[str, Any]
    config_path: Path | None

    def write_config(self, spec: Spec, folder: Path) -> None:
        """Write the changed copy of the config, if there is one."""
        if spec.config and self.config_path:
            config_file.read(folder / spec.config.base).write(self.config, self.config_path)


def job(
    spec: Spec,
    settings: Mapping[str, Any],
    stage: Stage,
    values: Mapping[str, Any],
    scratch: Path,
    data: Path | None,
    threads: int,
    gpus: int,
) -> Job:
    """Fill in the command of a stage.

    `values` are the values of the stage's own placeholders, `data` is the folder for `{corpus}`, and the config goes to `scratch`.
    """
    found = effects(spec, settings, stage)
    base = spec.config.base if spec.config else None
    config_path = scratch / f"{CONFIG}{Path(base).suffix}" if base else None
    known = {"python": sys.executable, "threads": threads, "gpus": gpus, **values, "config": str(config_path)}
    if data is not None:
        known["corpus"] = str(data.resolve())
    environment = _known(spec.environment, known)
    return Job(
        words(getattr(spec, stage), known, found.arguments),
        devices(gpus, threads) | {name: written(value) for name, value in environment.items()} | found.environment,
        config_of(spec, found, known),
        config_path,
    )


def used(spec: Spec, stage: Stage) -> set[str]:
    """Return the placeholders that a stage uses, in its words, the environment and the config."""
    return set(names_in([getattr(spec, stage), spec.environment, spec.config.set if spec.config else {}]))


def run_job(spec: Spec, folder: Path, stage: Stage, command: Job, look: Callable[[], None] = lambda: None) -> None:
    """Run a filled-in command in the folder of its recipe file. Raises CommandFailed."""
    hours = spec.timeouts.train if stage == "train" else spec.timeouts.transcribe
    run(command.words, folder, command.environment, stage=stage, hours=hours, look=look)


def config_of(spec: Spec, found: Effects, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of the config that are changed. A key of `config: {set: ...}` needs all its placeholders."""
    return (_known(spec.config.set, values) if spec.config else {}) | found.set


def _known(given: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: filled(value, values) for key, value in given.items() if all(name in values for name in names_in(value))
    }


def devices(gpus: int, threads: int, before: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that give a command its GPUs and threads. `before` is the environment of this process.

    With 0 GPUs asked for, the visible ones stay visible. Raises UserError if fewer are visible than asked for.
    """
    before = os.environ if before is None else before
    found = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name not in before}
    if gpus <= 0:
        return found
    visible = before.get("CUDA_VISIBLE_DEVICES")
    names = [name.strip() for name in visible.split(",") if name.strip()] if visible is not None else _numbers(gpus)
    if len(names) < gpus:
        raise UserError(
            f"the trial takes {gpus} GPUs, and CUDA_VISIBLE_DEVICES has {len(names)}: {visible!r}; allow more"
        )
    return {**found, "CUDA_VISIBLE_DEVICES": ",".join(names[:gpus])}


def _numbers(gpus: int) -> Sequence[str]:
    return [str(number) for number in range(gpus)]
