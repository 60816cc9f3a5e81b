"""Where a training computes: on a GPU if there is one, and in as many processes as torchrun has started."""

import os
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch import distributed as dist

from model.smile import Inputs


@dataclass(frozen=True)
class Place:
    """One process of a training: its device, its number, and how many there are."""

    device: torch.device
    rank: int = 0
    world: int = 1

    def any(self, flag: bool) -> bool:
        """Whether any process says so: all have to ask, and hear the same."""
        if self.world == 1:
            return flag
        said = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said.item())

    def first(self, text: str | None) -> str | None:
        """What the first process says that says anything; the rest is as with `any`."""
        if not self.any(text is not None) or self.world == 1:
            return text
        said: list[str | None] = [None] * self.world
        dist.all_gather_object(said, text)
        return next(each for each in said if each is not None)

    def sum_gradients(self, model: nn.Module) -> None:
        """Add up the gradients of all processes, as one message after the backward pass; without others, nothing to do."""
        if self.world == 1:
            return
        weights = [p for p in model.parameters() if p.requires_grad]
        for weight in weights:
            if weight.grad is None:  # every process has to send the same shapes
                weight.grad = torch.zeros_like(weight)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))


def join() -> Place:
    """This process's place: by torchrun's variables if it was started by that, else alone. Joins the others."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Place(device, rank, world)


def moved(inputs: Inputs, device: torch.device) -> Inputs:
    """The same inputs on a device; from pinned memory without waiting."""

    def to(tensor: Tensor) -> Tensor:
        return tensor.to(device, non_blocking=True)

    return replace(inputs, audio=to(inputs.audio), video=to(inputs.video), padding=to(inputs.padding))


def pinned(inputs: Inputs) -> Inputs:
    """The same inputs in memory that a GPU can fetch by itself."""
    return replace(
        inputs, audio=inputs.audio.pin_memory(), video=inputs.video.pin_memory(), padding=inputs.padding.pin_memory()
    )
