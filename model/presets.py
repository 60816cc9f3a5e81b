"""The presets: complete settings that a plan starts from. Imports no torch."""

from collections.abc import Mapping

from model.masking_kinds import DifferentialMasking, Spans
from model.parts import Parts
from model.settings import DecoderSettings, EncoderSettings, FrontendSettings, Settings, TrainingSettings


def _av_hubert(
    preset: str, width: int, layers: int, heads: int, feedforward: int, decoder_layers: int, decoder_heads: int
) -> Settings:
    """Return a model with the sizes, inputs, decoder, dropout and masks of AV-HuBERT."""
    masking = DifferentialMasking(audio=Spans(rate=0.8, length=10), video=Spans(rate=0.3, length=5))
    return Settings(
        preset=preset,
        parts=Parts(masking=masking),
        frontend=FrontendSettings(audio="filterbank", video="resnet18", mel_bins=26),
        encoder=EncoderSettings(
            architecture="transformer", dropout=0.1, width=width, layers=layers, heads=heads, feedforward=feedforward
        ),
        decoder=DecoderSettings(
            units="sentencepiece",
            architecture="av_hubert",
            layers=decoder_layers,
            heads=decoder_heads,
            feedforward=feedforward,
        ),
        training=TrainingSettings(
            steps=60_000,
            max_frames_per_batch=2400,
            learning_rate=5e-4,
            warmup_ratio=1 / 3,
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
