"""The audio-visual adapter before the encoder: x + W2 gelu(W1 LN(x)), one per stream."""

from torch import Tensor, nn
from torch.nn import functional as F

from model import kinds
from model.kind import Kind


class Adapter(nn.Module):
    """Residual bottleneck of a quarter of the width, (B, T, D) -> (B, T, D). It starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, width // 4)
        self.up = ZeroLinear(width // 4, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(F.gelu(self.down(self.norm(x))))


class ZeroLinear(nn.Linear):
    """A linear layer with zeros as initial weights, so that its branch adds nothing at first."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


def build_adapter(kind: Kind, width: int) -> nn.Module:
    """Return the module for a kind of `adapter`: (B, T, D) -> (B, T, D)."""
    match kind:
        case kinds.BottleneckAdapter():
            return Adapter(width)
        case kinds.NoAdapter():
            return nn.Identity()
    raise TypeError(f"no module for {kind!r}")
