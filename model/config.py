"""Typed settings of a trial: presets, and how a plan's overrides are laid over them. Imports no torch."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from common.errors import UserError
from common.validation import sentence
from model import checkpoint_file, kinds, masking_kinds
from model.kind import Strict
from model.parts import PARTS, Part

type_of_kind = Field(discriminator="kind")


class Parts(Strict):
    """One kind for every part of `parts.PARTS`; the keys are the parts' dotted names."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    fusion_scale: Annotated[
        kinds.LearnedScale
        | kinds.StaticScale
        | kinds.NoScale
        | kinds.ZeroScale
        | kinds.FrozenScale
        | kinds.PerLayerScale
        | kinds.GatedScale,
        type_of_kind,
    ] = Field(kinds.LearnedScale(), alias="fusion.scale")
    fusion_layers: Annotated[kinds.LearnedLayers | kinds.MeanLayers | kinds.LastLayer, type_of_kind] = Field(
        kinds.LearnedLayers(), alias="fusion.layers"
    )
    fusion_tokens: Annotated[
        kinds.TimeTokens | kinds.ChannelTokens | kinds.AudioOnlyTokens | kinds.VideoOnlyTokens, type_of_kind
    ] = Field(kinds.TimeTokens(), alias="fusion.tokens")
    masking: Annotated[
        masking_kinds.DifferentialMasking
        | masking_kinds.UniformMasking
        | masking_kinds.UniformRateMasking
        | masking_kinds.UniformLengthMasking
        | masking_kinds.SwappedMasking
        | masking_kinds.AsAudioMasking
        | masking_kinds.AsVideoMasking
        | masking_kinds.NoMasking,
        type_of_kind,
    ] = masking_kinds.DifferentialMasking()
    siamese: Annotated[
        kinds.StopGradientSiamese | kinds.EmaSiamese | kinds.NoStopGradientSiamese | kinds.NoSiamese, type_of_kind
    ] = kinds.StopGradientSiamese()
    siamese_loss: Annotated[kinds.CosineLoss | kinds.MseLoss, type_of_kind] = Field(
        kinds.CosineLoss(), alias="siamese.loss"
    )
    adapter: Annotated[kinds.BottleneckAdapter | kinds.NoAdapter, type_of_kind] = kinds.BottleneckAdapter()


class FrontendSettings(Strict):
    """From samples and pixels to one vector per frame of 40 ms."""

    audio: Literal["convolutions", "filterbank"] = Field(
        "convolutions", description="convolutions over a log-mel, or AV-HuBERT's stacked filterbank"
    )
    video: Literal["convolutions", "resnet18"] = Field(
        "convolutions", description="a small net frame by frame, or AV-HuBERT's ResNet-18 behind a 3-D convolution"
    )
    mel_bins: int = Field(80, ge=8, le=128)
    video_pool: int = Field(4, ge=1, le=8, description="the 88 px crop is averaged over squares of this many pixels")
    video_channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field((8, 24, 48), min_length=1, strict=False)


class EncoderSettings(Strict):
    """The encoder over the tokens of both streams."""

    architecture: Literal["conformer", "transformer"] = Field(
        "conformer", description="rotary positions and convolutions in every layer, or AV-HuBERT's Transformer"
    )
    width: int = Field(96, ge=8, le=8192, multiple_of=2)
    layers: int = Field(3, ge=1, le=48)
    heads: int = Field(4, ge=1, le=256)
    feedforward: int = Field(192, ge=8, le=65_536)
    kernel: int = Field(9, ge=1, le=63, description="conformer: frames that a token's convolution sees; odd")
    norm_first: bool = Field(True, description="transformer: normalise before attention and feed-forward, not after")
    position_kernel: int = Field(128, ge=1, le=256, description="transformer: frames of the convolutional positions")
    position_groups: int = Field(16, ge=1, description="transformer: groups of the convolutional positions")
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "EncoderSettings":
        if self.width % (2 * self.heads):
            raise ValueError("width must be a multiple of twice the heads")
        if self.architecture == "transformer" and self.width % self.position_groups:
            raise ValueError("width must be a multiple of position_groups")
        return self


