"""Siamese masked interaction learning: the masked student predicts the unmasked target, where it was masked.

L_masked = mean over streams of mean over masked frames of the distance between h(student) and the target: 1 - cos, or
the mean squared error. Shapes: (B, T, D) features.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn

from model.kind import Kind
from model.kinds import EmaSiamese, MseLoss


class MaskedPrediction(nn.Module):
    """The predictor h, a two-layer perceptron, and the loss."""

    def __init__(self, width: int, loss: Kind) -> None:
        super().__init__()
        self.predictor = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.distance = squared_error if isinstance(loss, MseLoss) else cosine_distance

    def forward(self, student: dict[str, Tensor], target: dict[str, Tensor], masks: dict[str, Tensor]) -> Tensor:
        """Scalar, 0 or more; 0 for a stream of which nothing is masked. `masks`: bool (B, T), True = masked."""
        losses = [self._loss(student[name], target[name], masks[name]) for name in student]
        return sum(losses[1:], losses[0]) / len(losses)

    def _loss(self, student: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        if not mask.any():
            return student.new_zeros(())
        return self.distance(self.predictor(student[mask]), target[mask]).mean()


def cosine_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """(N, D), (N, D) -> (N,) in [0, 2]."""
    return 1 - F.cosine_similarity(predicted, target, dim=-1)


def squared_error(predicted: Tensor, target: Tensor) -> Tensor:
    """(N, D), (N, D) -> (N,): mean over the width."""
    return (predicted - target).square().mean(-1)


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """teacher <- momentum * teacher + (1 - momentum) * student, for every weight that the teacher has."""
    weights = dict(student.named_parameters())
    pairs = [(own, weights[name]) for name, own in teacher.named_parameters()]
    get_ema_multi_avg_fn(momentum)([own for own, _ in pairs], [new for _, new in pairs], None)


def momentum(kind: EmaSiamese, done: float) -> float:
    """The teacher's momentum when a fraction `done` of the steps is done."""
    return kind.momentum + (kind.final_momentum - kind.momentum) * done
