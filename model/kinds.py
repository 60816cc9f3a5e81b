"""Typed settings of the kinds of fusion and adapter; attention, masking and Siamese have their own modules. Imports no torch.

The module of the part (`fusion.py`, `fusion_output.py`, `tokens.py`, `adapter.py`) holds the code of its kinds.
"""

from typing import Literal

from pydantic import Field

from model.kind import Kind, PartText, later


class FusionScaleKind(Kind):
    part = PartText(
        "how much the video stream counts where the two streams are summed",
        ("dynamic scaling factor in multimodal fusion", "dynamic scaling factor", "fusion scale", "scaling factor"),
    )


class LearnedScale(FusionScaleKind):
    description = (
        "one learned scalar S, shared by all layers, weights the video stream: F_l = F_a_l + S * F_v_l (Eq. 9)"
    )
    phrases = ("learned scale", "dynamic scaling factor", "learned scaling factor", "adaptive scaling factor")
    arm = "learned-scale"
    kind: Literal["learned"] = "learned"
    initial: float = Field(1.0, ge=-10, le=10)


class StaticScale(FusionScaleKind):
    description = "a constant weights the video stream"
    phrases = ("static scale", "static scaling factor", "constant scaling factor", "fixed scaling factor")
    arm = "static-scale"
    kind: Literal["static"] = "static"
    value: float = Field(0.5, ge=-10, le=10)


class NoScale(FusionScaleKind):
    description = "the streams are added unchanged (a scale of 1)"
    phrases = (
        "no scale",
        "no scaling factor",
        "without scaling factor",
        "equal weights",
        "equal weighting",
        "equal contribution",
        "unweighted sum",
        "simple addition",
        "simple sum",
        "direct addition",
        "plain sum",
        "element-wise addition",
    )
    arm = "no-scale"
    lacks = "the scaling factor"
    kind: Literal["none"] = "none"


class ZeroScale(FusionScaleKind):
    description = "control: the video stream is left out of the sum, though audio tokens still attend to it"
    phrases = ("zero scale", "zero scaling factor")
    arm = "zero-scale"
    kind: Literal["zero"] = "zero"


class FrozenScale(FusionScaleKind):
    """For a scale that is constant from the first step, use `static`."""

    description = "S is learned until the fraction `until` of the steps is done, and is constant afterwards"
    phrases = ("frozen scale", "frozen scaling factor", "scaling factor frozen after learning")
    arm = "frozen-scale"
    kind: Literal["frozen"] = "frozen"
    until: float = Field(0.5, ge=0, le=1)
    initial: float = Field(1.0, ge=-10, le=10)


class PerLayerScale(FusionScaleKind):
    description = "every layer has its own learned scalar"
    phrases = (
        "per-layer scale",
        "learned per-layer scaling factor",
        "one scaling factor per layer",
        "separate scaling factor for each layer",
    )
    arm = "per-layer-scale"
    kind: Literal["per_layer"] = "per_layer"
    initial: float = Field(1.0, ge=-10, le=10)


class GatedScale(FusionScaleKind):
    description = "extension: a gate, computed per frame from both streams, weights the video stream"
    phrases = ("gated scale", "gate", "per-frame gate", "gated scaling factor")
    arm = "gated-scale"
    kind: Literal["gated"] = "gated"


class FusionLayersKind(Kind):
    part = PartText(
        "how the encoder's layers are summed into the recogniser's input",
        ("layer sum", "sum of layers", "weighted sum of layers", "layer weights", "fusion layers"),
    )


class LearnedLayers(FusionLayersKind):
    description = "the encoder's layers are summed with learned weights, a softmax (Eq. 10)"
    phrases = ("learned layer weights", "learned weighted sum of layers", "weighted layer sum")
    arm = "learned-layers"
    kind: Literal["learned"] = "learned"


