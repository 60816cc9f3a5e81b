"""The swappable places of SMILE and of its recipe: part -> kind -> typed settings (`kinds.py`, `masking_kinds.py`).

This table is what plans are validated against, so it imports no torch. The modules that carry a kind out stand in
`fusion.py`, `tokens.py`, `masking.py`, `siamese.py` and `adapter.py`. The first kind of every part is SMILE's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model import kinds, masking_kinds
from model.kind import Kind


@dataclass(frozen=True)
class Part:
    """A swappable place: what it is, what people call it, and its kinds by name (SMILE's own first)."""

    description: str
    phrases: tuple[str, ...]
    kinds: Mapping[str, type[Kind]]


def _by_name(*of_part: type[Kind]) -> dict[str, type[Kind]]:
    return {kind.model_fields["kind"].default: kind for kind in of_part}


PARTS: Mapping[str, Part] = {
    "fusion.scale": Part(
        "how much the video stream counts where the two streams are summed",
        ("dynamic scaling factor in multimodal fusion", "dynamic scaling factor", "fusion scale", "scaling factor"),
        _by_name(
            kinds.LearnedScale,
            kinds.StaticScale,
            kinds.NoScale,
            kinds.ZeroScale,
            kinds.FrozenScale,
            kinds.PerLayerScale,
            kinds.GatedScale,
        ),
    ),
    "fusion.layers": Part(
        "how the encoder's layers are summed into what the recogniser reads",
        ("layer sum", "sum of layers", "weighted sum of layers", "layer weights", "fusion layers"),
        _by_name(kinds.LearnedLayers, kinds.MeanLayers, kinds.LastLayer),
    ),
    "fusion.tokens": Part(
        "which tokens the encoder sees",
        ("fusion tokens", "input modalities", "early fusion by concatenation on time", "mix attention"),
        _by_name(kinds.TimeTokens, kinds.ChannelTokens, kinds.AudioOnlyTokens, kinds.VideoOnlyTokens),
    ),
    "masking": Part(
        "which frames are hidden from the student branch in training",
        ("differential masking rates and lengths for audio and video", "masking", "masking strategy"),
        _by_name(
            masking_kinds.DifferentialMasking,
            masking_kinds.UniformMasking,
            masking_kinds.UniformRateMasking,
            masking_kinds.UniformLengthMasking,
            masking_kinds.SwappedMasking,
            masking_kinds.AsAudioMasking,
            masking_kinds.AsVideoMasking,
            masking_kinds.NoMasking,
        ),
    ),
    "siamese": Part(
        "how the unmasked target branch teaches the masked student branch",
        ("siamese masked interaction learning", "siamese branch", "siamese strategy"),
        _by_name(kinds.StopGradientSiamese, kinds.EmaSiamese, kinds.NoStopGradientSiamese, kinds.NoSiamese),
    ),
    "siamese.loss": Part(
        "how the student's prediction of the target's features is judged",
        ("siamese loss", "masked prediction loss", "masked-prediction loss"),
        _by_name(kinds.CosineLoss, kinds.MseLoss),
    ),
    "adapter": Part(
        "what adapts each stream before the encoder",
        ("audio-visual adapter", "adapter", "audio-visual adapter before the encoder"),
        _by_name(kinds.BottleneckAdapter, kinds.NoAdapter),
    ),
}
