"""Batches that cannot fit in the memory of this machine, found before anything is trained."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ablation.plan.arms import Arm
from common.errors import UserError
from components.workers.memory import limited_groups
from pipelines.local.placement import Placement
from recipes.base import Recipe
from recipes.optional import device_bytes, frame_bytes

UTTERANCE_FRAMES = 75  # 3 s, as the lengths of a corpus are not known before it is prepared
WHOLE = 1.6  # what a step of `tiny` takes, in units of the lower bound (measured: 149 and 104 kB a frame, 1.44)
MOST_FRAME_BYTES = 2_000_000  # no model needs more for a frame, so that smaller batches need no measurement


def check_batches(
    recipe: Recipe, arms: Sequence[Arm], memory: int | None = None, placement: Placement | None = None
) -> None:
    """Check that a training step of every arm can fit. Raises UserError with the size that fits.

    Only recipes that know `frame_bytes` are checked. `memory` is that of the machine in bytes; by default it is found. A trial has
    the part of it, or of its GPUs, that `placement` gives it. What a step needs is a lower bound, so a batch that passes may still
    be too large. Without a placement, a GPU counts as a whole, as on a cluster.
    """
    known: dict[str, int | None] = {}
    chosen = placement or Placement()
    for arm in arms if hasattr(recipe, "frame_bytes") else ():
        frames, share = _frames(arm), _share(chosen, memory)
        if frames * MOST_FRAME_BYTES <= share.each:
            continue
        if memory is None and chosen.memory is None and (devices := device_bytes(recipe)):
            share = _Share(devices)
        model = repr({name: group for name, group in arm.settings.items() if name != "training"})
        each = known[model] if model in known else known.setdefault(model, frame_bytes(recipe, arm.settings))
        if each and frames * each > share.each:
            raise UserError(_sentence(arm, frames, each, share))


def machine_bytes() -> int:
    """Return the memory that this process may use: that of the machine, or the limit of its container."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([whole, *(group.limit for group in limited_groups())])


@dataclass(frozen=True)
class _Share:
    """The memory, in bytes, that some trials share, where it is, and the option for their number."""

    memory: int
    trials: int = 1
    where: str = "on this machine"
    option: str = "--trials-at-once"

    @property
    def each(self) -> int:
        """Bytes of each trial."""
        return self.memory // self.trials

    def fewer(self, needed: int) -> str:
        """Return the number of trials for which a step of `needed` bytes fits, as a remedy; nothing if it does not fit alone."""
        fitting = int(self.memory / (WHOLE * needed))
        return f", or `ablate run {self.option} {fitting}`" if 0 < fitting < self.trials else ""


def _share(placement: Placement, memory: int | None) -> _Share:
    """Return the memory that a trial has, of its GPUs if that is known."""
    if placement.memory is not None:
        return _Share(placement.memory, placement.sharing, "on its GPU", "--trials-per-gpu")
    return _Share(memory or machine_bytes(), placement.at_once)


def _frames(arm: Arm) -> int:
    """Frames of a micro-batch."""
    training = arm.settings["training"]
    whole = training["max_frames_per_batch"] or training["batch_size"] * UTTERANCE_FRAMES
    return -(-int(whole) // int(training["gradient_accumulation_steps"]))


def _sentence(arm: Arm, frames: int, each: int, share: _Share) -> str:
    training, fitting = arm.settings["training"], int(share.each / (WHOLE * each))
    accumulation = training["gradient_accumulation_steps"]
    if training["max_frames_per_batch"]:
        size, key, most = f"{training['max_frames_per_batch']:,} frames", "max_frames_per_batch", fitting * accumulation
    else:
        size, key = f"{training['batch_size']:,} utterances of 3 s", "batch_size"
        most = fitting // UTTERANCE_FRAMES * accumulation
    size += f" in {accumulation} micro-batches" if accumulation > 1 else ""
    steps = -(-accumulation * frames // max(1, fitting))
    return (
        f"arm {arm.arm!r}: a training step has to fit in memory; a batch of {size} needs at least "
        f"{frames * each / 1e9:,.0f} GB, and a trial has {share.each / 1e9:.1f} GB {share.where}: "
        f"set training.{key}: {max(1, most)} or less, "
        f"or training.gradient_accumulation_steps: {steps} or more{share.fewer(frames * each)}"
    )
