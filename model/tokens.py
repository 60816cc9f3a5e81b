"""Which tokens the encoder sees: the streams one after the other on time, one of them alone, or one token per frame.

Shapes: B batch, T frames, D width. A stream is (B, T, D) by name: "audio", "video", or "joint" for both in one.
"""

import torch
from torch import Tensor, nn

from model.kind import Kind
from model.kinds import AudioOnlyTokens, ChannelTokens, VideoOnlyTokens

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
        return {JOINT: self.joined(features["audio"], features["video"])}

    def joined(self, audio: Tensor, video: Tensor) -> Tensor:
        return self.project(self.norm(torch.cat([audio, video], dim=-1)))


class OneByOne(Channels):
    """Each stream through the same projection, zeros in the other's place.

    That is how AV-HuBERT enters an utterance of which it has one stream only, so its weights fit.
    """

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        zeros = {name: torch.zeros_like(x) for name, x in features.items()}
        return {
            name: self.joined(x, zeros[name]) if name == "audio" else self.joined(zeros[name], x)
            for name, x in features.items()
        }


def build_tokens(kind: Kind, width: int, *, projected: bool) -> nn.Module:
    """The module for a kind of `fusion.tokens`: dict of features -> dict of the encoder's streams.

    `projected`: the encoder takes what AV-HuBERT's projection of both streams gives, whatever the tokens.
    """
    if isinstance(kind, ChannelTokens):
        return Channels(width)
    return OneByOne(width) if projected else nn.Identity()


def stream_masks(masks: dict[str, Tensor], streams: tuple[str, ...]) -> dict[str, Tensor]:
    """Masks (B, T) per input -> per stream: a joint frame counts as masked where either input is."""
    return {JOINT: masks["audio"] | masks["video"]} if streams == (JOINT,) else masks
