"""The swappable places of SMILE and of its recipe: part -> kind -> typed settings.

This table is what plans are validated against, so it imports no torch. The modules that carry a kind out stand in
`fusion.py`, `masking.py`, `siamese.py` and `adapter.py`; each of them maps the settings classes below to its own
classes. The first kind of every part is SMILE's own.

`phrases` are the words by which people name a part or a kind in a Markdown plan.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Kind(BaseModel):
    """Settings of one kind of a part; unknown keys are errors, nothing is coerced from text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# ---- fusion.scale: how much the video stream counts when the two streams are summed, F_l = F_a_l + scale * F_v_l


class LearnedScale(Kind):
    kind: Literal["learned"] = "learned"
    initial: float = Field(1.0, ge=-10, le=10, allow_inf_nan=False)


class StaticScale(Kind):
    kind: Literal["static"] = "static"
    value: float = Field(0.5, ge=-10, le=10, allow_inf_nan=False)


class NoScale(Kind):
    kind: Literal["none"] = "none"


class ZeroScale(Kind):
    kind: Literal["zero"] = "zero"


class GatedScale(Kind):
    kind: Literal["gated"] = "gated"


# ---- fusion.tokens: which tokens the encoder sees


class TimeTokens(Kind):
    kind: Literal["time"] = "time"


class AudioOnlyTokens(Kind):
    kind: Literal["audio_only"] = "audio_only"


class VideoOnlyTokens(Kind):
    kind: Literal["video_only"] = "video_only"


# ---- masking: which frames the student branch does not see


class Spans(BaseModel):
    """`rate` is the chance that a span is started per frame, divided by nothing: spans overlap and so mask less."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    rate: float = Field(ge=0, le=1, allow_inf_nan=False)
    length: int = Field(ge=1, le=100)


class DifferentialMasking(Kind):
    kind: Literal["differential"] = "differential"
    audio: Spans = Spans(rate=0.4, length=5)
    video: Spans = Spans(rate=0.2, length=3)


class UniformMasking(Kind):
    """One rate and length for both streams; `budget: matched` solves for the rate (see `masking.matched_rate`)."""

    kind: Literal["uniform"] = "uniform"
    budget: Literal["matched"] | None = "matched"
    rate: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    length: int | None = Field(None, ge=1, le=100)


class NoMasking(Kind):
    kind: Literal["none"] = "none"


# ---- siamese: how the unmasked target branch is tied to the masked student branch


class StopGradientSiamese(Kind):
    kind: Literal["stop_gradient"] = "stop_gradient"


class NoSiamese(Kind):
    kind: Literal["none"] = "none"
