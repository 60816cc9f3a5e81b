"""The attention of the encoder's layers: within the streams, across them, or both.

Shapes: B batch, M streams, T frames, D width; tokens are (B, M * T, D), stream by stream. True in a mask = padding.
"""

from enum import Enum

from torch import Tensor
from torch.nn import functional as F

from model import attention_kinds as kinds
from model.kind import Kind


class Reach(Enum):
    """The tokens that attention reaches from one: all, those of the same stream, or those of the other stream."""

    ALL = "all"
    OWN = "own"
    OTHER = "other"


def reaches_of(kind: Kind) -> tuple[Reach, ...]:
    """Return the reach of every attention that a layer has, whose outputs are summed, for a kind of `encoder.attention`."""
    match kind:
        case kinds.MixAttention():
            return (Reach.ALL,)
        case kinds.SelfAttention():
            return (Reach.OWN,)
        case kinds.CrossAttention():
            return (Reach.OTHER,)
        case kinds.ParallelAttention():
            return (Reach.OWN, Reach.OTHER)
    raise TypeError(f"no attention for {kind!r}")


def attend(
    heads: tuple[Tensor, Tensor, Tensor], padding: Tensor, reach: Reach, streams: int, dropout: float = 0.0
) -> Tensor:
    """Return what every token finds, (B, heads, M * T, D / heads), for queries, keys and values of this shape.

    Padding (B, M * T) is never reached. For `OTHER`, `streams` is 2.
    """
    q, k, v = heads
    if reach is Reach.ALL:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=~padding[:, None, None], dropout_p=dropout)
    q, k, v = (_by_stream(each, streams) for each in heads)
    seen = padding.unflatten(1, (streams, -1))
    if reach is Reach.OTHER:
        k, v, seen = k.flip(1), v.flip(1), seen.flip(1)
    q, k, v, seen = (each.flatten(0, 1) for each in (q, k, v, seen))
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=~seen[:, None, None], dropout_p=dropout)
    return found.unflatten(0, (-1, streams)).transpose(1, 2).flatten(2, 3)


def _by_stream(x: Tensor, streams: int) -> Tensor:
    """(B, heads, M * T, W) -> (B, M, heads, T, W)."""
    return x.unflatten(2, (streams, -1)).transpose(1, 2)
