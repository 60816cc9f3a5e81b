"""The fusion of the two streams other than by a sum: concatenated on channels, or audio that attends to video.

Shapes: B batch, T frames, D width. True in a padding mask = padding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model import kinds
from model.encoder import rotate, rotation_table
from model.kind import Kind


class Concatenated(nn.Module):
    """A projection of both streams, concatenated on channels: audio (B, T, D), video (B, T, D), padding (B, T) -> (B, T, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(2 * width, width)

    def forward(self, audio: Tensor, video: Tensor, _padding: Tensor) -> Tensor:
        return self.project(torch.cat([audio, video], dim=-1))


class Attended(nn.Module):
    """The audio plus what each of its frames finds in the video, with shapes as `Concatenated`.

    Both streams are normalised first. Positions are rotations of queries and keys, as in the encoder.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in ("audio", "video")})
        self.query = nn.Linear(width, width)
        self.frames = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, audio: Tensor, video: Tensor, padding: Tensor) -> Tensor:
        keys, v = self.frames(self.norms["video"](video)).chunk(2, dim=-1)
        rotations = rotation_table(audio.shape[1], audio.shape[2] // self.heads, audio)
        q = rotate(self._split(self.query(self.norms["audio"](audio))), *rotations)
        k = rotate(self._split(keys), *rotations)
        seen = F.scaled_dot_product_attention(q, k, self._split(v), attn_mask=~padding[:, None, None])
        return audio + self.out(seen.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, heads, T, D / heads)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


def build_output(kind: Kind, width: int, heads: int) -> nn.Module | None:
    """Return the module for a kind of `fusion.output`; None for the sum, which needs none."""
    match kind:
        case kinds.SumOutput():
            return None
        case kinds.ConcatenateOutput():
            return Concatenated(width)
        case kinds.AttentionOutput():
            return Attended(width, heads)
    raise TypeError(f"no module for {kind!r}")
