"""Typed settings of every kind of every part but masking, whose are in `masking_kinds.py`. Imports no torch.

The code that carries a kind out stands in the module of its part.
"""

from typing import Literal

from pydantic import Field

from model.kind import Kind


class LearnedScale(Kind):
    description = "one learned scalar S, shared by all layers, weighs the video stream: F_l = F_a_l + S * F_v_l (Eq. 9)"
    phrases = ("learned scale", "dynamic scaling factor", "learned scaling factor", "adaptive scaling factor")
    arm = "learned-scale"
    kind: Literal["learned"] = "learned"
    initial: float = Field(1.0, ge=-10, le=10)


class StaticScale(Kind):
    description = "the video stream is weighed by a constant"
    phrases = ("static scale", "static scaling factor", "constant scaling factor", "fixed scaling factor")
    arm = "static-scale"
    kind: Literal["static"] = "static"
    value: float = Field(0.5, ge=-10, le=10)


class NoScale(Kind):
    description = "the streams are added as they are (a scale of 1)"
    phrases = ("no scale", "no scaling factor", "without scaling factor")
    arm = "no-scale"
    lacks = "the scaling factor"
    kind: Literal["none"] = "none"


class ZeroScale(Kind):
    description = "control: the video stream is left out of the sum, though audio tokens still attend to it"
    phrases = ("zero scale", "zero scaling factor")
    arm = "zero-scale"
    kind: Literal["zero"] = "zero"


class FrozenScale(Kind):
    """A scale that is constant from the first step on is `static`."""

    description = "S is learned over the first steps (`until`, a fraction of them) and then stays what it has become"
    phrases = ("frozen scale", "frozen scaling factor", "scaling factor frozen after learning")
    arm = "frozen-scale"
    kind: Literal["frozen"] = "frozen"
    until: float = Field(0.5, ge=0, le=1)
    initial: float = Field(1.0, ge=-10, le=10)


class PerLayerScale(Kind):
    description = "every layer has a learned scalar of its own"
    phrases = ("per-layer scale", "scale per layer", "one scaling factor per layer", "per-layer scaling factor")
    arm = "per-layer-scale"
    kind: Literal["per_layer"] = "per_layer"
    initial: float = Field(1.0, ge=-10, le=10)


class GatedScale(Kind):
    description = "extension: a gate computed per frame from both streams weighs the video stream"
    phrases = ("gated scale", "gate", "per-frame gate", "gated scaling factor")
    arm = "gated-scale"
    kind: Literal["gated"] = "gated"


class LearnedLayers(Kind):
    description = "the encoder's layers are summed with learned weights, a softmax (Eq. 10)"
    phrases = ("learned layer weights", "learned weighted sum of layers", "weighted layer sum")
    arm = "learned-layers"
    kind: Literal["learned"] = "learned"


class MeanLayers(Kind):
    description = "all layers count alike"
    phrases = ("mean of layers", "average of layers", "mean of the layers", "equal layer weights")
    arm = "mean-layers"
    kind: Literal["mean"] = "mean"


class LastLayer(Kind):
    description = "the last layer alone counts"
    phrases = ("last layer", "last layer only", "top layer", "no layer sum")
    arm = "last-layer"
    kind: Literal["last"] = "last"


class TimeTokens(Kind):
    description = "audio and video tokens are concatenated on time, so that attention mixes them"
    phrases = ("mix attention", "concatenation on time", "audio-visual tokens")
    arm = "audio-visual"
    kind: Literal["time"] = "time"


class ChannelTokens(Kind):
    description = (
        "audio and video are concatenated on channels and projected to one token per frame; "
        "nothing is left for `fusion.scale` to weigh"
    )
    phrases = ("channel concatenation", "concatenation on channels", "channel tokens", "no mix attention")
    arm = "channel-tokens"
    kind: Literal["channel"] = "channel"


class AudioOnlyTokens(Kind):
    description = "yardstick: the encoder sees the audio alone"
    phrases = ("audio only", "audio-only", "no video")
    arm = "audio-only"
    lacks = "the video"
    kind: Literal["audio_only"] = "audio_only"


class VideoOnlyTokens(Kind):
    description = "yardstick: the encoder sees the video alone"
    phrases = ("video only", "video-only", "no audio")
    arm = "video-only"
    lacks = "the audio"
    kind: Literal["video_only"] = "video_only"


class StopGradientSiamese(Kind):
    description = "the student predicts the target branch's unmasked features, through which no gradient flows"
    phrases = ("stop gradient", "stop-gradient", "siamese masked interaction learning")
    arm = "stop-gradient"
    kind: Literal["stop_gradient"] = "stop_gradient"


class EmaSiamese(Kind):
    """After every step `teacher = momentum * teacher + (1 - momentum) * student`; the momentum rises linearly."""

    description = "the target branch has weights of its own: an exponential moving average of the student's"
    phrases = ("ema", "exponential moving average", "momentum encoder", "ema target", "mean teacher")
    arm = "ema"
    kind: Literal["ema"] = "ema"
    momentum: float = Field(0.999, ge=0, le=1, description="at the first step")
    final_momentum: float = Field(0.9999, ge=0, le=1, description="at the last step")


class NoStopGradientSiamese(Kind):
    description = "control: the gradient flows through the target branch, too, which invites a collapse"
    phrases = ("no stop gradient", "without stop gradient", "no stop-gradient", "without stop-gradient")
    arm = "no-stop-gradient"
    lacks = "the stop-gradient"
    kind: Literal["no_stop_gradient"] = "no_stop_gradient"


class NoSiamese(Kind):
    description = "no target branch and no masked-prediction loss"
    phrases = ("no siamese branch", "no siamese", "without siamese masked interaction learning")
    arm = "no-siamese"
    lacks = "the Siamese branch"
    kind: Literal["none"] = "none"


class CosineLoss(Kind):
    description = "masked prediction by direction: 1 - cosine of predicted and target features"
    phrases = ("cosine", "cosine similarity", "cosine loss")
    arm = "cosine-loss"
    kind: Literal["cosine"] = "cosine"


class MseLoss(Kind):
    description = "masked prediction by value: mean squared error between predicted and target features"
    phrases = ("mse", "mean squared error", "mse loss", "l2 loss")
    arm = "mse-loss"
    kind: Literal["mse"] = "mse"


class BottleneckAdapter(Kind):
    description = "a residual bottleneck of a quarter of the width per stream, before the encoder"
    phrases = ("bottleneck adapter", "audio-visual adapter", "adapter")
    arm = "bottleneck-adapter"
    kind: Literal["bottleneck"] = "bottleneck"


class NoAdapter(Kind):
    description = "the streams enter the encoder as the frontends leave them"
    phrases = ("no adapter", "without adapter", "without audio-visual adapter")
    arm = "no-adapter"
    lacks = "the adapter"
    kind: Literal["none"] = "none"
