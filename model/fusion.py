"""Fusion of the two streams: F_l = F_a_l + scale * F_v_l per layer (Eq. 9), then a learned sum of layers (Eq. 10).

Shapes: B batch, T frames, D width.
"""

import torch
from torch import Tensor, nn

from model import kinds
from model.kind import Kind


class Scale(nn.Module):
    """(audio, video), each (B, T, D), and the layer's number from 0 -> a factor that broadcasts to them."""

    def progress(self, done: float) -> None:
        """Set the fraction of the training steps that is done; called before every step."""

    def values(self) -> list[float]:
        """Return the numbers of the scale; [] if it is computed from the input."""
        return []


class Learned(Scale):
    """One scalar S for all layers. It has no weight decay, which would pull it to 0."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.initial = initial
        self.scale = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.scale, self.initial)

    def forward(self, _audio: Tensor, _video: Tensor, _layer: int) -> Tensor:
        return self.scale

    def values(self) -> list[float]:
        return [float(self.scale.detach())]


class Frozen(Learned):
    """S is learned until a fraction of the steps is done. Afterwards it gets no gradient."""

    def __init__(self, settings: kinds.FrozenScale) -> None:
        super().__init__(settings.initial)
        self.until = settings.until
        self.learns = True

    def progress(self, done: float) -> None:
        self.learns = done < self.until

    def forward(self, _audio: Tensor, _video: Tensor, _layer: int) -> Tensor:
        return self.scale if self.learns else self.scale.detach()


class PerLayer(Scale):
    """A scalar for every layer."""

    def __init__(self, initial: float, layers: int) -> None:
        super().__init__()
        self.initial = initial
        self.scale = nn.Parameter(torch.empty(layers))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.scale, self.initial)

    def forward(self, _audio: Tensor, _video: Tensor, layer: int) -> Tensor:
        return self.scale[layer]

    def values(self) -> list[float]:
        return self.scale.tolist()


class Constant(Scale):
    """A constant scale."""

    scale: Tensor

    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(value))

    def forward(self, _audio: Tensor, _video: Tensor, _layer: int) -> Tensor:
        return self.scale

    def values(self) -> list[float]:
        return [float(self.scale)]


class Gated(Scale):
    """A gate in (0, 2) per frame, computed from both streams, 1 at first: (B, T, D), (B, T, D) -> (B, T, 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2 * width))
        self.bias = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, audio: Tensor, video: Tensor, _layer: int) -> Tensor:
        logit = torch.cat([audio, video], dim=-1) @ self.weight + self.bias
        return 2 * logit.sigmoid()[..., None]


def build_scale(kind: Kind, width: int, layers: int) -> Scale:
    """Return the module for a kind of `fusion.scale`."""
    match kind:
        case kinds.LearnedScale():
            return Learned(kind.initial)
        case kinds.StaticScale():
            return Constant(kind.value)
        case kinds.NoScale():
            return Constant(1.0)
        case kinds.ZeroScale():
            return Constant(0.0)
        case kinds.FrozenScale():
            return Frozen(kind)
        case kinds.PerLayerScale():
            return PerLayer(kind.initial, layers)
        case kinds.GatedScale():
            return Gated(width)
    raise TypeError(f"no module for {kind!r}")


class LayerSum(nn.Module):
    """Weighted sum over layers (Eq. 10), list of L tensors (B, T, D) -> (B, T, D); `weights()` is (L,) and sums to 1."""

    def weights(self) -> Tensor:
        raise NotImplementedError

    def forward(self, outputs: list[Tensor]) -> Tensor:
        return torch.einsum("l,lbtd->btd", self.weights(), torch.stack(outputs))


class LearnedSum(LayerSum):
    """The weights are a softmax of learned values; equal at first."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.omega = nn.Parameter(torch.empty(layers))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.omega)

    def weights(self) -> Tensor:
        return self.omega.softmax(0)


class FixedSum(LayerSum):
    """Constant weights."""

    fixed: Tensor

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.register_buffer("fixed", torch.tensor(weights))

    def weights(self) -> Tensor:
        return self.fixed


class Last(FixedSum):
    """Only the last layer, without a sum."""

    def __init__(self, layers: int) -> None:
        super().__init__([0.0] * (layers - 1) + [1.0])

    def forward(self, outputs: list[Tensor]) -> Tensor:
        return outputs[-1]


def build_layer_sum(kind: Kind, layers: int) -> LayerSum:
    """Return the module for a kind of `fusion.layers`."""
    match kind:
        case kinds.LearnedLayers():
            return LearnedSum(layers)
        case kinds.MeanLayers():
            last = layers if kind.last is None else kind.last
            return FixedSum([0.0] * (layers - last) + [1 / last] * last)
        case kinds.LastLayer():
            return Last(layers)
    raise TypeError(f"no module for {kind!r}")
