"""Typed settings of the kinds of masking; `masking.py` holds their code. Imports no torch."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from model.kind import Kind, PartText, Strict


class Spans(Strict):
    """Masked spans of `length` frames. An utterance gets `rate * frames / length` spans, which may overlap.

    So `rate` is the masked fraction without overlaps; the actual fraction is smaller.
    """

    rate: float = Field(ge=0, le=1)
    length: int = Field(ge=1, le=100)


class MaskingKind(Kind):
    part = PartText(
        "which frames the student branch does not see in training",
        (
            "differential masking rates and lengths for audio and video",
            "masking",
            "masking strategy",
            "masked feature augmentation",
        ),
    )


class Masking(MaskingKind):
    """Kinds that mask frames. `audio` and `video` are the spans of the two streams, or the values that spans are derived from.

    An arm that gives no `audio` or `video` takes the baseline's. So `uniform` with `budget: matched` masks as many frames as the
    baseline of its plan.
    """

    audio: Spans = Spans(rate=0.2, length=5)
    video: Spans = Spans(rate=0.1, length=3)


class DifferentialMasking(Masking):
    description = "audio and video have their own masking rates and lengths"
    phrases = ("differential masking", "differential masking rates and lengths", "different masking rates and lengths")
    arm = "differential-masking"
    kind: Literal["differential"] = "differential"


class OneRate(Masking):
    """Kinds with one rate for both streams: `rate`, or `budget: matched`, which computes it (see `masking.matched_rate`)."""

    budget: Literal["matched"] | None = Field(None, description="default without a rate: matched")
    rate: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _matched_unless_a_rate_is_given(cls, value: object) -> object:
        if isinstance(value, Mapping) and value.get("rate") is None and "budget" not in value:
            return {**value, "budget": "matched"}
        return value

    @model_validator(mode="after")
    def _rate_or_budget(self) -> "OneRate":
        if (self.budget is None) == (self.rate is None):
            raise ValueError("uniform masking takes either a rate or `budget: matched`; give exactly one of them")
        return self


class UniformMasking(OneRate):
    description = (
        "audio and video share one masking rate and one length; `matched`: as many masked frames as the baseline"
    )
    phrases = ("uniform masking", "uniform masking rate and length", "same masking rate and length")
    arm = "uniform-masking"
    kind: Literal["uniform"] = "uniform"
    length: int | None = Field(None, ge=1, le=100, description="default: the mean of the two streams' lengths")


class UniformRateMasking(OneRate):
    description = (
        "the streams share one masking rate and keep their lengths; `matched`: as many masked frames as the baseline"
    )
    phrases = ("uniform masking rate", "same masking rate", "same rate and different lengths")
    arm = "uniform-rate"
    kind: Literal["uniform_rate"] = "uniform_rate"


class UniformLengthMasking(Masking):
    description = "the streams share one masking length; `matched`: each stream keeps its masked fraction"
    phrases = ("uniform masking length", "same masking length", "different rates and same length")
    arm = "uniform-length"
    kind: Literal["uniform_length"] = "uniform_length"
    budget: Literal["matched"] | None = Field("matched", description="null: the streams keep their rates")
    length: int | None = Field(None, ge=1, le=100, description="default: the mean of the two streams' lengths")


class SwappedMasking(Masking):
    description = "audio is masked like the baseline's video, and video like its audio"
    phrases = ("swapped masking", "swapped masking rates and lengths")
    arm = "swapped-masking"
    kind: Literal["swapped"] = "swapped"


class AsAudioMasking(Masking):
    description = "both streams are masked like the baseline's audio"
    phrases = ("both masked as audio", "audio masking for both", "masking as audio")
    arm = "masking-as-audio"
    kind: Literal["as_audio"] = "as_audio"


class AsVideoMasking(Masking):
    description = "both streams are masked like the baseline's video"
    phrases = ("both masked as video", "video masking for both", "masking as video")
    arm = "masking-as-video"
    kind: Literal["as_video"] = "as_video"


class NoMasking(MaskingKind):
    description = "nothing is masked: the student sees the same input as the target"
    phrases = ("no masking", "without masking")
    arm = "no-masking"
    lacks = "masking"
    kind: Literal["none"] = "none"


class MaskingFillKind(Kind):
    part = PartText(
        "what a masked frame becomes",
        ("masking fill", "masked frame replacement", "masking type", "mask token", "masking embedding"),
    )


class EmbeddingFill(MaskingFillKind):
    description = "a learned vector, one per stream"
    phrases = ("learned embedding", "learned mask embedding", "learned mask token", "mask embedding")
    arm = "embedding-fill"
    kind: Literal["embedding"] = "embedding"


class ZeroFill(MaskingFillKind):
    description = "zeros"
    phrases = ("zeros", "zero fill", "masking with zeros", "zero vector", "zero masking")
    arm = "zero-fill"
    kind: Literal["zeros"] = "zeros"


class NoiseFill(MaskingFillKind):
    description = "Gaussian noise with mean 0 and variance 1, drawn anew in every step"
    phrases = ("noise", "gaussian noise", "noise fill", "random noise", "masking with noise")
    arm = "noise-fill"
    kind: Literal["noise"] = "noise"
