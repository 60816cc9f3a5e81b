"""The encoder over the tokens of all streams, concatenated on time. `encoder.attention` decides which of them attention reaches.

Shapes: B batch, M streams, T frames, D width; tokens are (B, M * T, D), stream by stream. True in a mask = padding.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import Reach, attend, reaches_of
from model.kind import Kind
from model.settings import EncoderSettings

SLOWEST = 400.0  # radians per frame fall from 1 to 1 / 400


class Attention(nn.Module):
    """Multi-head attention of the tokens of an utterance to each other; `reaches` says within which streams.

    With two reaches, the outputs of two attentions are summed, each with its own weights.

    Positions are rotations of queries and keys (RoPE; Su et al. 2021). Attention sees the distance of two frames, in the same or in
    different streams, and not their position in the utterance. With absolute positions a small model learns which words are
    frequent at which time long before it learns from the sound.
    """

    def __init__(self, width: int, heads: int, reaches: tuple[Reach, ...]) -> None:
        super().__init__()
        self.heads, self.reach = heads, reaches[0]
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.beside = Attention(width, heads, reaches[1:]) if reaches[1:] else None

    def forward(self, x: Tensor, padding: Tensor, streams: int, rotations: tuple[Tensor, Tensor]) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.project(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        (q, k), v = rotate(qkv[:2], *rotations), qkv[2]  # each (B, heads, tokens, width / heads)
        seen = attend((q, k, v), padding, self.reach, streams)
        found = self.out(seen.transpose(1, 2).reshape(batch, tokens, width))
        return found if self.beside is None else found + self.beside(x, padding, streams, rotations)


class Convolution(nn.Module):
    """Gated depthwise convolution over time within each stream. No information crosses the boundary between streams."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, padding: Tensor, streams: int) -> Tensor:
        batch, tokens, width = x.shape
        x = F.glu(self.gate(x)).masked_fill(padding[..., None], 0.0)
        x = x.view(batch * streams, tokens // streams, width).transpose(1, 2)
        x = self.depthwise(x).transpose(1, 2).reshape(batch, tokens, width)
        return self.out(F.silu(self.norm(x)))


class Layer(nn.Module):
    """Attention, convolution, feed-forward; each normalises its input and adds to it."""

    def __init__(self, settings: EncoderSettings, attention: Kind) -> None:
        super().__init__()
        width = settings.width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, settings.heads, reaches_of(attention))
        self.convolution = Convolution(width, settings.kernel)
        self.feedforward = nn.Sequential(
            nn.Linear(width, settings.feedforward), nn.GELU(), nn.Linear(settings.feedforward, width)
        )
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, padding: Tensor, streams: int, rotations: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.dropout(self.attention(self.norms[0](x), padding, streams, rotations))
        x = x + self.dropout(self.convolution(self.norms[1](x), padding, streams))
        return x + self.dropout(self.feedforward(self.norms[2](x)))


class Encoder(nn.Module):
    """Streams, each (B, T, D) -> the streams after every layer: list over layers of dict of (B, T, D)."""

    def __init__(self, settings: EncoderSettings, streams: tuple[str, ...], attention: Kind) -> None:
        super().__init__()
        self.streams = streams
        self.width_per_head = settings.width // settings.heads
        self.kind = nn.ModuleDict({stream: Offset(settings.width) for stream in streams})
        self.layers = nn.ModuleList(Layer(settings, attention) for _ in range(settings.layers))

    def forward(self, features: dict[str, Tensor], padding: Tensor) -> list[dict[str, Tensor]]:
        x = torch.cat([self.kind[name](features[name]) for name in self.streams], dim=1)
        pad = padding.repeat(1, len(self.streams))
        cosines, sines = rotation_table(padding.shape[1], self.width_per_head, x)
        rotations = (
            cosines.repeat(len(self.streams), 1),
            sines.repeat(len(self.streams), 1),
        )  # the same for every stream
        outputs = []
        for layer in self.layers:
            x = layer(x, pad, len(self.streams), rotations)
            outputs.append(dict(zip(self.streams, x.chunk(len(self.streams), dim=1), strict=True)))
        return outputs


class LearnedVector(nn.Module):
    """A learned vector (D,), small at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.vector, std=0.02)


class Offset(LearnedVector):
    """A learned vector per stream, added to its tokens to distinguish the streams: (B, T, D) -> (B, T, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + self.vector


def rotation_table(frames: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of the frame number times width / 2 rates, each (T, width / 2); periods up to about 2500 frames."""
    rates = torch.exp(torch.arange(width // 2, device=like.device) * (-2 * math.log(SLOWEST) / width))
    angles = torch.arange(frames, device=like.device)[:, None] * rates
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """(..., T, width) -> same: rotate every pair of values, one from each half, by the angles of the frame."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)
