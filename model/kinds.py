"""Typed settings of the kinds of every part except masking, which `masking_kinds.py` has. Imports no torch.

The module of the part (`fusion.py`, `tokens.py`, `siamese.py`, `adapter.py`) holds the code of its kinds.
"""

from typing import Literal

from pydantic import Field

from model.kind import Kind, PartText


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
    description = "all layers have the same weight"
    phrases = ("mean of layers", "average of layers", "mean of the layers", "equal layer weights")
    arm = "mean-layers"
    kind: Literal["mean"] = "mean"


class LastLayer(FusionLayersKind):
    description = "only the last layer is used"
    phrases = ("last layer", "last layer only", "top layer", "no layer sum")
    arm = "last-layer"
    kind: Literal["last"] = "last"


class FusionTokensKind(Kind):
    part = PartText(
        "which tokens the encoder sees",
        ("fusion tokens", "input modalities", "early fusion by concatenation on time", "mix attention"),
    )


class TimeTokens(FusionTokensKind):
    description = "audio and video tokens are concatenated on the time axis, so that attention mixes them"
    phrases = ("mix attention", "concatenation on time", "audio-visual tokens")
    arm = "audio-visual"
    kind: Literal["time"] = "time"


class ChannelTokens(FusionTokensKind):
    description = (
        "audio and video are concatenated on the channel axis and projected to one token per frame; "
        "`fusion.scale` then has no effect"
    )
    phrases = ("channel concatenation", "concatenation on channels", "channel tokens", "no mix attention")
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


class SiameseKind(Kind):
    part = PartText(
        "how the unmasked target branch teaches the masked student branch",
        ("siamese masked interaction learning", "siamese branch", "siamese strategy"),
    )


class StopGradientSiamese(SiameseKind):
    description = (
        "the student predicts the unmasked features of the target branch; no gradient flows through the target"
    )
    phrases = ("stop gradient", "stop-gradient", "siamese masked interaction learning")
    arm = "stop-gradient"
    kind: Literal["stop_gradient"] = "stop_gradient"


class EmaSiamese(SiameseKind):
    """After every step `teacher = momentum * teacher + (1 - momentum) * student`; the momentum rises linearly."""

    description = "the target branch has its own weights: an exponential moving average of the student's"
    phrases = ("ema", "exponential moving average", "momentum encoder", "ema target", "mean teacher")
    arm = "ema"
    kind: Literal["ema"] = "ema"
    momentum: float = Field(0.999, ge=0, le=1, description="at the first step")
    final_momentum: float = Field(0.9999, ge=0, le=1, description="at the last step")


class NoStopGradientSiamese(SiameseKind):
    description = "control: the gradient also flows through the target branch, which risks a collapse"
    phrases = ("no stop gradient", "without stop gradient", "no stop-gradient", "without stop-gradient")
    arm = "no-stop-gradient"
    lacks = "the stop-gradient"
    kind: Literal["no_stop_gradient"] = "no_stop_gradient"


class NoSiamese(SiameseKind):
    description = "no target branch and no masked-prediction loss"
    phrases = ("no siamese branch", "no siamese", "without siamese masked interaction learning")
    arm = "no-siamese"
    lacks = "the Siamese branch"
    kind: Literal["none"] = "none"


class SiameseLossKind(Kind):
    part = PartText(
        "how the student's prediction of the target's features is scored",
        ("siamese loss", "masked prediction loss", "masked-prediction loss"),
    )


class CosineLoss(SiameseLossKind):
    description = "1 - cosine similarity of predicted and target features: compares their directions"
    phrases = ("cosine", "cosine similarity", "cosine loss")
    arm = "cosine-loss"
    kind: Literal["cosine"] = "cosine"


class MseLoss(SiameseLossKind):
    description = "mean squared error between predicted and target features: compares their values"
    phrases = ("mse", "mean squared error", "mse loss", "l2 loss")
    arm = "mse-loss"
    kind: Literal["mse"] = "mse"


class AdapterKind(Kind):
    part = PartText(
        "what adapts each stream before the encoder",
        ("audio-visual adapter", "adapter", "audio-visual adapter before the encoder"),
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
