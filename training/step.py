"""One step of the optimiser: the gradient of a batch, in shares if it is to be, over all processes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.smile import Losses, Smile
from training.batches import Batch
from training.devices import Place, moved
from training.units import Units


class TrainingFailed(RuntimeError):
    """The trial cannot go on; the text says why in a sentence."""


@dataclass
class Share:
    """A part of a step's batch with its masks; `weight` is the part of the utterances that it has."""

    batch: Batch
    masks: dict[str, Tensor]
    weight: float


def train_step(
    model: Smile, optimiser: torch.optim.Optimizer, shares: Sequence[Share], units: Units, place: Place
) -> Losses | None:
    """One update of the weights by all `shares`; returns the losses before it, of the first share if there is one.

    Raises TrainingFailed, and then changes no weight, where the loss or its gradient is no number or memory runs out.
    """
    model.train()
    optimiser.zero_grad(set_to_none=True)
    losses, reason = [], None
    try:
        losses = [_backward(model, share, units, place) for share in shares]
    except torch.OutOfMemoryError:
        optimiser.zero_grad(set_to_none=True)
        reason = _what_fits(model, shares[0], units, place)
    if reason := place.first(reason):
        raise TrainingFailed(reason)
    place.sum_gradients(model)
    norm = nn.utils.clip_grad_norm_(model.parameters(), model.settings.training.clip_norm)
    found = [("loss", each.total.item()) for each in losses] + [("gradient's norm", norm.item())]
    for what, value in found:
        if not math.isfinite(value):
            raise TrainingFailed(f"training diverged: the {what} is {value}")
    optimiser.step()
    return losses[0] if losses else None


def _backward(model: Smile, share: Share, units: Units, place: Place) -> Losses:
    inputs = moved(share.batch.inputs, place.device)
    masks = {name: mask.to(place.device, non_blocking=True) for name, mask in share.masks.items()}
    targets = [units.encode(utterance.text) for utterance in share.batch.utterances]
    in_half = model.settings.training.precision == "bfloat16"
    with torch.autocast(place.device.type, torch.bfloat16, enabled=in_half):
        losses = model.losses(inputs, targets, masks)
    (losses.total * share.weight if share.weight != 1 else losses.total).backward()
    return losses


def _what_fits(model: Smile, share: Share, units: Units, place: Place) -> str:
    """Found by trying halves of the share, quarters and so on, and throwing their gradients away."""
    whole, frames = len(share.batch.utterances), max(share.batch.inputs.lengths)
    rule = f"memory does not hold {whole} utterances of up to {frames} frames at once"
    size = whole // 2
    while size:
        try:
            _backward(model, _first(share, size), units, place)
        except torch.OutOfMemoryError:
            size //= 2
            continue
        finally:
            model.zero_grad(set_to_none=True)
        more = model.settings.training.gradient_accumulation_steps * math.ceil(whole / size)
        return (
            f"{rule}, but {size}; set training.gradient_accumulation_steps: {more}, "
            "or a smaller batch_size or max_frames_per_batch"
        )
    return f"{rule}, nor a single one; use a smaller model, or leave long utterances out of the corpus"


def _first(share: Share, size: int) -> Share:
    inputs = share.batch.inputs
    kept = type(inputs)(inputs.audio[:size], inputs.video[:size], inputs.padding[:size], inputs.lengths[:size])
    batch = Batch(kept, share.batch.utterances[:size], share.batch.rows[:size])
    return Share(batch, {name: mask[:size] for name, mask in share.masks.items()}, share.weight)
