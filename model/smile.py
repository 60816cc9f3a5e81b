"""SMILE: audio-visual speech recognition with adaptive fusion, masked features and Siamese masked learning.

Rebuilt from the paper's public reviews and abstract (OpenReview 74IIsh2kM6). docs/model.md says which statements are facts and
which choices are ours. Shapes: B batch, T frames at 25 Hz, D width, V vocabulary with the CTC blank at 0. True in a padding
mask = padding.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.errors import UserError
from model import av_hubert, checkpoint_file, kinds, siamese_kinds
from model.backbone import Backbone, Inputs
from model.decoder import Decoder
from model.masking import batch_mask, sampler
from model.settings import Settings
from model.siamese import MaskedPrediction, momentum, strategy_of, update_teacher
from model.tokens import stream_masks

__all__ = ["Inputs", "Losses", "Smile", "initialise", "parameter_count"]


@dataclass
class Losses:
    """`total` = alpha * recognition + beta * masked. `masked` is None without a Siamese branch.

    recognition = ctc_weight * ctc + (1 - ctc_weight) * attention. Without a decoder it is `ctc`, and `attention` is None.
    """

    total: Tensor
    ctc: Tensor
    masked: Tensor | None
    attention: Tensor | None = None


class Smile(Backbone):
    """The recogniser. `settings.parts` chooses SMILE's own kind or another kind for every part."""

    def __init__(self, settings: Settings, vocab_size: int) -> None:
        super().__init__(settings)
        parts, width = settings.parts, settings.encoder.width
        self.settings = settings
        self.samplers = {name: sampler(parts.masking, name) for name in self.inputs}
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocab_size))
        self.decoder = Decoder(settings.decoder, width, vocab_size) if settings.decoder.layers else None
        self.strategy = strategy_of(parts.siamese)
        self.siamese = MaskedPrediction(width, parts.siamese_loss, parts.siamese_head) if self.strategy else None
        averaged = self.strategy is not None and self.strategy.teacher
        self.teacher = Backbone(settings).requires_grad_(False) if averaged else None

    def forward(self, inputs: Inputs) -> Tensor:
        """Return CTC's log-probabilities (B, T, V) of the unmasked input."""
        return self.frame_log_probs(self.fused(inputs))

    def fused(self, inputs: Inputs) -> Tensor:
        """Return F (B, T, D) of the unmasked input."""
        return self.fuse(self.encode(self.features(inputs), inputs.padding), inputs.padding)

    def frame_log_probs(self, fused: Tensor) -> Tensor:
        """F (B, T, D) -> CTC's log-probabilities (B, T, V)."""
        return self.head(fused).float().log_softmax(-1)

    def losses(self, inputs: Inputs, targets: list[list[int]], masks: dict[str, Tensor]) -> Losses:
        """Return the student's recognition losses (mean per target unit) and the masked-prediction loss."""
        features = self.features(inputs)
        student = self.encode(self.mask(features, masks), inputs.padding)
        fused, recipe, attention = self.fuse(student, inputs.padding), self.settings.training, None
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
        """Return the output of the target branch for the unmasked features."""
        with torch.set_grad_enabled(self.strategy is not None and self.strategy.gradient):
            if self.teacher is None:
                return self.targets(features, inputs.padding)
            return self.teacher.targets(self.teacher.features(inputs), inputs.padding)

    def begin_step(self, step: int) -> None:
        """Update what depends on the progress of training. Call it before every optimiser step 0, 1, ...

        An averaged teacher takes in the weights after the previous step. A scale with a limited learning time stops to learn.
        Both depend only on `step` and on weights that a checkpoint holds, so a resumed run continues exactly.
        """
        done = step / self.settings.training.steps
        kind = self.settings.parts.siamese
        if self.teacher is not None and isinstance(kind, siamese_kinds.EmaSiamese) and step > 0:
            update_teacher(self.teacher, self, momentum(kind, done))
        if self.scale is not None:
            self.scale.progress(done)

    def sample_masks(
        self, lengths: list[int], generators: dict[str, np.random.Generator], probability: float = 1.0
    ) -> dict[str, Tensor]:
        """Return bool (B, T) per input, True = masked. Every input draws from its own generator.

        An utterance of an input gets masks with `probability`.
        """
        return {name: batch_mask(lengths, self.samplers[name], generators[name], probability) for name in self.inputs}

    def scale_values(self) -> dict[str, float]:
        """Return the numbers of the scale as metrics: `fusion/scale`, or `fusion/scale_0` and so on; {} if it has none."""
        values = self.scale.values() if self.scale is not None else []
        if len(values) == 1 and not isinstance(self.settings.parts.fusion_scale, kinds.PerLayerScale):
            return {"fusion/scale": values[0]}
        return {f"fusion/scale_{number}": value for number, value in enumerate(values)}


def _ctc(log_probs: Tensor, lengths: list[int], targets: list[list[int]]) -> Tensor:
    flat = torch.tensor([unit for target in targets for unit in target], device=log_probs.device)
    sizes = torch.tensor([len(target) for target in targets])
    return F.ctc_loss(log_probs.transpose(0, 1), flat, torch.tensor(lengths), sizes, blank=0, zero_infinity=True)


def initialise(model: Smile, seed: int, symbols: Sequence[str] | None = None) -> None:
    """Draw the weights of every module from (seed, module name), so arms that share a module start with the same weights.

    Weights of the checkpoint in `init_from` replace the drawn ones, and a line on stdout lists them. The decoder's embedding is
    replaced only for the units in `symbols` (V,) that the checkpoint has, too.
    """
    with torch.random.fork_rng(devices=[]):
        for name, module in model.named_modules():
            if hasattr(module, "reset_parameters"):
                digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
                torch.manual_seed(int.from_bytes(digest[:8], "little"))
                module.reset_parameters()
    if model.settings.init_from.checkpoint is not None:
        print(f"init_from {model.settings.init_from.checkpoint}: {start_from_checkpoint(model, symbols)}", flush=True)
    if model.teacher is not None:
        update_teacher(model.teacher, model, 0.0)


def start_from_checkpoint(model: Smile, symbols: Sequence[str] | None = None) -> av_hubert.Transfer:
    """Copy the weights of `init_from` into the model. Raises UserError, also if the file is not the planned one."""
    start = model.settings.init_from
    assert start.checkpoint is not None
    found = checkpoint_file.sha256(start.checkpoint)
    if start.sha256 not in (None, found):
        checkpoint_file.forget(start.checkpoint)
        raise UserError(
            f"init_from: {start.checkpoint} has the sha256 {found} and not {start.sha256}; give the planned file"
        )
    return av_hubert.load(model, model.settings, checkpoint_file.local(start.checkpoint), symbols)


def parameter_count(model: nn.Module) -> int:
    """Return the number of trained values."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
