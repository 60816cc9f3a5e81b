"""SMILE: audio-visual speech recognition with adaptive fusion, masked features and Siamese masked learning.

Rebuilt from the paper's public reviews and abstract (OpenReview 74IIsh2kM6); docs/model.md says what is fact and what
is ours. Shapes: B batch, T frames at 25 Hz, D width, V vocabulary with the CTC blank at 0. True in a padding mask =
padding.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.adapter import Adapter
from model.config import Settings
from model.encoder import Encoder
from model.frontend import AudioFrontend, VideoFrontend
from model.fusion import LayerSum, build_scale
from model.masking import batch_mask, sampler
from model.parts import AudioOnlyTokens, Kind, NoSiamese, VideoOnlyTokens
from model.siamese import MaskedPrediction

FRONTENDS: dict[str, type[nn.Module]] = {"audio": AudioFrontend, "video": VideoFrontend}


def streams_of(tokens: Kind) -> tuple[str, ...]:
    """The streams that a kind of `fusion.tokens` lets the encoder see."""
    if isinstance(tokens, AudioOnlyTokens):
        return ("audio",)
    return ("video",) if isinstance(tokens, VideoOnlyTokens) else ("audio", "video")


@dataclass
class Inputs:
    """A batch: samples (B, T * 640) float, video uint8 (B, T, 88, 88), padding (B, T) bool, `lengths` in frames."""

    audio: Tensor
    video: Tensor
    padding: Tensor
    lengths: list[int]


@dataclass
class Losses:
    """`total` = alpha * ctc + beta * masked; `masked` is None without a Siamese branch."""

    total: Tensor
    ctc: Tensor
    masked: Tensor | None


class MaskToken(nn.Module):
    """The learned vector (D,) that stands where a frame is masked: (B, T, D), mask (B, T) -> (B, T, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.vector, std=0.02)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask[..., None], self.vector, x)


class Smile(nn.Module):
    """The recogniser; which of its parts are SMILE's own and which are replaced is decided by `settings.parts`."""

    def __init__(self, settings: Settings, vocabulary: int) -> None:
        super().__init__()
        parts, width = settings.parts, settings.encoder.width
        self.settings = settings
        self.streams = streams_of(parts.fusion_tokens)
        self.frontends = nn.ModuleDict({name: FRONTENDS[name](settings.frontend, width) for name in self.streams})
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in self.streams})
        self.adapters = nn.ModuleDict({name: Adapter(width) for name in self.streams})
        self.mask_tokens = nn.ModuleDict({name: MaskToken(width) for name in self.streams})
        self.samplers = {name: sampler(parts.masking, name) for name in self.streams}
        self.encoder = Encoder(settings.encoder, self.streams)
        self.scale = build_scale(parts.fusion_scale, width) if len(self.streams) == 2 else None
        self.layer_sum = LayerSum(settings.encoder.layers)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary))
        self.siamese = None if isinstance(parts.siamese, NoSiamese) else MaskedPrediction(width)

    def features(self, inputs: Inputs) -> dict[str, Tensor]:
        """What enters the encoder, per stream (B, T, D)."""
        raw = {"audio": inputs.audio, "video": inputs.video}
        return {
            name: self.adapters[name](self.norms[name](self.frontends[name](raw[name], inputs.padding)))
            for name in self.streams
        }

    def fuse(self, layers: list[dict[str, Tensor]]) -> Tensor:
        """Eq. 9 and 10: the encoder's layers -> F (B, T, D)."""
        if self.scale is None:
            return self.layer_sum([layer[self.streams[0]] for layer in layers])
        return self.layer_sum(
            [layer["audio"] + self.scale(layer["audio"], layer["video"]) * layer["video"] for layer in layers]
        )

    def per_stream(self, layers: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Each stream's own sum over the layers, with the same weights: what the Siamese branches compare."""
        return {name: self.layer_sum([layer[name] for layer in layers]) for name in self.streams}

    def forward(self, inputs: Inputs) -> Tensor:
        """Log-probabilities (B, T, V) of the unmasked input."""
        return self.head(self.fuse(self.encoder(self.features(inputs), inputs.padding))).log_softmax(-1)

    def losses(self, inputs: Inputs, targets: list[list[int]], masks: dict[str, Tensor]) -> Losses:
        """The student's CTC loss (mean per target unit) and the masked-prediction loss."""
        features = self.features(inputs)
        student_in = {name: self.mask_tokens[name](x, masks[name]) for name, x in features.items()}
        student = self.encoder(student_in, inputs.padding)
        ctc = _ctc(self.head(self.fuse(student)).log_softmax(-1), inputs.lengths, targets)
        recipe = self.settings.training
        if self.siamese is None:
            return Losses(recipe.alpha * ctc, ctc, None)
        with torch.no_grad():
            target = self.per_stream(self.encoder(features, inputs.padding))
        masked = self.siamese(self.per_stream(student), target, masks)
        return Losses(recipe.alpha * ctc + recipe.beta * masked, ctc, masked)

    def sample_masks(
        self, lengths: list[int], generators: dict[str, np.random.Generator], share: float = 1.0
    ) -> dict[str, Tensor]:
        """Per stream bool (B, T), True = masked; every stream draws from a generator of its own.

        On average, `share` of the utterances of a stream are masked at all.
        """
        return {name: batch_mask(lengths, self.samplers[name], generators[name], share) for name in self.streams}

    def scale_value(self) -> float | None:
        """The scale S where it is one number (learned, static, none, zero), else None."""
        value = getattr(self.scale, "scale", None)
        return None if value is None else float(value.detach())


def _ctc(log_probs: Tensor, lengths: list[int], targets: list[list[int]]) -> Tensor:
    flat = torch.tensor([unit for target in targets for unit in target], device=log_probs.device)
    sizes = torch.tensor([len(target) for target in targets])
    return F.ctc_loss(log_probs.transpose(0, 1), flat, torch.tensor(lengths), sizes, blank=0, zero_infinity=True)


def initialise(model: nn.Module, seed: int) -> None:
    """Draw every module's weights from (seed, its name): arms that share a module start it at the same weights."""
    with torch.random.fork_rng(devices=[]):
        for name, module in model.named_modules():
            if hasattr(module, "reset_parameters"):
                digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
                torch.manual_seed(int.from_bytes(digest[:8], "little"))
                module.reset_parameters()


def parameter_count(model: nn.Module) -> int:
    """Number of trained values."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
