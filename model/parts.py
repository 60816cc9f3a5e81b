"""The parts of SMILE, and the kinds of every part. Imports no torch.

The types of the fields of `Parts` are the one source. `PARTS`, the checks of plans and the tables in docs/model.md follow from
them. The first kind of every part is SMILE's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ConfigDict, Field

from model import attention_kinds, kinds, masking_kinds, siamese_kinds
from model.kind import Kind, Strict, kinds_of, later


class Parts(Strict):
    """One kind for every part. The alias of a field is the dotted name of the part in plans."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    fusion_scale: kinds.FusionScaleKind = Field(kinds.LearnedScale(), alias="fusion.scale")
    fusion_layers: kinds.FusionLayersKind = Field(kinds.LearnedLayers(), alias="fusion.layers")
    fusion_output: kinds.FusionOutputKind = later(kinds.SumOutput(), alias="fusion.output")
    fusion_tokens: kinds.FusionTokensKind = Field(kinds.TimeTokens(), alias="fusion.tokens")
    masking: masking_kinds.MaskingKind = masking_kinds.DifferentialMasking()
    masking_fill: masking_kinds.MaskingFillKind = later(masking_kinds.EmbeddingFill(), alias="masking.fill")
    siamese: siamese_kinds.SiameseKind = siamese_kinds.StopGradientSiamese()
    siamese_loss: siamese_kinds.SiameseLossKind = Field(siamese_kinds.CosineLoss(), alias="siamese.loss")
    siamese_head: siamese_kinds.SiameseHeadKind = later(siamese_kinds.TwoLayerHead(), alias="siamese.head")
    siamese_target: siamese_kinds.SiameseTargetKind = later(siamese_kinds.SummedTarget(), alias="siamese.target")
    encoder_attention: attention_kinds.AttentionKind = later(attention_kinds.MixAttention(), alias="encoder.attention")
    adapter: kinds.AdapterKind = kinds.BottleneckAdapter()


@dataclass(frozen=True)
class Part:
    """A part as plans see it: its description, the phrases that name it, and its kinds by name, SMILE's own first."""

    description: str
    phrases: tuple[str, ...]
    kinds: Mapping[str, type[Kind]]


def _parts() -> dict[str, Part]:
    found = {}
    for name, field in Parts.model_fields.items():
        base = field.annotation
        assert isinstance(base, type)
        assert issubclass(base, Kind)
        found[field.alias or name] = Part(base.part.description, base.part.phrases, kinds_of(base))
    return found


PARTS: Mapping[str, Part] = _parts()
