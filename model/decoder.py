"""A Transformer decoder over F. It writes a text unit by unit, with attention to the text so far and to all frames.

Shapes: B utterances, K hypotheses of each, T frames, U units, V vocabulary, D width, H heads. Number 0, which is CTC's blank,
is both the start and the end of a text here. True in a padding mask = padding.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.settings import DecoderSettings

END = 0
NO_UNIT = -1  # a target without loss: after the end of a text


@dataclass
class Memory:
    """The cache of incremental decoding per layer: keys and values of the frames (B, H, T, D / H) and of the units so far.

    Those of the units are one tensor, (B * K, U, 2 D), or None before the first unit.
    """

    frames: list[tuple[Tensor, Tensor]]
    seen: Tensor  # (B, 1, 1, T), True = frame
    written: list[Tensor | None]

    def reorder(self, rows: Tensor) -> None:
        """Let hypothesis n (of B * K) continue the text of hypothesis `rows[n]`."""
        self.written = [kept if kept is None else kept.index_select(0, rows) for kept in self.written]

    def keep(self, utterances: Tensor, hypotheses: int) -> None:
        """Keep only the given utterances (B'); each has this number of hypotheses."""
        self.frames = [(key[utterances], value[utterances]) for key, value in self.frames]
        self.seen = self.seen[utterances]
        self.reorder((utterances[:, None] * hypotheses + torch.arange(hypotheses, device=utterances.device)).flatten())


class FairseqLinear(nn.Linear):
    """One or more projections of attention in a row, with fairseq's initial weights: Xavier, each by itself."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for part in self.weight.split(self.in_features):
            nn.init.xavier_uniform_(part, gain=math.sqrt(0.5))


class FairseqOut(nn.Linear):
    """The output of attention, with fairseq's initial weights: Xavier, no bias."""

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)


class FairseqEmbedding(nn.Embedding):
    """An embedding with fairseq's initial weights, small enough to be output weights, too."""

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.embedding_dim**-0.5)


