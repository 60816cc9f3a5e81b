"""The encoder over the tokens of all streams, concatenated on time: attention mixes them ("mix attention").

Shapes: B batch, M streams, T frames, D width; tokens are (B, M * T, D), stream by stream. True in a mask = padding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import EncoderSettings


class Attention(nn.Module):
    """Multi-head self-attention over all tokens of an utterance, so also across streams."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.project(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, tokens, width / heads)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=~padding[:, None, None])
        return self.out(seen.transpose(1, 2).reshape(batch, tokens, width))


class Convolution(nn.Module):
    """Gated depthwise convolution over time within each stream: nothing leaks over the seam between streams."""

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
    """Attention, convolution, feed-forward; each on normalised input and added to what came in."""

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        width = settings.width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, settings.heads)
        self.convolution = Convolution(width, settings.kernel)
        self.feedforward = nn.Sequential(
            nn.Linear(width, settings.feedforward), nn.GELU(), nn.Linear(settings.feedforward, width)
        )
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, padding: Tensor, streams: int) -> Tensor:
        x = x + self.dropout(self.attention(self.norms[0](x), padding))
        x = x + self.dropout(self.convolution(self.norms[1](x), padding, streams))
        return x + self.dropout(self.feedforward(self.norms[2](x)))


class Encoder(nn.Module):
    """Streams (each (B, T, D)) -> for every layer, the streams again: list over layers of dict of (B, T, D)."""

    def __init__(self, settings: EncoderSettings, streams: tuple[str, ...]) -> None:
        super().__init__()
        self.streams = streams
        self.kind = nn.ModuleDict({stream: Offset(settings.width) for stream in streams})
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))

    def forward(self, features: dict[str, Tensor], padding: Tensor) -> list[dict[str, Tensor]]:
        position = sinusoids(padding.shape[1], features[self.streams[0]])  # the same for every stream
        x = torch.cat([self.kind[name](features[name]) + position for name in self.streams], dim=1)
        pad = padding.repeat(1, len(self.streams))
        outputs = []
        for layer in self.layers:
            x = layer(x, pad, len(self.streams))
            outputs.append(dict(zip(self.streams, x.chunk(len(self.streams), dim=1), strict=True)))
        return outputs


class Offset(nn.Module):
    """A learned vector (D,) added to every token of a stream, which tells the streams apart."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.vector, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.vector


def sinusoids(frames: int, like: Tensor) -> Tensor:
    """(T, D) sines and cosines of the frame's number (Vaswani et al. 2017, section 3.5)."""
    width = like.shape[-1]
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-9.2103 / width))  # 1 ... 1 / 10 000
    angles = torch.arange(frames, device=like.device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).view(frames, width).to(like.dtype)
