"""The composite parts of SMILE: what plans name as one part, and what is several parts here. Imports no torch."""

from collections.abc import Mapping

from common.composite import CompositeKind, CompositePart


def _fusion(scale: str, layers: str, output: str) -> Mapping[str, Mapping[str, str]]:
    return {"fusion.scale": {"kind": scale}, "fusion.layers": {"kind": layers}, "fusion.output": {"kind": output}}


FUSION = CompositePart(
    "how the two streams of all encoder layers become one: `fusion.scale`, `fusion.layers` and `fusion.output` together",
    (
        "adaptive dynamic multimodal fusion",
        "adaptive dynamic multimodal fusion strategy",
        "adaptive multimodal fusion",
        "adaptive multimodal fusion module",
        "adaptive fusion",
        "dynamic fusion",
        "fusion",
        "fusion strategy",
    ),
    {
        "adaptive": CompositeKind(
            "SMILE's: the video is weighted by S, the layers by learned weights (Eq. 9 and 10)",
            ("adaptive fusion", "adaptive dynamic multimodal fusion", "learned weighted fusion"),
            "adaptive-fusion",
            _fusion("learned", "learned", "sum"),
        ),
        "fixed": CompositeKind(
            "a constant weights the video, all layers have the same weight",
            ("fixed weighted sum", "static weighted sum", "fixed weights", "fixed fusion"),
            "fixed-fusion",
            _fusion("static", "mean", "sum"),
        ),
        "concatenate": CompositeKind(
            "audio and video of the last layer are concatenated on channels and projected",
            ("concatenation", "simple concatenation", "feature concatenation", "concatenation fusion"),
            "concatenation-fusion",
            _fusion("none", "last", "concatenate"),
        ),
        "attention": CompositeKind(
            "the audio of the last layer attends to the video of the last layer",
            ("attention-based fusion", "attention fusion", "cross-attention fusion", "attention"),
            "attention-fusion",
            _fusion("none", "last", "attention"),
        ),
        "none": CompositeKind(
            "audio and video of the last layer are added unchanged",
            ("no adaptive fusion", "without adaptive fusion", "no adaptive dynamic multimodal fusion"),
            "no-adaptive-fusion",
            _fusion("none", "last", "sum"),
            lacks="the adaptive fusion",
        ),
    },
)
COMPOSITES: Mapping[str, CompositePart] = {"fusion": FUSION}