class DecoderSettings(Strict):
    """How F becomes text: by CTC alone, or, with `layers`, by a Transformer decoder and CTC together.

    `character` units write any text; `word` ones only the words of the training texts, and learn far more slowly;
    `sentencepiece` ones are pieces of words, `pieces` of them at most.
    """

    units: Literal["word", "character", "sentencepiece"] = "character"
    pieces: int = Field(1000, ge=2, le=100_000)
    layers: int = Field(0, ge=0, le=48, description="of the Transformer decoder; 0: none")
    heads: int = Field(4, ge=1, le=256)
    feedforward: int = Field(192, ge=8, le=65_536)
    dropout: float = Field(0.1, ge=0, lt=1)
    beam: int = Field(40, ge=1, le=1000, description="hypotheses that the search keeps per utterance")
    ctc_weight: float = Field(0.1, ge=0, le=1, description="of CTC in the search; the rest is the decoder's")
    length_exponent: float = Field(
        1.0, ge=0, le=2, description="texts are compared by score / (units + 1) to this power"
    )


class TrainingSettings(Strict):
    """The recipe. `alpha` weighs the recognition loss, `beta` the masked-prediction loss."""

    steps: int = Field(700, ge=1, le=100_000_000)
    batch_size: int = Field(8, ge=1, le=100_000)
    frames_per_batch: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="instead of batch_size: utterances of like length, so many frames with their padding",
    )
    accumulate: int = Field(
        1, ge=1, le=10_000, description="shares in which a step's batch is computed, one after the other"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of matrix products, under autocast")
    compile: bool = Field(False, description="compile the encoder by torch.compile")
    schedule: Literal["cosine", "tri_stage", "inverse_sqrt"] = Field("cosine", description="after the warm-up")
    average: int = Field(1, ge=1, le=100, description="snapshots over the last tenth of the steps to take the mean of")
    learning_rate: float = Field(4e-3, gt=0)
    warmup: float = Field(0.15, ge=0, lt=1, description="fraction of the steps")
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(5.0, gt=0)
    ctc_weight: float = Field(0.1, ge=0, le=1, description="of CTC in the recognition loss, beside a decoder")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="of the decoder's targets")
    alpha: float = Field(1.0, ge=0)
    beta: float = Field(0.3, ge=0)
    noise_probability: float = Field(0.5, ge=0, le=1, description="share of training utterances mixed with babble")
    curriculum: float = Field(
        0.7, ge=0, le=1, description="fraction of the steps over which noise and masks come in, utterance by utterance"
    )
    noise_snr_db: tuple[float, float] = Field((-5.0, 15.0), strict=False, description="drawn evenly between these")


class InitSettings(Strict):
    """What the weights start from instead of being drawn. `sha256` is filled in where the file is at hand."""

    checkpoint: str | None = Field(None, description="path, file:// or https:// of an AV-HuBERT checkpoint")
    sha256: str | None = Field(None, pattern="[0-9a-f]{64}")


class Settings(Strict):
    """All that decides what a trial computes, besides its seed and its corpus."""

    preset: str
    parts: Parts = Parts()
    frontend: FrontendSettings = FrontendSettings()
    encoder: EncoderSettings = EncoderSettings()
    decoder: DecoderSettings = DecoderSettings()
    training: TrainingSettings = TrainingSettings()
    init_from: InitSettings = InitSettings()

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "Settings":
        if self.decoder.layers and self.encoder.width % (2 * self.decoder.heads):
            raise ValueError("encoder.width must be a multiple of twice decoder.heads")
        return self


def _av_hubert(
    preset: str, width: int, layers: int, heads: int, feedforward: int, decoder_layers: int, decoder_heads: int
) -> Settings:
    """A model of AV-HuBERT's sizes, inputs, dropout and masks."""
    return Settings(
        preset=preset,
        parts=Parts(
            masking=masking_kinds.DifferentialMasking(
                audio=masking_kinds.Spans(rate=0.8, length=10), video=masking_kinds.Spans(rate=0.3, length=5)
            )
        ),
        frontend=FrontendSettings(audio="filterbank", video="resnet18", mel_bins=26),
        encoder=EncoderSettings(
            architecture="transformer", dropout=0.1, width=width, layers=layers, heads=heads, feedforward=feedforward
        ),
        decoder=DecoderSettings(
            units="sentencepiece", layers=decoder_layers, heads=decoder_heads, feedforward=feedforward
        ),
        training=TrainingSettings(
            steps=60_000,
            frames_per_batch=2400,
            learning_rate=5e-4,
            warmup=1 / 3,
            curriculum=0.0,
            precision="bfloat16",
            schedule="tri_stage",
            average=10,
        ),
    )


