"""The tokens that the encoder sees: both streams concatenated on time, one stream only, or one token per frame.

Shapes: B batch, T frames, D width. A stream is (B, T, D) by name: "audio", "video", or "joint" for both in one.
"""

import torch
from torch import Tensor, nn

from model import kinds
from model.kind import Kind

JOINT = "joint"


def inputs_of(tokens: Kind) -> tuple[str, ...]:
    """Return the inputs that a kind of `fusion.tokens` uses."""
    match tokens:
        case kinds.TimeTokens() | kinds.ChannelTokens():
            return ("audio", "video")
        case kinds.AudioOnlyTokens():
            return ("audio",)
        case kinds.VideoOnlyTokens():
            return ("video",)
    raise TypeError(f"no inputs for {tokens!r}")


def streams_of(tokens: Kind) -> tuple[str, ...]:
    """Return the streams that enter the encoder."""
    return (JOINT,) if isinstance(tokens, kinds.ChannelTokens) else inputs_of(tokens)


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
    """Each stream through the same projection, with zeros in place of the other stream.

    AV-HuBERT treats an utterance that has only one stream in this way, so its weights fit.
    """

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        zeros = {name: torch.zeros_like(x) for name, x in features.items()}
        return {
            name: self.joined(x, zeros[name]) if name == "audio" else self.joined(zeros[name], x)
            for name, x in features.items()
        }


def build_tokens(kind: Kind, width: int, *, projected: bool) -> nn.Module:
    """Return the module for a kind of `fusion.tokens`: dict of features -> dict of the encoder's streams.

    `projected`: the encoder expects the output of AV-HuBERT's projection of both streams, for every kind of tokens.
    """
    if isinstance(kind, kinds.ChannelTokens):
        return Channels(width)
    return OneByOne(width) if projected else nn.Identity()


def stream_masks(masks: dict[str, Tensor], streams: tuple[str, ...]) -> dict[str, Tensor]:
    """Masks (B, T) per input -> masks per stream. A joint frame counts as masked if one of the inputs is masked."""
    return {JOINT: masks["audio"] | masks["video"]} if streams == (JOINT,) else masks
