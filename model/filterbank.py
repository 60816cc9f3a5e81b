"""AV-HuBERT's audio features: 26 log-mel energies every 10 ms, four of them concatenated per 40 ms frame.

They equal the output of the package python_speech_features with its defaults, on samples in the range of int16. Checkpoints of
AV-HuBERT expect exactly these features. Shapes: B batch, T frames at 25 Hz.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATE_HZ = 16_000
HOP, WINDOW, FFT = 160, 400, 512  # samples: 10 ms, 25 ms
STACK = 4  # hops in a 40 ms frame
PREEMPHASIS = 0.97
FULL_SCALE = 32768.0
LEAST = 2.220446049250313e-16  # replaces an energy of 0 before the logarithm


def triangles(bins: int) -> Tensor:
    """Return (FFT / 2 + 1, bins): triangular filters, evenly spaced in mel from 0 Hz to 8 kHz, with corners on whole FFT bins."""
    highest = 2595 * math.log10(1 + RATE_HZ / 2 / 700)
    mel = torch.linspace(0, highest, bins + 2, dtype=torch.float64)
    corners = torch.floor((FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / RATE_HZ)
    line = torch.arange(FFT // 2 + 1, dtype=torch.float64)[:, None]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (line - low) / (middle - low), (high - line) / (high - middle)
    inside = (line >= low) & (line < high)
    return torch.where(inside, torch.where(line < middle, rising, falling), 0.0).float()


class StackedFilterbank(nn.Module):
    """16 kHz samples in [-1, 1], (B, T * 640) -> (B, T, 4 * bins), each frame with zero mean and unit variance."""

    triangles: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.register_buffer("triangles", triangles(bins), persistent=False)

    def log_energies(self, samples: Tensor, padding: Tensor) -> Tensor:
        """Return (B, 4 T, bins). The last hop of an utterance has no full window and is 0, as in the original."""
        lengths = (~padding).sum(1, keepdim=True) * STACK
        sound = samples.float() * FULL_SCALE
        sound = torch.cat([sound[:, :1], sound[:, 1:] - PREEMPHASIS * sound[:, :-1]], dim=1)
        sound = sound * (~padding).repeat_interleave(STACK * HOP, dim=1)
        windows = F.pad(sound, (0, WINDOW - HOP)).unfold(1, WINDOW, HOP)
        power = torch.fft.rfft(windows, FFT).abs().square() / FFT
        energies = power @ self.triangles
        logarithms = torch.where(energies == 0, LEAST, energies).log()
        hop = torch.arange(windows.shape[1], device=samples.device)[None]
        return logarithms * (hop < lengths - 1)[..., None]

    def forward(self, samples: Tensor, padding: Tensor) -> Tensor:
        with torch.autocast(samples.device.type, enabled=False):  # 8 bits of mantissa are too few for energies
            hops = self.log_energies(samples, padding)
            stacked = hops.reshape(*padding.shape, -1)
            return F.layer_norm(stacked, stacked.shape[-1:])


class FilterbankFrontend(nn.Module):
    """The stacked filterbank, projected: (B, T * 640) -> (B, T, D)."""

    def __init__(self, bins: int, width: int) -> None:
        super().__init__()
        self.filterbank = StackedFilterbank(bins)
        self.project = nn.Linear(STACK * bins, width)

    def forward(self, samples: Tensor, padding: Tensor) -> Tensor:
        return self.project(self.filterbank(samples, padding))
