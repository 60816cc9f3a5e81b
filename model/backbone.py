"""The backbone, from samples and pixels to F. The student branch and an averaged teacher both have one.

Shapes: B batch, T frames at 25 Hz, D width. True in a padding mask = padding.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from model.adapter import build_adapter
from model.encoder import Encoder
from model.filterbank import FilterbankFrontend
from model.frontend import AudioFrontend, VideoFrontend
from model.fusion import build_layer_sum, build_scale
from model.fusion_output import build_output
from model.mask_fill import build_fill
from model.resnet import ResNetFrontend
from model.settings import FrontendSettings, Settings
from model.siamese import Target, target_of
from model.tokens import build_tokens, inputs_of, streams_of
from model.transformer import TransformerEncoder


@dataclass
class Inputs:
    """Model inputs of a batch: samples (B, T * 640) float, video uint8 (B, T, 88, 88), padding (B, T) bool, `lengths` in frames."""

    audio: Tensor
    video: Tensor
    padding: Tensor
    lengths: list[int]


def _frontend(name: str, settings: FrontendSettings, width: int) -> nn.Module:
    if name == "audio":
        by_filterbank = settings.audio == "filterbank"
        return FilterbankFrontend(settings.mel_bins, width) if by_filterbank else AudioFrontend(settings, width)
    return ResNetFrontend(width) if settings.video == "resnet18" else VideoFrontend(settings, width)


class Backbone(nn.Module):
    """Frontends, adapters, tokens, encoder and fusion, as `settings.parts` chooses them.

    `inputs` are the inputs that it uses (and that are masked). `streams` are the streams that the encoder sees.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        parts, width, layers = settings.parts, settings.encoder.width, settings.encoder.layers
        self.inputs, self.streams = inputs_of(parts.fusion_tokens), streams_of(parts.fusion_tokens)
        published = settings.encoder.architecture == "transformer"
        self.frontends = nn.ModuleDict({name: _frontend(name, settings.frontend, width) for name in self.inputs})
        self.norms = nn.ModuleDict({name: nn.Identity() if published else nn.LayerNorm(width) for name in self.inputs})
        self.adapters = nn.ModuleDict({name: build_adapter(parts.adapter, width) for name in self.inputs})
        self.mask_tokens = nn.ModuleDict({name: build_fill(parts.masking_fill, width) for name in self.inputs})
        self.tokens = build_tokens(parts.fusion_tokens, width, projected=published)
        architecture, both = TransformerEncoder if published else Encoder, len(self.streams) == 2
        self.encoder = architecture(settings.encoder, self.streams, parts.encoder_attention)
        self.scale = build_scale(parts.fusion_scale, width, layers) if both else None
        self.output = build_output(parts.fusion_output, width, settings.encoder.heads) if both else None
        self.layer_sum = build_layer_sum(parts.fusion_layers, layers)
        self.target = target_of(parts.siamese_target)

    def features(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return the maskable features (B, T, D) of every input."""
        raw = {"audio": inputs.audio, "video": inputs.video}
        return {
            name: self.adapters[name](self.norms[name](self.frontends[name](raw[name], inputs.padding)))
            for name in self.inputs
        }

    def mask(self, features: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the features with what `masking.fill` puts in place of the masked frames."""
        return {name: self.mask_tokens[name](x, masks[name]) for name, x in features.items()}

    def encode(self, features: dict[str, Tensor], padding: Tensor) -> list[dict[str, Tensor]]:
        """Return the streams (B, T, D) after every layer."""
        return self.encoder(self.tokens(features), padding)

    def fuse(self, layers: list[dict[str, Tensor]], padding: Tensor) -> Tensor:
        """Eq. 9 and 10, or another `fusion.output`: the outputs of the encoder's layers, padding (B, T) -> F (B, T, D)."""
        if self.scale is None:
            return self.layer_sum([layer[self.streams[0]] for layer in layers])
        audio = [layer["audio"] for layer in layers]
        video = [
            self.scale(layer["audio"], layer["video"], number) * layer["video"] for number, layer in enumerate(layers)
        ]
        if self.output is None:
            return self.layer_sum([a + v for a, v in zip(audio, video, strict=True)])
        return self.output(self.layer_sum(audio), self.layer_sum(video), padding)

    def per_stream(self, layers: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the sum over the layers per stream, with the weights of Eq. 10. The Siamese branches compare these."""
        return {name: self.layer_sum([layer[name] for layer in layers]) for name in self.streams}

    def targets(self, features: dict[str, Tensor], padding: Tensor) -> dict[str, Tensor]:
        """Return what the student predicts for unmasked features, (B, T, D) per stream, as `siamese.target` says."""
        if self.target is Target.INPUT:
            return self.tokens(features)
        layers = self.encode(features, padding)
        return layers[-1] if self.target is Target.LAST else self.per_stream(layers)