class MeanLayers(FusionLayersKind):
    description = "all layers have the same weight, or the last ones if `last` says how many"
    phrases = (
        "mean of layers",
        "average of layers",
        "mean of the layers",
        "equal layer weights",
        "mean of the last layers",
        "simple average of the last layers",
    )
    arm = "mean-layers"
    kind: Literal["mean"] = "mean"
    last: int | None = later(None, ge=1, le=48, description="the mean is over this many of the last layers")


class LastLayer(FusionLayersKind):
    description = "only the last layer is used"
    phrases = (
        "last layer",
        "last layer only",
        "top layer",
        "only the last encoder layer output",
        "single layer",
        "no layer sum",
    )
    arm = "last-layer"
    kind: Literal["last"] = "last"


class FusionOutputKind(Kind):
    part = PartText(
        "how the two streams become the one that the recogniser reads",
        ("fusion output", "fusion operation", "combination of the streams", "output fusion"),
    )


class SumOutput(FusionOutputKind):
    description = "the scaled video is added to the audio, layer by layer (Eq. 9)"
    phrases = ("sum output", "sum of the streams", "element-wise sum", "addition of the streams")
    arm = "sum-output"
    kind: Literal["sum"] = "sum"


class ConcatenateOutput(FusionOutputKind):
    description = "audio and scaled video, each summed over the layers, are concatenated on channels and projected"
    phrases = ("concatenated output", "concatenation of the streams", "feature concatenation", "simple concatenation")
    arm = "concatenated-output"
    kind: Literal["concatenate"] = "concatenate"


class AttentionOutput(FusionOutputKind):
    description = "each audio frame attends to the scaled video; what it finds is added to the audio"
    phrases = ("attention output", "attention fusion", "attention-based fusion", "audio attends to video")
    arm = "attention-output"
    kind: Literal["attention"] = "attention"


class FusionTokensKind(Kind):
    part = PartText(
        "which tokens the encoder sees",
        (
            "fusion tokens",
            "input modalities",
            "early fusion by concatenation on time",
            "mix attention",
            "temporal-wise concatenation",
            "temporal concatenation",
            "feature concatenation strategy",
        ),
    )


class TimeTokens(FusionTokensKind):
    description = "audio and video tokens are concatenated on the time axis, so that attention mixes them"
    phrases = ("mix attention", "concatenation on time", "temporal concatenation", "audio-visual tokens")
    arm = "audio-visual"
    kind: Literal["time"] = "time"


class ChannelTokens(FusionTokensKind):
    description = (
        "audio and video are concatenated on the channel axis and projected to one token per frame; "
        "`fusion.scale` then has no effect"
    )
    phrases = (
        "channel concatenation",
        "channel-wise concatenation",
        "concatenation on channels",
        "channel tokens",
        "no mix attention",
    )
    arm = "channel-tokens"
    kind: Literal["channel"] = "channel"


class AudioOnlyTokens(FusionTokensKind):
    description = "reference: the encoder sees only the audio"
    phrases = ("audio only", "audio-only", "no video")
    arm = "audio-only"
    lacks = "the video"
    kind: Literal["audio_only"] = "audio_only"


class VideoOnlyTokens(FusionTokensKind):
    description = "reference: the encoder sees only the video"
    phrases = ("video only", "video-only", "no audio")
    arm = "video-only"
    lacks = "the audio"
    kind: Literal["video_only"] = "video_only"


class AdapterKind(Kind):
    part = PartText(
        "what adapts each stream before the encoder",
        ("audio-visual adapter", "adapter", "audio-visual adapter before the encoder", "adapter module"),
    )


class BottleneckAdapter(AdapterKind):
    description = "a residual bottleneck for each stream, a quarter of the width, before the encoder"
    phrases = ("bottleneck adapter", "audio-visual adapter", "adapter")
    arm = "bottleneck-adapter"
    kind: Literal["bottleneck"] = "bottleneck"


class NoAdapter(AdapterKind):
    description = "the output of the frontends enters the encoder unchanged"
    phrases = ("no adapter", "without adapter", "without audio-visual adapter")
    arm = "no-adapter"
    lacks = "the adapter"
    kind: Literal["none"] = "none"
