"""Where the two streams become one: per layer F_l = F_a_l + scale * F_v_l (Eq. 9), then a learned sum of layers (Eq. 10).

Shapes: B batch, T frames, D width.
"""

import torch
from torch import Tensor, nn

from model.parts import GatedScale, Kind, LearnedScale, NoScale, StaticScale, ZeroScale


class Learned(nn.Module):
    """One scalar S for all layers; kept out of weight decay, which would pull it to 0."""

    def __init__(self, settings: LearnedScale, _width: int) -> None:
        super().__init__()
        self.initial = settings.initial
        self.scale = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.scale, self.initial)

    def forward(self, _audio: Tensor, _video: Tensor) -> Tensor:
        return self.scale


class Constant(nn.Module):
    """A scale that nothing learns."""

    scale: Tensor

    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(value))

    def forward(self, _audio: Tensor, _video: Tensor) -> Tensor:
        return self.scale


class Gated(nn.Module):
    """A gate in (0, 2) per frame from both streams, 1 at first: (B, T, D), (B, T, D) -> (B, T, 1)."""

    def __init__(self, _settings: GatedScale, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2 * width))
        self.bias = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        logit = torch.cat([audio, video], dim=-1) @ self.weight + self.bias
        return 2 * logit.sigmoid()[..., None]


def build_scale(kind: Kind, width: int) -> nn.Module:
    """The module for a kind of `fusion.scale`: (audio, video), each (B, T, D) -> a factor that broadcasts to them."""
    match kind:
        case LearnedScale():
            return Learned(kind, width)
        case StaticScale():
            return Constant(kind.value)
        case NoScale():
            return Constant(1.0)
        case ZeroScale():
            return Constant(0.0)
        case GatedScale():
            return Gated(kind, width)
        case _:
            raise TypeError(f"no module for {kind!r}")


class LayerSum(nn.Module):
    """Softmax-weighted sum over layers (Eq. 10), list of L tensors (B, T, D) -> (B, T, D); equal weights at first."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.omega = nn.Parameter(torch.empty(layers))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.omega)

    def forward(self, outputs: list[Tensor]) -> Tensor:
        return torch.einsum("l,lbtd->btd", self.omega.softmax(0), torch.stack(outputs))
