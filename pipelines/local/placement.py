"""How many trials run at a time on this machine, with how many threads, and on which GPUs."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from common.errors import UserError
from components.shared.chunks import MOST_TURNS
from pipelines.local.cards import VISIBLE, Card, visible_cards
from recipes.base import Recipe

AT_ONCE = 2  # trials at a time without GPUs


@dataclass(frozen=True)
class Placement:
    """Trials at a time, the GPUs of each (names, by groups), and the trials that share a group. Without GPUs, no groups.

    `memory` is that of a group in bytes; None if it is not known.
    """

    at_once: int = AT_ONCE
    groups: tuple[tuple[str, ...], ...] = ()
    sharing: int = 1
    memory: int | None = None

    @property
    def gpus(self) -> int:
        """GPUs of each trial."""
        return len(self.groups[0]) if self.groups else 0

    @property
    def threads(self) -> int:
        """CPU threads of each trial. More threads than cores in all would make torch ten times slower."""
        return max(1, len(os.sched_getaffinity(0)) // self.at_once)

    def sentence(self) -> str:
        """Return the placement in words, for the display."""
        where = f" on {len(self.groups)} x {self.gpus} GPU{'s' * (self.gpus > 1)}" if self.groups else ""
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.at_once} trial{'s' * (self.at_once > 1)} at a time{where}, each with {threads}"


def place(
    recipe: Recipe,
    *,
    at_once: int | None = None,
    per_gpu: int | None = None,
    gpus: int | None = None,
    in_containers: bool = False,
) -> Placement:
    """Return the placement of the trials of a recipe on this machine, as the options of `ablate run` ask. Raises UserError.

    `at_once` is for machines without GPUs. `per_gpu` trials share a GPU, or each trial takes `gpus` of them. Containers get no GPU,
    and neither does torch without CUDA.
    """
    cards = () if in_containers or _without_cuda(recipe) else visible_cards()
    if not cards:
        _refuse_without_gpu({"--trials-per-gpu": per_gpu, "--gpus-per-trial": gpus}, in_containers)
        return Placement(at_once or AT_ONCE)
    if at_once:
        raise UserError(
            f"--trials-at-once is for machines without a GPU, and this one has {_count(cards)}; give --trials-per-gpu, or hide "
            f'GPUs by {VISIBLE} ("" hides all)'
        )
    return _on_cards(cards, per_gpu or 1, gpus or 1)


def _on_cards(cards: Sequence[Card], per_gpu: int, gpus: int) -> Placement:
    if gpus > len(cards):
        raise UserError(
            f"--gpus-per-trial is at most the number of GPUs, and got {gpus}, but {_count(cards)} can be used here; give fewer, "
            f"or allow more by {VISIBLE}"
        )
    if gpus > 1 and per_gpu > 1:
        raise UserError(
            f"trials that take several GPUs do not share them, and got --gpus-per-trial {gpus} with --trials-per-gpu {per_gpu}; "
            "give one of the two"
        )
    each = [cards[start : start + gpus] for start in range(0, len(cards) - gpus + 1, gpus)]
    known = [[card.memory for card in group if card.memory is not None] for group in each]
    memory = min(sum(group) for group in known) if all(len(group) == gpus for group in known) else None
    names = tuple(tuple(card.name for card in group) for group in each)
    return Placement(min(MOST_TURNS, per_gpu * len(each)), names, per_gpu, memory)


def _refuse_without_gpu(given: dict[str, int | None], in_containers: bool) -> None:
    for option, value in given.items():
        if value is not None:
            why = "steps in containers get none" if in_containers else "this machine has none that CUDA could use"
            raise UserError(f"{option} needs a GPU, and {why}; leave it out, or give --trials-at-once")


def _count(cards: Sequence[Card]) -> str:
    return f"{len(cards)} GPU{'s' * (len(cards) > 1)}"


def _without_cuda(recipe: Recipe) -> bool:
    """Return whether training runs in processes of ours with a torch that knows no GPU. Commands have their own."""
    from recipes.command.recipe import CommandRecipe  # `ablate plan` needs none of it

    return not isinstance(recipe, CommandRecipe) and version("torch").endswith("+cpu")


class Groups:
    """The groups of GPUs while trials run. Each running step holds one, if there are some; the least used one is next.

    A step is held by a thread of the process that runs all steps, which waits until the step has ended in any way. So a killed
    step gives its group back, and nothing is left of a run that is killed as a whole.
    """

    def __init__(self, groups: Sequence[Sequence[str]] = ()) -> None:
        self._used, self._lock = {",".join(group): 0 for group in groups}, threading.Lock()

    @contextmanager
    def held(self) -> Iterator[dict[str, str]]:
        """Hold a group during the block, which gets the variables of the step's environment."""
        if not self._used:
            yield {}
            return
        with self._lock:
            group = min(self._used, key=lambda name: self._used[name])
            self._used[group] += 1
        try:
            yield {VISIBLE: group}
        finally:
            with self._lock:
                self._used[group] -= 1
