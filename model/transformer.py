"""AV-HuBERT's encoder (that of wav2vec 2.0 and HuBERT): convolutional positions, then Transformer layers.

Shapes: B batch, M streams, T frames, D width; tokens are (B, M * T, D), stream by stream. True in a mask = padding.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import Reach, attend, reaches_of
from model.encoder import Offset
from model.kind import Kind
from model.settings import EncoderSettings


class Linear(nn.Linear):
    """A linear layer with the initial weights of BERT: normal with standard deviation 0.02, zero bias."""

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)


class Positions(nn.Module):
    """Convolutional positions: a wide grouped convolution over time within each stream, (B * M, T, D) -> same.

    Its output is added to the tokens. Its weight is `gain * direction / |direction|`, with the norm per tap of the kernel (weight
    normalisation).
    """

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.direction = nn.Parameter(torch.empty(width, width // groups, kernel))
        self.gain = nn.Parameter(torch.empty(1, 1, kernel))
        self.bias = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        width, _, kernel = self.direction.shape
        nn.init.normal_(self.direction, std=math.sqrt(4 / (kernel * width)))
        nn.init.zeros_(self.bias)
        with torch.no_grad():
            self.gain.copy_(self.direction.norm(dim=(0, 1), keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.gain * self.direction / self.direction.norm(dim=(0, 1), keepdim=True)
        return F.gelu(convolved(x, weight, self.groups) + self.bias)


def convolved(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Convolve over time, with padding of half the kernel: x (N, T, D), weight (D, D / groups, K) -> (N, T, D).

    A kernel of 128 frames costs less as a product of spectra than as a sum over its taps: on a GPU, the library's grouped
    convolution takes a third of a training step. The spectra are at least in float32, also under autocast.
    """
    width, own, taps = weight.shape
    with torch.autocast(x.device.type, enabled=False):
        size = spectrum_size(x.shape[1] + taps - 1)
        precise = torch.promote_types(x.dtype, torch.float32)
        signal = torch.fft.rfft(x.to(precise), size, dim=1).view(len(x), -1, groups, own)
        filters = torch.fft.rfft(weight.to(precise).flip(-1), size).view(groups, width // groups, own, -1)
        product = torch.einsum("nfgi,goif->nfgo", signal, filters).flatten(2)
        first = (taps - 1) - taps // 2
        return torch.fft.irfft(product, size, dim=1)[:, first : first + x.shape[1]]


def spectrum_size(least: int) -> int:
    """Return the smallest multiple of 64 that holds `least` values: few sizes, all of which transform fast."""
    return -(-least // 64) * 64


class SelfAttention(nn.Module):
    """Multi-head attention of the tokens of an utterance to each other; `reaches` says within which streams.

    With two reaches, the outputs of two attentions are summed, each with its own weights.
    """

    def __init__(self, width: int, heads: int, dropout: float, reaches: tuple[Reach, ...]) -> None:
        super().__init__()
        self.heads, self.dropout, self.reach = heads, dropout, reaches[0]
        self.project = Linear(width, 3 * width)
        self.out = Linear(width, width)
        self.beside = SelfAttention(width, heads, dropout, reaches[1:]) if reaches[1:] else None

    def forward(self, x: Tensor, padding: Tensor, streams: int) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.project(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, tokens, width / heads)
        dropout = self.dropout if self.training else 0.0
        seen = attend((q, k, v), padding, self.reach, streams, dropout)
        found = self.out(seen.transpose(1, 2).reshape(batch, tokens, width))
        return found if self.beside is None else found + self.beside(x, padding, streams)


class TransformerLayer(nn.Module):
    """Attention and feed-forward, with normalisation before each (`norm_first`, as in the published models) or after each."""

    def __init__(self, settings: EncoderSettings, attention: Kind) -> None:
        super().__init__()
        width = settings.width
        self.norm_first = settings.norm_first
        self.attention = SelfAttention(width, settings.heads, settings.dropout, reaches_of(attention))
        self.feedforward = nn.Sequential(
            Linear(width, settings.feedforward), nn.GELU(), Linear(settings.feedforward, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, padding: Tensor, streams: int) -> Tensor:
        if self.norm_first:
            x = x + self.dropout(self.attention(self.norms[0](x), padding, streams))
            return x + self.dropout(self.feedforward(self.norms[1](x)))
        x = self.norms[0](x + self.dropout(self.attention(x, padding, streams)))
        return self.norms[1](x + self.dropout(self.feedforward(x)))


class TransformerEncoder(nn.Module):
    """Streams, each (B, T, D) -> the streams after every layer: list over layers of dict of (B, T, D).

    With `norm_first`, the final normalisation is applied to the output of every layer and not only of the last one. Otherwise
    the deep layers, whose values are larger, would dominate the sum (Eq. 10).
    """

    def __init__(self, settings: EncoderSettings, streams: tuple[str, ...], attention: Kind) -> None:
        super().__init__()
        self.streams, self.norm_first = streams, settings.norm_first
        self.kind = nn.ModuleDict({name: Offset(settings.width) for name in streams} if len(streams) > 1 else {})
        self.positions = Positions(settings.width, settings.position_kernel, settings.position_groups)
        self.norm = nn.LayerNorm(settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(TransformerLayer(settings, attention) for _ in range(settings.layers))

    def forward(self, features: dict[str, Tensor], padding: Tensor) -> list[dict[str, Tensor]]:
        each = [self.kind[name](features[name]) if self.kind else features[name] for name in self.streams]
        each = [x.masked_fill(padding[..., None], 0.0) for x in each]
        x = torch.cat([x + self.positions(x) for x in each], dim=1)
        pad = padding.repeat(1, len(self.streams))
        x = self.dropout(x if self.norm_first else self.norm(x))
        outputs = []
        for layer in self.layers:
            x = layer(x, pad, len(self.streams))
            closed = self.norm(x) if self.norm_first else x
            outputs.append(dict(zip(self.streams, closed.chunk(len(self.streams), dim=1), strict=True)))
        return outputs
