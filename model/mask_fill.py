"""The fill of masked frames in the student branch: a learned vector, zeros or noise. Shapes: B batch, T frames, D width."""

import torch
from torch import Tensor, nn

from model import masking_kinds as kinds
from model.encoder import LearnedVector
from model.kind import Kind


class MaskToken(LearnedVector):
    """Replaces masked frames by a learned vector: (B, T, D), mask (B, T) -> (B, T, D)."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask[..., None], self.vector, x)


class Zeros(nn.Module):
    """Replaces masked frames by zeros."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x.masked_fill(mask[..., None], 0.0)


class Noise(nn.Module):
    """Replaces masked frames by Gaussian noise, drawn from torch's generator, which training seeds in every step."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask[..., None], torch.randn_like(x), x)


def build_fill(kind: Kind, width: int) -> nn.Module:
    """Return the module for a kind of `masking.fill`."""
    match kind:
        case kinds.EmbeddingFill():
            return MaskToken(width)
        case kinds.ZeroFill():
            return Zeros()
        case kinds.NoiseFill():
            return Noise()
    raise TypeError(f"no module for {kind!r}")
