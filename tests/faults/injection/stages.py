"""The stages of a local run, read from its scratch folder while it runs."""

import time
from collections.abc import Mapping
from pathlib import Path

from injection.study import LOOK_S, SCRATCH, Run

START, DELIVERY = "start", "delivery"
STEPS = (
    "resolve-plan",
    "prepare-corpus",
    "find-finished",
    "train-trials",
    "evaluate-trials",
    "compare-arms",
    "register-checkpoint",
    "close-study",
)
STAGES = (START, *STEPS, DELIVERY)
ENDED = "executor_output.json"  # kfp writes it into the folder of a step that has ended
FOLDERS = ("{step}", "for-loop-*/{step}")


def stage(run: Run) -> str:
    """Return the last stage that has begun."""
    begun = [step for step in STEPS if _folders(run, step)]
    if not begun:
        return START
    closed = begun[-1] == STEPS[-1] and any((folder / ENDED).is_file() for folder in _folders(run, STEPS[-1]))
    return DELIVERY if closed else begun[-1]


def _folders(run: Run, step: str) -> list[Path]:
    """Return the folders of a step, without those that an earlier run has left."""
    new = set((run.place.study / SCRATCH).glob("*")) - run.earlier
    return [folder for top in new for pattern in FOLDERS for folder in top.glob(pattern.format(step=step))]


def reach(run: Run, wanted: str) -> str | None:
    """Wait until the run is in a stage, or past it. Return the stage; None if the run has ended before."""
    while run.code is None:
        run.look()
        if STAGES.index(now := stage(run)) >= STAGES.index(wanted):
            return now
        time.sleep(LOOK_S)
    return None


def timed(run: Run, limit_s: float) -> Mapping[str, float]:
    """Follow a run to its end, and return how many seconds each stage took."""
    began = {START: run.started}
    while run.code is None and time.monotonic() - run.started < limit_s:
        began.setdefault(stage(run), time.monotonic())
        time.sleep(LOOK_S)
    run.wait(limit_s)
    seen = sorted(began, key=STAGES.index)
    ends = [*(began[name] for name in seen[1:]), run.started + run.seconds]
    return {name: end - began[name] for name, end in zip(seen, ends, strict=True)}
