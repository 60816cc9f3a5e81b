"""One step of the optimiser: the gradient of a batch, in one or more micro-batches, over all processes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from common.errors import TrainingFailed as TrainingFailed
from model.smile import Losses, Smile
from training.batches import Batch
from training.distributed import DistributedContext, moved
from training.tokenizer import Tokenizer


@dataclass
class MicroBatch:
    """A part of a step's batch with its masks; `weight` is its fraction of the utterances."""

    batch: Batch
    masks: dict[str, Tensor]
    weight: float


def train_step(
    model: Smile,
    optimiser: torch.optim.Optimizer,
    micro_batches: Sequence[MicroBatch],
    tokenizer: Tokenizer,
    context: DistributedContext,
) -> Losses | None:
    """Update the weights once by all micro-batches; return the losses of the first one before the update, if there is one.

    Raises TrainingFailed, without a change of weights, if the loss or its gradient is not finite or memory runs out.
    """
    model.train()
    optimiser.zero_grad(set_to_none=True)
    losses, reason = [], None
    try:
        losses = [_backward(model, each, tokenizer, context) for each in micro_batches]
    except torch.OutOfMemoryError:
        optimiser.zero_grad(set_to_none=True)
        reason = _largest_size(model, micro_batches[0], tokenizer, context)
    if reason := context.first(reason):
        raise TrainingFailed(reason)
    context.sum_gradients(model)
    norm = nn.utils.clip_grad_norm_(model.parameters(), model.settings.training.clip_norm)
    found = [("loss", each.total.item()) for each in losses] + [("gradient norm", norm.item())]
    for name, value in found:
        if not math.isfinite(value):
            raise TrainingFailed(f"training diverged: the {name} is {value}")
    optimiser.step()
    return losses[0] if losses else None


def _backward(model: Smile, micro_batch: MicroBatch, tokenizer: Tokenizer, context: DistributedContext) -> Losses:
    inputs = moved(micro_batch.batch.inputs, context.device)
    masks = {name: mask.to(context.device, non_blocking=True) for name, mask in micro_batch.masks.items()}
    targets = [tokenizer.encode(utterance.text) for utterance in micro_batch.batch.utterances]
    in_half = model.settings.training.precision == "bfloat16"
    with torch.autocast(context.device.type, torch.bfloat16, enabled=in_half):
        losses = model.losses(inputs, targets, masks)
    (losses.total * micro_batch.weight if micro_batch.weight != 1 else losses.total).backward()
    return losses


def _largest_size(model: Smile, micro_batch: MicroBatch, tokenizer: Tokenizer, context: DistributedContext) -> str:
    """Return a sentence with the size that fits in memory. It tries half of the micro-batch, a quarter, and so on."""
    whole, frames = len(micro_batch.batch.utterances), max(micro_batch.batch.inputs.lengths)
    rule = f"memory does not hold {whole} utterances of up to {frames} frames at once"
    size = whole // 2
    while size:
        try:
            _backward(model, _first(micro_batch, size), tokenizer, context)
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


def _first(micro_batch: MicroBatch, size: int) -> MicroBatch:
    inputs = micro_batch.batch.inputs
    kept = type(inputs)(inputs.audio[:size], inputs.video[:size], inputs.padding[:size], inputs.lengths[:size])
    batch = Batch(kept, micro_batch.batch.utterances[:size], micro_batch.batch.rows[:size])
    return MicroBatch(batch, {name: mask[:size] for name, mask in micro_batch.masks.items()}, micro_batch.weight)
