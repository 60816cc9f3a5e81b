"""The audio-visual adapter before the encoder: x + W2 gelu(W1 LN(x)), one per stream."""

from torch import Tensor, nn
from torch.nn import functional as F

from model.kind import Kind
from model.kinds import NoAdapter


class Adapter(nn.Module):
    """Residual bottleneck of a quarter of the width, (B, T, D) -> (B, T, D); starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, width // 4)
        self.up = Up(width // 4, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(F.gelu(self.down(self.norm(x))))


class Up(nn.Linear):
    """A linear layer that starts at zero, so that the branch it ends adds nothing at first."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


def build_adapter(kind: Kind, width: int) -> nn.Module:
    """The module for a kind of `adapter`: (B, T, D) -> (B, T, D)."""
    return nn.Identity() if isinstance(kind, NoAdapter) else Adapter(width)
