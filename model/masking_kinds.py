"""Typed settings of the kinds of masking; `masking.py` carries them out. Imports no torch."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from model.kind import Kind, Strict


class Spans(Strict):
    """Masked spans of `length` frames; `rate * frames / length` of them are started, and they may overlap.

    So `rate` is the masked fraction that the spans would have if none overlapped; the real one is less.
    """

    rate: float = Field(ge=0, le=1)
    length: int = Field(ge=1, le=100)


class Masking(Kind):
    """`audio` and `video` are what the streams' spans are, or what they are derived from.

    Where an arm leaves them out they are the baseline's: `uniform` with `budget: matched` masks as much as the baseline
    of its plan does, whatever that is.
    """

    audio: Spans = Spans(rate=0.2, length=5)
    video: Spans = Spans(rate=0.1, length=3)


class DifferentialMasking(Masking):
    description = "audio and video are masked with rates and lengths of their own"
    phrases = ("differential masking", "differential masking rates and lengths", "different masking rates and lengths")
    arm = "differential-masking"
    kind: Literal["differential"] = "differential"


class OneRate(Masking):
    """Give `rate`, or leave it out and `budget: matched` solves for it (see `masking.matched_rate`)."""

    budget: Literal["matched"] | None = None
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
            raise ValueError("uniform masking takes either a rate or `budget: matched`, not both and not neither")
        return self


class UniformMasking(OneRate):
    description = "audio and video are masked with one rate and one length; `matched`: as many frames as the baseline"
    phrases = ("uniform masking", "uniform masking rate and length", "same masking rate and length")
    arm = "uniform-masking"
    kind: Literal["uniform"] = "uniform"
    length: int | None = Field(None, ge=1, le=100, description="the mean of the streams' lengths where it is left out")


class UniformRateMasking(OneRate):
    description = "one rate for both streams, lengths of their own; `matched`: as many frames as the baseline"
    phrases = ("uniform masking rate", "same masking rate", "same rate and different lengths")
    arm = "uniform-rate"
    kind: Literal["uniform_rate"] = "uniform_rate"


class UniformLengthMasking(Masking):
    description = "one length for both streams, rates of their own; `matched`: each stream is masked as much as before"
    phrases = ("uniform masking length", "same masking length", "different rates and same length")
    arm = "uniform-length"
    kind: Literal["uniform_length"] = "uniform_length"
    budget: Literal["matched"] | None = Field("matched", description="without it the streams keep their rates")
    length: int | None = Field(None, ge=1, le=100, description="the mean of the streams' lengths where it is left out")


class SwappedMasking(Masking):
    description = "audio is masked as video is in the baseline, and video as audio"
    phrases = ("swapped masking", "swapped masking rates and lengths")
    arm = "swapped-masking"
    kind: Literal["swapped"] = "swapped"


class AsAudioMasking(Masking):
    description = "both streams are masked as audio is in the baseline"
    phrases = ("both masked as audio", "audio masking for both", "masking as audio")
    arm = "masking-as-audio"
    kind: Literal["as_audio"] = "as_audio"


class AsVideoMasking(Masking):
    description = "both streams are masked as video is in the baseline"
    phrases = ("both masked as video", "video masking for both", "masking as video")
    arm = "masking-as-video"
    kind: Literal["as_video"] = "as_video"


class NoMasking(Kind):
    description = "nothing is masked: the student sees what the target sees"
    phrases = ("no masking", "without masking")
    arm = "no-masking"
    lacks = "masking"
    kind: Literal["none"] = "none"
