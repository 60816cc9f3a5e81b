"""The swappable places of SMILE and of its recipe: part -> kind -> typed settings.

This table is what plans are validated against, so it imports no torch. The modules that carry a kind out stand in
`fusion.py`, `masking.py`, `siamese.py` and `smile.py`. The first kind of every part is SMILE's own.

`phrases` are the words by which people name a part or a kind in a Markdown plan; `arm` is the name that a Markdown
plan's arm gets when it swaps this kind in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """Settings in which unknown keys are errors, nothing is coerced from text, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Kind(Strict):
    """Settings of one kind of a part."""

    description: ClassVar[str] = ""
    phrases: ClassVar[tuple[str, ...]] = ()
    arm: ClassVar[str] = ""


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
    kind: Literal["none"] = "none"


class ZeroScale(Kind):
    description = "control: the video stream is left out of the sum, though audio tokens still attend to it"
    phrases = ("zero scale", "zero scaling factor")
    arm = "zero-scale"
    kind: Literal["zero"] = "zero"


class GatedScale(Kind):
    description = "extension: a gate computed per frame from both streams weighs the video stream"
    phrases = ("gated scale", "gate", "per-frame gate", "gated scaling factor")
    arm = "gated-scale"
    kind: Literal["gated"] = "gated"


class TimeTokens(Kind):
    description = "audio and video tokens are concatenated on time, so that attention mixes them"
    phrases = ("mix attention", "concatenation on time", "audio-visual tokens")
    arm = "audio-visual"
    kind: Literal["time"] = "time"


class AudioOnlyTokens(Kind):
    description = "yardstick: the encoder sees the audio alone"
    phrases = ("audio only", "audio-only", "no video")
    arm = "audio-only"
    kind: Literal["audio_only"] = "audio_only"


class VideoOnlyTokens(Kind):
    description = "yardstick: the encoder sees the video alone"
    phrases = ("video only", "video-only", "no audio")
    arm = "video-only"
    kind: Literal["video_only"] = "video_only"


class Spans(Strict):
    """Masked spans of `length` frames; `rate * frames / length` of them are started, and they may overlap.

    So `rate` is the masked fraction that the spans would have if none overlapped; the real one is less.
    """

    rate: float = Field(ge=0, le=1)
    length: int = Field(ge=1, le=100)


class DifferentialMasking(Kind):
    description = "audio and video are masked with rates and lengths of their own"
    phrases = ("differential masking", "differential masking rates and lengths", "different masking rates and lengths")
    arm = "differential-masking"
    kind: Literal["differential"] = "differential"
    audio: Spans = Spans(rate=0.2, length=5)
    video: Spans = Spans(rate=0.1, length=3)


class UniformMasking(Kind):
    """Give `rate`, or leave it out and `budget: matched` solves for it (see `masking.matched_rate`)."""

    description = (
        "audio and video are masked with one rate and length; `matched`: as many frames as differential masking"
    )
    phrases = ("uniform masking", "uniform masking rate and length", "same masking rate and length")
    arm = "uniform-masking"
    kind: Literal["uniform"] = "uniform"
    budget: Literal["matched"] | None = None
    rate: float | None = Field(None, ge=0, le=1)
    length: int = Field(4, ge=1, le=100)

    @model_validator(mode="before")
    @classmethod
    def _matched_unless_a_rate_is_given(cls, value: object) -> object:
        if isinstance(value, Mapping) and value.get("rate") is None and "budget" not in value:
            return {**value, "budget": "matched"}
        return value

    @model_validator(mode="after")
    def _rate_or_budget(self) -> "UniformMasking":
        if (self.budget is None) == (self.rate is None):
            raise ValueError("uniform masking takes either a rate or `budget: matched`, not both and not neither")
        return self


class NoMasking(Kind):
    description = "nothing is masked: the student sees what the target sees"
    phrases = ("no masking", "without masking")
    arm = "no-masking"
    kind: Literal["none"] = "none"


class StopGradientSiamese(Kind):
    description = "the student predicts the target branch's unmasked features, through which no gradient flows"
    phrases = ("stop gradient", "stop-gradient", "siamese masked interaction learning")
    arm = "stop-gradient"
    kind: Literal["stop_gradient"] = "stop_gradient"


class NoSiamese(Kind):
    description = "no target branch and no masked-prediction loss"
    phrases = ("no siamese branch", "no siamese", "without siamese masked interaction learning")
    arm = "no-siamese"
    kind: Literal["none"] = "none"


@dataclass(frozen=True)
class Part:
    """A swappable place: what it is, what people call it, and its kinds by name (SMILE's own first)."""

    description: str
    phrases: tuple[str, ...]
    kinds: Mapping[str, type[Kind]]


def _by_name(*kinds: type[Kind]) -> dict[str, type[Kind]]:
    return {kind.model_fields["kind"].default: kind for kind in kinds}


PARTS: Mapping[str, Part] = {
    "fusion.scale": Part(
        "how much the video stream counts where the two streams are summed",
        ("dynamic scaling factor in multimodal fusion", "dynamic scaling factor", "fusion scale", "scaling factor"),
        _by_name(LearnedScale, StaticScale, NoScale, ZeroScale, GatedScale),
    ),
    "fusion.tokens": Part(
        "which tokens the encoder sees",
        ("fusion tokens", "input modalities", "early fusion by concatenation on time"),
        _by_name(TimeTokens, AudioOnlyTokens, VideoOnlyTokens),
    ),
    "masking": Part(
        "which frames are hidden from the student branch in training",
        ("differential masking rates and lengths for audio and video", "masking", "masking strategy"),
        _by_name(DifferentialMasking, UniformMasking, NoMasking),
    ),
    "siamese": Part(
        "how the unmasked target branch teaches the masked student branch",
        ("siamese masked interaction learning", "siamese branch", "siamese strategy"),
        _by_name(StopGradientSiamese, NoSiamese),
    ),
}
