"""Which tokens the encoder sees: the streams one after the other on time, one of them alone, or one token per frame.

Shapes: B batch, T frames, D width. A stream is (B, T, D) by name: "audio", "video", or "joint" for both in one.
"""

import torch
from torch import Tensor, nn

from model.kinds import AudioOnlyTokens, ChannelTokens, Kind, VideoOnlyTokens

JOINT = "joint"


def inputs_of(tokens: Kind) -> tuple[str, ...]:
    """The inputs that a kind of `fusion.tokens` uses."""
    if isinstance(tokens, AudioOnlyTokens):
        return ("audio",)
    return ("video",) if isinstance(tokens, VideoOnlyTokens) else ("audio", "video")


def streams_of(tokens: Kind) -> tuple[str, ...]:
    """The streams that enter the encoder."""
    return (JOINT,) if isinstance(tokens, ChannelTokens) else inputs_of(tokens)


class Channels(nn.Module):
    """{"audio": (B, T, D), "video": (B, T, D)} -> {"joint": (B, T, D)}: concatenated on channels, normalised, projected."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * width)
        self.project = nn.Linear(2 * width, width)

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        both = torch.cat([features["audio"], features["video"]], dim=-1)
        return {JOINT: self.project(self.norm(both))}


def build_tokens(kind: Kind, width: int) -> nn.Module:
    """The module for a kind of `fusion.tokens`: dict of features -> dict of the encoder's streams."""
    return Channels(width) if isinstance(kind, ChannelTokens) else nn.Identity()


def stream_masks(masks: dict[str, Tensor], streams: tuple[str, ...]) -> dict[str, Tensor]:
    """Masks (B, T) per input -> per stream: a joint frame counts as masked where either input is."""
    return {JOINT: masks["audio"] | masks["video"]} if streams == (JOINT,) else masks
