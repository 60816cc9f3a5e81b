"""Siamese masked interaction learning: the masked student predicts the unmasked target, where it was masked.

L_masked = mean over streams of mean over masked frames of 1 - cos(h(student), sg(target)). Shapes: (B, T, D) features.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class MaskedPrediction(nn.Module):
    """The predictor h, a two-layer perceptron, and the loss; the target's gradient is stopped."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.predictor = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, student: dict[str, Tensor], target: dict[str, Tensor], masks: dict[str, Tensor]) -> Tensor:
        """Scalar in [0, 2]; 0 for a stream of which nothing is masked. `masks`: bool (B, T), True = masked."""
        losses = [self._loss(student[name], target[name].detach(), masks[name]) for name in student]
        return sum(losses[1:], losses[0]) / len(losses)

    def _loss(self, student: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        if not mask.any():
            return student.new_zeros(())
        return (1 - F.cosine_similarity(self.predictor(student[mask]), target[mask], dim=-1)).mean()
