"""Siamese masked interaction learning: the masked student predicts the unmasked target at the masked frames.

L_masked = mean over streams of the mean over masked frames of the distance between h(student) and the target. The distance is
1 - cosine, or the mean squared error. Shapes: (B, T, D) features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn

from model import siamese_kinds as kinds
from model.kind import Kind


@dataclass(frozen=True)
class Strategy:
    """Properties of a kind of `siamese`.

    `teacher`: an averaged copy of the student computes the target; otherwise the student itself computes it.
    `gradient`: the gradient also flows through the target.
    """

    teacher: bool = False
    gradient: bool = False


def strategy_of(kind: Kind) -> Strategy | None:
    """Return the properties of a kind of `siamese`, or None for the kind without a target branch."""
    match kind:
        case kinds.StopGradientSiamese():
            return Strategy()
        case kinds.EmaSiamese():
            return Strategy(teacher=True)
        case kinds.NoStopGradientSiamese():
            return Strategy(gradient=True)
        case kinds.NoSiamese():
            return None
    raise TypeError(f"no strategy for {kind!r}")


class Target(Enum):
    """The features of the target branch that the student predicts."""

    LAYERS = "layers"
    LAST = "last"
    INPUT = "input"


def target_of(kind: Kind) -> Target:
    """Return the features for a kind of `siamese.target`."""
    match kind:
        case kinds.SummedTarget():
            return Target.LAYERS
        case kinds.LastLayerTarget():
            return Target.LAST
        case kinds.InputTarget():
            return Target.INPUT
    raise TypeError(f"no target for {kind!r}")


class MaskedPrediction(nn.Module):
    """The predictor h, as `siamese.head` says, and the loss."""

    def __init__(self, width: int, loss: Kind, head: Kind) -> None:
        super().__init__()
        self.predictor = build_head(head, width)
        self.distance = distance_of(loss)

    def forward(self, student: dict[str, Tensor], target: dict[str, Tensor], masks: dict[str, Tensor]) -> Tensor:
        """Return a scalar >= 0. A stream without masked frames adds 0. `masks`: bool (B, T), True = masked."""
        losses = [self._loss(student[name], target[name], masks[name]) for name in student]
        return sum(losses[1:], losses[0]) / len(losses)

    def _loss(self, student: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        if not mask.any():
            return student.new_zeros(())
        return self.distance(self.predictor(student[mask]), target[mask]).mean()


def build_head(kind: Kind, width: int) -> nn.Module:
    """Return the predictor for a kind of `siamese.head`: (N, D) -> (N, D)."""
    match kind:
        case kinds.TwoLayerHead():
            return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        case kinds.LinearHead():
            return nn.Sequential(nn.Linear(width, width))
        case kinds.NoHead():
            return nn.Identity()
    raise TypeError(f"no predictor for {kind!r}")


def distance_of(loss: Kind) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the distance for a kind of `siamese.loss`: predicted (N, D), target (N, D) -> (N,)."""
    match loss:
        case kinds.CosineLoss():
            return cosine_distance
        case kinds.MseLoss():
            return squared_error
    raise TypeError(f"no distance for {loss!r}")


def cosine_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """(N, D), (N, D) -> (N,) in [0, 2]."""
    return 1 - F.cosine_similarity(predicted, target, dim=-1)


def squared_error(predicted: Tensor, target: Tensor) -> Tensor:
    """(N, D), (N, D) -> (N,): mean over the width."""
    return (predicted - target).square().mean(-1)


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Set teacher <- momentum * teacher + (1 - momentum) * student, for every weight of the teacher."""
    weights = dict(student.named_parameters())
    pairs = [(own, weights[name]) for name, own in teacher.named_parameters()]
    get_ema_multi_avg_fn(momentum)([own for own, _ in pairs], [new for _, new in pairs], None)


def momentum(kind: kinds.EmaSiamese, done: float) -> float:
    """Return the momentum of the teacher when a fraction `done` of the steps is done."""
    return kind.momentum + (kind.final_momentum - kind.momentum) * done
