"""The turns of the pipeline's loop. One turn has a chunk of trials, because a cluster cannot run any number of turns.

Argo stores the state of all steps in one object of at most 1 MiB, packed. What a turn adds depends on the settings of the pods:
9.8 kB were measured with few of them. A run with too many turns trains completely and then fails.
"""

import math
import shutil
from itertools import pairwise
from pathlib import Path

from common.errors import UserError

MOST_TURNS = (
    48  # with the settings of deploy/cluster.yaml at most 70 % of the object; tests/backend/test_many_trials.py
)


def chunks(trials: int, trials_per_task: int | None = None) -> list[str]:
    """Return one text such as `4-6` per turn: the positions of its trials, from 1. Empty if no trial is left.

    Without `trials_per_task`, every trial has a turn of its own, up to 48 trials. More are divided evenly into 48 turns. Raises
    UserError if `trials_per_task` gives too many turns.
    """
    if trials_per_task is None:
        turns = min(trials, MOST_TURNS)
        ends = [trials * turn // turns for turn in range(turns + 1)] if turns else []
    else:
        turns = math.ceil(trials / trials_per_task)
        ends = [min(trials, trials_per_task * turn) for turn in range(turns + 1)]
    if turns > MOST_TURNS:
        raise UserError(
            f"a study has at most {MOST_TURNS} tasks in its loop, and {trials} trials with `trials_per_task` {trials_per_task} "
            f"have {turns}; give at least {math.ceil(trials / MOST_TURNS)}, or leave it empty"
        )
    return [f"{start + 1}-{end}" for start, end in pairwise(ends)]


def positions(chunk: str) -> range:
    """Return the positions that a text of `chunks` names, from 0."""
    first, _, last = chunk.partition("-")
    return range(int(first) - 1, int(last))


def clear(out: Path) -> None:
    """Remove what an earlier try of the turn has left in its output."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)


def trials_per_task(text: str) -> int | None:
    """Read the input of that name; None if it is empty. Raises UserError."""
    text = str(text).strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(
            f"`trials_per_task` is a whole number from 1, got {text!r}; leave it empty to let the study choose"
        )
    return int(text)
