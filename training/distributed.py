"""Devices and processes of a training run: a GPU if there is one, and as many processes as torchrun started."""

import os
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch import distributed as dist

from model.smile import Inputs


@dataclass(frozen=True)
class DistributedContext:
    """One process of a training run: its device, its number (`rank`), and the number of processes (`world`)."""

    device: torch.device
    rank: int = 0
    world: int = 1

    def any(self, flag: bool) -> bool:
        """Return whether the flag is true in any process. All processes must call this, and all get the same answer."""
        if self.world == 1:
            return flag
        value = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value.item())

    def first(self, text: str | None) -> str | None:
        """Return the text of the first process that has one. All processes must call this, as with `any`."""
        if not self.any(text is not None) or self.world == 1:
            return text
        texts: list[str | None] = [None] * self.world
        dist.all_gather_object(texts, text)
        return next(each for each in texts if each is not None)

    def sum_gradients(self, model: nn.Module) -> None:
        """Sum the gradients of all processes in one message after the backward pass; does nothing in a single process.

        A weight that has no gradient in any process keeps none, as in a single process. With zeros in its place, the optimiser's
        momentum and weight decay would still move it.
        """
        if self.world == 1:
            return
        weights = [p for p in model.parameters() if p.requires_grad]
        has = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.float32, device=self.device)
        # Every process has to send the same shapes.
        gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
        flat = torch.cat([has, *(gradient.flatten() for gradient in gradients)])
        dist.all_reduce(flat)
        somewhere, *summed = flat.split([len(weights), *(gradient.numel() for gradient in gradients)])
        for weight, gradient, total, found in zip(weights, gradients, summed, somewhere.tolist(), strict=True):
            weight.grad = gradient.copy_(total.view_as(gradient)) if found else None


def join_processes() -> DistributedContext:
    """Return the context of this process, and connect it with the others if torchrun started it (by its variables)."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return DistributedContext(device, rank, world)


def moved(inputs: Inputs, device: torch.device) -> Inputs:
    """Return the inputs on a device. From pinned memory, the copy is asynchronous."""

    def to(tensor: Tensor) -> Tensor:
        return tensor.to(device, non_blocking=True)

    return replace(inputs, audio=to(inputs.audio), video=to(inputs.video), padding=to(inputs.padding))


def pinned(inputs: Inputs) -> Inputs:
    """Return the inputs in pinned memory, from which a GPU can copy asynchronously."""
    return replace(
        inputs, audio=inputs.audio.pin_memory(), video=inputs.video.pin_memory(), padding=inputs.padding.pin_memory()
    )
