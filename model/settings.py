"""Typed settings of a trial. Imports no torch.

Types, defaults, ranges and descriptions are the source of the table of settings in docs/model.md.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.attention_kinds import CrossAttention, ParallelAttention
from model.kind import Strict
from model.kinds import AttentionOutput, ConcatenateOutput, MeanLayers, TimeTokens
from model.parts import Parts


class FrontendSettings(Strict):
    """From audio samples and pixels to one vector per frame of 40 ms."""

    audio: Literal["convolutions", "filterbank"] = Field(
        "convolutions", description="convolutions over a log-mel spectrogram, or AV-HuBERT's stacked filterbank"
    )
    video: Literal["convolutions", "resnet18"] = Field(
        "convolutions", description="a small network per frame, or AV-HuBERT's ResNet-18 after a 3-D convolution"
    )
    mel_bins: int = Field(80, ge=8, le=128, description="bins of the mel spectrogram")
    video_pool: int = Field(
        4, ge=1, le=8, description="side in pixels of the squares over which the 88 px crop is averaged"
    )
    video_channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (8, 24, 48), min_length=1, strict=False, description="channels of the convolutions over the video"
    )


class EncoderSettings(Strict):
    """The encoder over the tokens of both streams."""

    architecture: Literal["conformer", "transformer"] = Field(
        "conformer", description="rotary positions and a convolution in every layer, or AV-HuBERT's Transformer"
    )
    width: int = Field(96, ge=8, le=8192, multiple_of=2, description="features per token, D")
    layers: int = Field(3, ge=1, le=48, description="number of layers")
    heads: int = Field(4, ge=1, le=256, description="attention heads")
    feedforward: int = Field(192, ge=8, le=65_536, description="hidden width of the feed-forward blocks")
    kernel: int = Field(9, ge=1, le=63, description="conformer: frames that the convolution of a token sees; odd")
    norm_first: bool = Field(
        True, description="transformer: normalise before attention and feed-forward, and not after them"
    )
    position_kernel: int = Field(128, ge=1, le=256, description="transformer: frames of the convolutional positions")
    position_groups: int = Field(16, ge=1, description="transformer: groups of the convolutional positions")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout probability in the encoder")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "EncoderSettings":
        if self.width % (2 * self.heads):
            raise ValueError("width must be a multiple of twice the heads")
        if self.architecture == "transformer" and self.width % self.position_groups:
            raise ValueError("width must be a multiple of position_groups")
        return self


class DecoderSettings(Strict):
    """From F to text: by CTC alone, or by a Transformer decoder and CTC together if `layers` is not 0.

    Characters write any text. Words write only words of the training texts, and are learned far more slowly. `sentencepiece` units
    are pieces of words, at most `vocab_size` of them.
    """

    units: Literal["word", "character", "sentencepiece"] = Field("character", description="output units")
    vocab_size: int = Field(1000, ge=2, le=100_000, description="sentencepiece: largest number of units")
    architecture: Literal["plain", "av_hubert"] = Field(
        "plain",
        description="GELU and output weights of its own, or AV-HuBERT's decoder: ReLU, the output weights are the embedding",
    )
    layers: int = Field(0, ge=0, le=48, description="layers of the Transformer decoder; 0: no decoder")
    heads: int = Field(4, ge=1, le=256, description="attention heads")
    feedforward: int = Field(192, ge=8, le=65_536, description="hidden width of the feed-forward blocks")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout probability in the decoder")
    beam_size: int = Field(40, ge=1, le=1000, description="hypotheses that the beam search keeps per utterance")
    ctc_weight: float = Field(
        0.1, ge=0, le=1, description="weight of CTC in the beam search; the decoder has the remaining weight"
    )
    length_penalty: float = Field(
        1.0, ge=0, le=2, description="exponent: finished texts are ranked by score / (units + 1) to this power"
    )


class TrainingSettings(Strict):
    """Settings of the training of a model."""

    steps: int = Field(700, ge=1, le=100_000_000, description="steps of the optimiser")
    batch_size: int = Field(8, ge=1, le=100_000, description="utterances per step")
    max_frames_per_batch: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="instead of batch_size: utterances of similar length up to this many frames, padding included",
    )
    gradient_accumulation_steps: int = Field(
        1, ge=1, le=10_000, description="micro-batches that a step's batch is split into, processed one after another"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of matrix products, under autocast")
    compile: bool = Field(False, description="compile the encoder with torch.compile")
    schedule: Literal["cosine", "tri_stage", "inverse_sqrt"] = Field(
        "cosine", description="learning rate after the warm-up"
    )
    average: int = Field(
        1, ge=1, le=100, description="snapshots in the last tenth of the steps whose mean is the final model"
    )
    learning_rate: float = Field(4e-3, gt=0, description="highest learning rate")
    warmup_ratio: float = Field(0.15, ge=0, lt=1, description="fraction of the steps with a rising learning rate")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of AdamW; not for vectors and scalars")
    clip_norm: float = Field(5.0, gt=0, description="largest norm of the gradient")
    ctc_weight: float = Field(0.1, ge=0, le=1, description="weight of CTC in the recognition loss, with a decoder")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="label smoothing of the decoder's targets")
    alpha: float = Field(1.0, ge=0, description="weight of the recognition loss")
    beta: float = Field(0.3, ge=0, description="weight of the masked-prediction loss")
    noise_probability: float = Field(
        0.5, ge=0, le=1, description="fraction of the training utterances that are mixed with babble"
    )
    curriculum: float = Field(
        0.7, ge=0, le=1, description="fraction of the steps over which noise and masks reach all utterances"
    )
    noise_snr_db: tuple[float, float] = Field(
        (-5.0, 15.0), strict=False, description="range in dB of the SNR of training noise, uniformly distributed"
    )


class InitSettings(Strict):
    """A checkpoint that the weights start from. `sha256` is filled in if the file is accessible."""

    checkpoint: str | None = Field(None, description="path, file:// or https:// of an AV-HuBERT checkpoint")
    sha256: str | None = Field(None, pattern="[0-9a-f]{64}", description="hash that the checkpoint must have")
    decoder: bool = Field(
        True,
        description="take the decoder and the sentencepiece units of a fine-tuned checkpoint, too; false: the encoder alone",
    )


class Settings(Strict):
    """Everything that decides the result of a trial, except its seed and its corpus."""

    preset: str
    parts: Parts = Parts()
    frontend: FrontendSettings = FrontendSettings()
    encoder: EncoderSettings = EncoderSettings()
    decoder: DecoderSettings = DecoderSettings()
    training: TrainingSettings = TrainingSettings()
    init_from: InitSettings = InitSettings()

    @model_validator(mode="after")
    def _decoder_heads_share_the_width(self) -> "Settings":
        if self.decoder.layers and self.encoder.width % (2 * self.decoder.heads):
            raise ValueError("encoder.width must be a multiple of twice decoder.heads")
        return self

    @model_validator(mode="after")
    def _kinds_that_need_both_streams_have_them(self) -> "Settings":
        parts, tokens = self.parts, self.parts.fusion_tokens
        needs = (CrossAttention, ParallelAttention, ConcatenateOutput, AttentionOutput)
        for part, kind in (("encoder.attention", parts.encoder_attention), ("fusion.output", parts.fusion_output)):
            if isinstance(kind, needs) and not isinstance(tokens, TimeTokens):
                raise ValueError(
                    f"the kind {kind.kind!r} of {part} needs tokens of both streams, and fusion.tokens "
                    f"{tokens.model_dump()['kind']!r} gives the encoder one stream; use fusion.tokens 'time' or another kind "
                    f"of {part}"
                )
        return self

    @model_validator(mode="after")
    def _the_mean_is_over_layers_that_exist(self) -> "Settings":
        layers, depth = self.parts.fusion_layers, self.encoder.layers
        if isinstance(layers, MeanLayers) and (layers.last or 0) > depth:
            raise ValueError(
                f"fusion.layers.last is at most encoder.layers, {depth}, got {layers.last}; set a smaller one"
            )
        return self
