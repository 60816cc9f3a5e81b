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

from common.errors import UserError
from model import av_hubert, checkpoint_file
from model.config import Settings
from model.decoder import Decoder
from model.kinds import EmaSiamese, NoSiamese, NoStopGradientSiamese, PerLayerScale
from model.masking import batch_mask, sampler
from model.siamese import MaskedPrediction, follow, momentum
from model.tokens import stream_masks
from model.trunk import Inputs, Trunk

__all__ = ["Inputs", "Losses", "Smile", "initialise", "parameter_count"]


@dataclass
class Losses:
    """`total` = alpha * recognition + beta * masked; `masked` is None without a Siamese branch.

    recognition = ctc_weight * ctc + (1 - ctc_weight) * attention, or `ctc` where there is no decoder and `attention` is None.
    """

    total: Tensor
    ctc: Tensor
    masked: Tensor | None
    attention: Tensor | None = None


class Smile(Trunk):
    """The recogniser; which of its parts are SMILE's own and which are replaced is decided by `settings.parts`."""

    def __init__(self, settings: Settings, vocabulary: int) -> None:
        super().__init__(settings)
        parts, width = settings.parts, settings.encoder.width
        self.settings = settings
        self.samplers = {name: sampler(parts.masking, name) for name in self.inputs}
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary))
        self.decoder = Decoder(settings.decoder, width, vocabulary) if settings.decoder.layers else None
        no_siamese = isinstance(parts.siamese, NoSiamese)
        self.siamese = None if no_siamese else MaskedPrediction(width, parts.siamese_loss)
        self.teacher = Trunk(settings).requires_grad_(False) if isinstance(parts.siamese, EmaSiamese) else None

    def forward(self, inputs: Inputs) -> Tensor:
        """CTC's log-probabilities (B, T, V) of the unmasked input."""
        return self.frame_log_probs(self.fused(inputs))

    def fused(self, inputs: Inputs) -> Tensor:
        """F (B, T, D) of the unmasked input."""
        return self.fuse(self.encode(self.features(inputs), inputs.padding))

    def frame_log_probs(self, fused: Tensor) -> Tensor:
        """F (B, T, D) -> CTC's log-probabilities (B, T, V)."""
        return self.head(fused).float().log_softmax(-1)

    def losses(self, inputs: Inputs, targets: list[list[int]], masks: dict[str, Tensor]) -> Losses:
        """The student's recognition losses (mean per target unit) and the masked-prediction loss."""
        features = self.features(inputs)
        student = self.encode(self.hide(features, masks), inputs.padding)
        fused, recipe, attention = self.fuse(student), self.settings.training, None
        recognition = ctc = _ctc(self.frame_log_probs(fused), inputs.lengths, targets)
        if self.decoder is not None:
            attention = self.decoder.loss(fused, inputs.padding, targets, recipe.label_smoothing)
            recognition = recipe.ctc_weight * ctc + (1 - recipe.ctc_weight) * attention
        if self.siamese is None:
            return Losses(recipe.alpha * recognition, ctc, None, attention)
        target = self._target(inputs, features)
        masked = self.siamese(self.per_stream(student), target, stream_masks(masks, self.streams))
        return Losses(recipe.alpha * recognition + recipe.beta * masked, ctc, masked, attention)

    def _target(self, inputs: Inputs, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the target branch makes of the unmasked features; a gradient flows through one kind of it only."""
        with torch.set_grad_enabled(isinstance(self.settings.parts.siamese, NoStopGradientSiamese)):
            if self.teacher is None:
                return self.per_stream(self.encode(features, inputs.padding))
            return self.teacher.per_stream(self.teacher.encode(self.teacher.features(inputs), inputs.padding))

    def begin_step(self, step: int) -> None:
        """To be called before every step 0, 1, ... of the optimiser: what changes with the course of training does.

        An averaged teacher takes in the weights that the step before has left; a scale that is learned for a while stops.
        All of it follows from `step` and from weights that a checkpoint holds, so a resumed training goes on as it was.
        """
        done = step / self.settings.training.steps
        kind = self.settings.parts.siamese
        if self.teacher is not None and isinstance(kind, EmaSiamese) and step > 0:
            follow(self.teacher, self, momentum(kind, done))
        if self.scale is not None:
            self.scale.progress(done)

    def sample_masks(
        self, lengths: list[int], generators: dict[str, np.random.Generator], share: float = 1.0
    ) -> dict[str, Tensor]:
        """Per input bool (B, T), True = masked; every input draws from a generator of its own.

        On average, `share` of the utterances of an input are masked at all.
        """
        return {name: batch_mask(lengths, self.samplers[name], generators[name], share) for name in self.inputs}

    def scale_values(self) -> dict[str, float]:
        """The scale's numbers as metrics: `fusion/scale`, or `fusion/scale_0` and on; {} where it has none."""
        values = self.scale.values() if self.scale is not None else []
        if len(values) == 1 and not isinstance(self.settings.parts.fusion_scale, PerLayerScale):
            return {"fusion/scale": values[0]}
        return {f"fusion/scale_{number}": value for number, value in enumerate(values)}


def _ctc(log_probs: Tensor, lengths: list[int], targets: list[list[int]]) -> Tensor:
    flat = torch.tensor([unit for target in targets for unit in target], device=log_probs.device)
    sizes = torch.tensor([len(target) for target in targets])
    return F.ctc_loss(log_probs.transpose(0, 1), flat, torch.tensor(lengths), sizes, blank=0, zero_infinity=True)


def initialise(model: Smile, seed: int) -> None:
    """Draw every module's weights from (seed, its name): arms that share a module start it at the same weights.

    What `init_from` names is laid over them, and a line on stdout says what of it was taken.
    """
    with torch.random.fork_rng(devices=[]):
        for name, module in model.named_modules():
            if hasattr(module, "reset_parameters"):
                digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
                torch.manual_seed(int.from_bytes(digest[:8], "little"))
                module.reset_parameters()
    if model.settings.init_from.checkpoint is not None:
        print(f"init_from {model.settings.init_from.checkpoint}: {start_from_checkpoint(model)}", flush=True)
    if model.teacher is not None:
        follow(model.teacher, model, 0.0)


def start_from_checkpoint(model: Smile) -> av_hubert.Transfer:
    """Take what `init_from` has for the model. Raises UserError, also where the file is another one than was planned."""
    start = model.settings.init_from
    assert start.checkpoint is not None
    found = checkpoint_file.sha256(start.checkpoint)
    if start.sha256 not in (None, found):
        checkpoint_file.forget(start.checkpoint)
        raise UserError(
            f"init_from: {start.checkpoint} has the sha256 {found} and not {start.sha256}; give the planned file"
        )
    return av_hubert.load(model, model.settings, checkpoint_file.local(start.checkpoint))


def parameter_count(model: nn.Module) -> int:
    """Number of trained values."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