PRESETS: Mapping[str, Settings] = {
    "tiny": Settings(preset="tiny"),
    "base": _av_hubert("base", width=768, layers=12, heads=12, feedforward=3072, decoder_layers=6, decoder_heads=4),
    "large": _av_hubert("large", width=1024, layers=24, heads=16, feedforward=4096, decoder_layers=9, decoder_heads=8),
}


def resolve(preset: str, *layers: Mapping[str, Any]) -> Settings:
    """Lay overrides (part -> spec, or dotted setting -> value) over a preset, one layer over the other.

    A part's spec is a mapping with `kind`, or just the kind's name. It replaces what is below it, but for masking: there
    `audio` and `video` are the nearest ones below where a spec leaves them out. Raises UserError for an unknown preset,
    part, kind or setting, and for a value of the wrong type or out of range.
    """
    if preset not in PRESETS:
        raise UserError(f"unknown preset {preset!r}{_did_you_mean(preset, PRESETS)}")
    tree = PRESETS[preset].model_dump()
    spans = {stream: tree["parts"]["masking"][stream] for stream in ("audio", "video")}
    for overrides in layers:
        for key, value in overrides.items():
            if key == "masking":
                spans |= {stream: spec for stream, spec in _spec(key, value).items() if stream in spans}
                value = _with_spans(_spec(key, value), spans)
            if key in PARTS:
                tree["parts"][key] = _spec(key, value)
            else:
                _set(tree, key, value)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise UserError(sentence(error, _without_kinds)) from error
    return _with_hash(settings)


def _with_hash(settings: Settings) -> Settings:
    """A trial is known by the content that it starts from; a hash that is given is checked when the file is read."""
    start = settings.init_from
    if start.checkpoint is None or start.sha256 is not None:
        return settings
    return settings.model_copy(
        update={"init_from": start.model_copy(update={"sha256": checkpoint_file.sha256(start.checkpoint)})}
    )


def _with_spans(spec: dict[str, Any], spans: Mapping[str, Any]) -> dict[str, Any]:
    takes_them = issubclass(PARTS["masking"].kinds[spec["kind"]], masking_kinds.Masking)
    return {**spans, **spec} if takes_them else spec


def _spec(part: str, value: Any) -> dict[str, Any]:
    spec = {"kind": value} if isinstance(value, str) else value
    if not isinstance(spec, Mapping) or "kind" not in spec:
        raise UserError(f"{part}: a part takes a mapping with `kind`, got {value!r}; write e.g. {{kind: none}}")
    of_part = PARTS[part].kinds
    if spec["kind"] not in of_part:
        raise UserError(f"unknown kind {spec['kind']!r} of part {part!r}{_did_you_mean(str(spec['kind']), of_part)}")
    return dict(spec)


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    group, _, name = key.partition(".")
    settings = {f"{g}.{n}" for g, ns in tree.items() if g != "parts" and isinstance(ns, dict) for n in ns}
    if key not in settings:
        raise UserError(f"unknown part or setting {key!r}{_did_you_mean(key, [*PARTS, *sorted(settings)], PARTS)}")
    tree[group][name] = value


def _did_you_mean(word: str, known: Any, listed: Any = None) -> str:
    close = get_close_matches(word, list(known), n=1)
    hint = f": did you mean {close[0]!r}?" if close else "."
    return f"{hint} Known: {', '.join(listed or known)}"


def _without_kinds(steps: Sequence[str]) -> Sequence[str]:
    """The path to a setting as plans write it; pydantic names the chosen kind of a part as a step, too."""
    place = [step for step in steps if step != "parts"]
    if place and place[0] in PARTS and len(place) > 1 and place[1] in PARTS[place[0]].kinds:
        del place[1]
    return place


class _Catalogue:
    """What plans are checked against: the parts, and the settings that an arm's overrides come to."""

    parts: Mapping[str, Part] = PARTS

    def resolve(self, preset: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """The full settings as plain JSON types; raises UserError."""
        return resolve(preset, *layers).model_dump(mode="json")


CATALOGUE = _Catalogue()


def load(settings: Mapping[str, Any]) -> Settings:
    """The typed form of what `CATALOGUE.resolve` returned."""
    return Settings.model_validate(settings)