class DecoderLayer(nn.Module):
    """Attention to the text so far, attention to the frames, feed-forward; each normalises its input and adds to it."""

    def __init__(self, settings: DecoderSettings, width: int) -> None:
        super().__init__()
        self.heads = settings.heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        published = settings.architecture == "av_hubert"
        project, out = (FairseqLinear, FairseqOut) if published else (nn.Linear, nn.Linear)
        self.project = project(width, 3 * width)
        self.out = out(width, width)
        self.query = project(width, width)
        self.frames = project(width, 2 * width)
        self.gather = out(width, width)
        # AV-HuBERT has a dropout here, too: `decoder_activation_dropout` 0.1 in its fine-tuning.
        between = nn.Sequential(nn.ReLU(), nn.Dropout(settings.dropout)) if published else nn.GELU()
        self.feedforward = nn.Sequential(
            nn.Linear(width, settings.feedforward), between, nn.Linear(settings.feedforward, width)
        )
        self.dropout = nn.Dropout(settings.dropout)

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(N, U, parts * D) -> `parts` tensors (N, H, U, D / H)."""
        heads = x.view(*x.shape[:2], parts, self.heads, x.shape[-1] // parts // self.heads)
        return heads.permute(2, 0, 3, 1, 4).unbind(0)

    def remember(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) -> keys and values of the frames."""
        key, value = self.split(self.frames(frames), 2)
        return key, value

    def look(self, x: Tensor, frames: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        """Apply attention to the frames, then feed-forward; x (B, U or K, D)."""
        (query,) = self.split(self.query(self.norms[1](x)), 1)
        found = F.scaled_dot_product_attention(query, *frames, attn_mask=seen)
        x = x + self.dropout(self.gather(_joined(found)))
        return x + self.dropout(self.feedforward(self.norms[2](x)))

    def forward(self, x: Tensor, frames: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        """Process all units at once, with causal attention: x (B, U, D)."""
        query, key, value = self.split(self.project(self.norms[0](x)), 3)
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.look(x + self.dropout(self.out(_joined(found))), frames, seen)

    def step(self, x: Tensor, memory: Memory, number: int) -> Tensor:
        """Process the next unit of every hypothesis: x (B, K, D). Its key and value are added to `memory`."""
        batch, hypotheses, width = x.shape
        query, new = self.project(self.norms[0](x)).view(batch * hypotheses, 1, 3 * width).split([width, 2 * width], -1)
        before = memory.written[number]
        written = memory.written[number] = new if before is None else torch.cat([before, new], dim=1)
        (query,), (key, value) = self.split(query, 1), self.split(written, 2)
        found = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(_joined(found)).view(batch, hypotheses, width)
        return self.look(x, memory.frames[number], memory.seen)


class Decoder(nn.Module):
    """Log-probabilities of the next unit, given the frames and the previous units.

    In AV-HuBERT's architecture the output weights are the embedding, without a bias, and `out` is None.
    """

    def __init__(self, settings: DecoderSettings, width: int, vocab_size: int) -> None:
        super().__init__()
        self.published = settings.architecture == "av_hubert"
        self.embedding = (FairseqEmbedding if self.published else nn.Embedding)(vocab_size, width)
        self.layers = nn.ModuleList(DecoderLayer(settings, width) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(width)
        self.out = None if self.published else nn.Linear(width, vocab_size)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, frames: Tensor, padding: Tensor, units: Tensor) -> Tensor:
        """frames (B, T, D), padding (B, T), units (B, U) that begin with END -> logits (B, U, V) of the next unit after each."""
        x = self._enter(units, torch.arange(units.shape[1], device=units.device))
        for layer, memory in zip(self.layers, self._frames(frames), strict=True):
            x = layer(x, memory, ~padding[:, None, None])
        return self._logits(x)

    def loss(self, frames: Tensor, padding: Tensor, targets: list[list[int]], smoothing: float) -> Tensor:
        """Return the cross-entropy, mean per unit including the end. `smoothing` of the target is spread evenly over all units."""
        size = max(map(len, targets)) + 1
        previous = torch.tensor([[END, *target] + [END] * (size - 1 - len(target)) for target in targets])
        following = torch.tensor([[*target, END] + [NO_UNIT] * (size - 1 - len(target)) for target in targets])
        logits = self(frames, padding, previous.to(frames.device)).float()
        answer = following.to(frames.device).flatten()
        return F.cross_entropy(logits.flatten(0, 1), answer, ignore_index=NO_UNIT, label_smoothing=smoothing)

    def remember(self, frames: Tensor, padding: Tensor) -> Memory:
        """Start the incremental decoding of frames (B, T, D)."""
        return Memory(self._frames(frames), ~padding[:, None, None], [None] * len(self.layers))

    def step(self, units: Tensor, position: int, memory: Memory) -> Tensor:
        """The last unit of every hypothesis (B, K), at `position` in its text -> log-probabilities (B, K, V) of the next unit."""
        x = self._enter(units, torch.full((1,), position, device=units.device))
        for number, layer in enumerate(self._layers):
            x = layer.step(x, memory, number)
        return self._logits(x).float().log_softmax(-1)

    @property
    def _layers(self) -> "list[DecoderLayer]":
        return cast("list[DecoderLayer]", list(self.layers))

    def _frames(self, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [layer.remember(frames) for layer in self._layers]

    def _enter(self, units: Tensor, positions: Tensor) -> Tensor:
        x = self.embedding(units)
        signs = fairseq_sines if self.published else sines
        return self.dropout(x + signs(positions, x.shape[-1]).to(x.dtype))

    def _logits(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return F.linear(x, self.embedding.weight) if self.out is None else self.out(x)


def fairseq_sines(numbers: Tensor, width: int) -> Tensor:
    """Positions (N,) -> (N, width), as in fairseq: counted from 2, after the number of its padding; the last rate is 1 / 10 000."""
    rates = torch.exp(torch.arange(width // 2, device=numbers.device) * (-math.log(10_000.0) / (width // 2 - 1)))
    angles = (numbers[:, None] + 2) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def sines(numbers: Tensor, width: int) -> Tensor:
    """Positions (N,) -> (N, width): sines, then cosines, of the position (Vaswani et al. 2017)."""
    rates = torch.exp(torch.arange(width // 2, device=numbers.device) * (-2 * math.log(10_000.0) / width))
    angles = numbers[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _joined(heads: Tensor) -> Tensor:
    """(N, H, U, D / H) -> (N, U, D)."""
    return heads.transpose(1, 2).flatten(2)
