"""A Transformer decoder over F: writes a text unit by unit, attending to what it has written and to all frames.

Shapes: B utterances, K hypotheses of each, T frames, U units, V vocabulary, D width, H heads. Number 0, which is CTC's blank,
is both start and end of a text in here. True in a padding mask = padding.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.settings import DecoderSettings

END = 0
NO_UNIT = -1  # a target that costs nothing: behind the end of a text


@dataclass
class Memory:
    """What incremental decoding keeps per layer: keys and values of the frames (B, H, T, D / H) and of what is written.

    The latter are side by side, (B * K, U, 2 D); None before the first unit.
    """

    frames: list[tuple[Tensor, Tensor]]
    seen: Tensor  # (B, 1, 1, T), True = frame
    written: list[Tensor | None]

    def reorder(self, rows: Tensor) -> None:
        """Let hypothesis n (of B * K) go on from what `rows[n]` had written."""
        self.written = [kept if kept is None else kept.index_select(0, rows) for kept in self.written]

    def keep(self, utterances: Tensor, hypotheses: int) -> None:
        """Go on with some utterances (B') only; each has so many hypotheses."""
        self.frames = [(key[utterances], value[utterances]) for key, value in self.frames]
        self.seen = self.seen[utterances]
        self.reorder((utterances[:, None] * hypotheses + torch.arange(hypotheses, device=utterances.device)).flatten())


class DecoderLayer(nn.Module):
    """Attention to the text so far, attention to the frames, feed-forward; each on normalised input and added to it."""

    def __init__(self, settings: DecoderSettings, width: int) -> None:
        super().__init__()
        self.heads = settings.heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.frames = nn.Linear(width, 2 * width)
        self.gather = nn.Linear(width, width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, settings.feedforward), nn.GELU(), nn.Linear(settings.feedforward, width)
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
        """Attention to the frames and the feed-forward; x (B, U or K, D)."""
        (query,) = self.split(self.query(self.norms[1](x)), 1)
        found = F.scaled_dot_product_attention(query, *frames, attn_mask=seen)
        x = x + self.dropout(self.gather(_joined(found)))
        return x + self.dropout(self.feedforward(self.norms[2](x)))

    def forward(self, x: Tensor, frames: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        """All units at once, each seeing those before it: x (B, U, D)."""
        query, key, value = self.split(self.project(self.norms[0](x)), 3)
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.look(x + self.dropout(self.out(_joined(found))), frames, seen)

    def step(self, x: Tensor, memory: Memory, number: int) -> Tensor:
        """One more unit of every hypothesis: x (B, K, D). What is written is kept in `memory`."""
        batch, hypotheses, width = x.shape
        query, new = self.project(self.norms[0](x)).view(batch * hypotheses, 1, 3 * width).split([width, 2 * width], -1)
        before = memory.written[number]
        written = memory.written[number] = new if before is None else torch.cat([before, new], dim=1)
        (query,), (key, value) = self.split(query, 1), self.split(written, 2)
        found = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(_joined(found)).view(batch, hypotheses, width)
        return self.look(x, memory.frames[number], memory.seen)


class Decoder(nn.Module):
    """Log-probabilities of the next unit, given the frames and the units before."""

    def __init__(self, settings: DecoderSettings, width: int, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(DecoderLayer(settings, width) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, vocabulary)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, frames: Tensor, padding: Tensor, units: Tensor) -> Tensor:
        """frames (B, T, D), padding (B, T), units (B, U) that begin with END -> logits (B, U, V) of the unit after each."""
        x = self._enter(units, torch.arange(units.shape[1], device=units.device))
        for layer, memory in zip(self.layers, self._frames(frames), strict=True):
            x = layer(x, memory, ~padding[:, None, None])
        return self.out(self.norm(x))

    def loss(self, frames: Tensor, padding: Tensor, targets: list[list[int]], smoothing: float) -> Tensor:
        """Cross-entropy, mean per unit with the end among them; `smoothing` of the target goes to all units evenly."""
        size = max(map(len, targets)) + 1
        told = torch.tensor([[END, *target] + [END] * (size - 1 - len(target)) for target in targets])
        asked = torch.tensor([[*target, END] + [NO_UNIT] * (size - 1 - len(target)) for target in targets])
        logits = self(frames, padding, told.to(frames.device)).float()
        answer = asked.to(frames.device).flatten()
        return F.cross_entropy(logits.flatten(0, 1), answer, ignore_index=NO_UNIT, label_smoothing=smoothing)

    def remember(self, frames: Tensor, padding: Tensor) -> Memory:
        """Begin to decode (B, T, D) incrementally."""
        return Memory(self._frames(frames), ~padding[:, None, None], [None] * len(self.layers))

    def step(self, units: Tensor, position: int, memory: Memory) -> Tensor:
        """The newest unit of every hypothesis (B, K), at `position` in its text -> log-probabilities (B, K, V)."""
        x = self._enter(units, torch.full((1,), position, device=units.device))
        for number, layer in enumerate(self._layers):
            x = layer.step(x, memory, number)
        return self.out(self.norm(x)).float().log_softmax(-1)

    @property
    def _layers(self) -> "list[DecoderLayer]":
        return cast("list[DecoderLayer]", list(self.layers))

    def _frames(self, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [layer.remember(frames) for layer in self._layers]

    def _enter(self, units: Tensor, positions: Tensor) -> Tensor:
        x = self.embedding(units)
        return self.dropout(x + sines(positions, x.shape[-1]).to(x.dtype))


def sines(numbers: Tensor, width: int) -> Tensor:
    """Positions (N,) -> (N, width): sines, then cosines, of the position (Vaswani et al. 2017)."""
    rates = torch.exp(torch.arange(width // 2, device=numbers.device) * (-2 * math.log(10_000.0) / width))
    angles = numbers[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _joined(heads: Tensor) -> Tensor:
    """(N, H, U, D / H) -> (N, U, D)."""
    return heads.transpose(1, 2).flatten(2)
