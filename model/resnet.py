"""The video frontend of AV-HuBERT and of most lip readers: one convolution over time and space, then a ResNet-18 per frame.

Shapes: B batch, T frames at 25 Hz, N true frames of a batch, D model width. True in a padding mask = padding.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 128, 256, 512)
STEM_FRAMES, STEM_CHANNELS = 5, 8
MEAN, STD = 0.421, 0.165  # of grey mouth crops in [0, 1]: the usual values of lip readers


class Convolution(nn.Conv2d):
    """A convolution without bias, initialised for rectifiers (He et al. 2015) by fan-out, as in the original ResNet."""

    def __init__(self, before: int, after: int, size: int, stride: int = 1) -> None:
        super().__init__(before, after, size, stride, padding=size // 2, bias=False)

    def reset_parameters(self) -> None:
        nn.init.kaiming_normal_(self.weight, mode="fan_out")


class Block(nn.Module):
    """Two 3x3 convolutions with a residual connection: (N, before, H, W) -> (N, after, H / stride, W / stride)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = Convolution(before, after, 3, stride), nn.BatchNorm2d(after)
        self.conv2, self.norm2 = Convolution(after, after, 3), nn.BatchNorm2d(after)
        self.act1, self.act2 = nn.PReLU(after), nn.PReLU(after)
        same = stride == 1 and before == after
        self.shortcut: nn.Module = nn.Identity()
        if not same:
            self.shortcut = nn.Sequential(Convolution(before, after, 1, stride), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        out = self.act1(self.norm1(self.conv1(x)))
        return self.act2(self.norm2(self.conv2(out)) + self.shortcut(x))


class ResNetFrontend(nn.Module):
    """Grey mouth crops, uint8 (B, T, 88, 88) -> (B, T, D).

    Everything except the convolution over time processes only true frames, so batch statistics do not depend on padding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        first = WIDTHS[0]
        self.stem = nn.Conv3d(1, first, (STEM_FRAMES, 7, 7), stride=(1, 2, 2), padding=(2, 3, 3), bias=False)
        self.norm, self.act = nn.BatchNorm2d(first), nn.PReLU(first)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        pairs = [(first, first), *itertools.pairwise(WIDTHS)]
        self.blocks = nn.Sequential(
            *(
                Block(before if number == 0 else after, after, stride if number == 0 else 1)
                for (before, after), stride in zip(pairs, (1, 2, 2, 2), strict=True)
                for number in range(2)
            )
        )
        self.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on CPUs and GPUs
        self.project = nn.Linear(WIDTHS[-1], width)

    def forward(self, video: Tensor, padding: Tensor) -> Tensor:
        kept = ~padding
        pixels = (video.float() / 255 - MEAN) / STD * kept[..., None, None]
        maps = self.pool(self.act(self.norm(self._moving(pixels, kept))))
        seen = self.project(self.blocks(maps).mean((2, 3)))
        out = seen.new_zeros(*padding.shape, seen.shape[-1])
        out[kept] = seen
        return out

    def _moving(self, pixels: Tensor, kept: Tensor) -> Tensor:
        """Apply the stem to true frames only: pixels (B, T, 88, 88), kept (B, T) -> (N, 64, 44, 44).

        A convolution over five frames equals one over space alone that has these frames as channels, and GPUs have fast kernels
        for the latter. Three channels of zeros complete the eight that their matrix units take.
        """
        if torch.is_autocast_enabled(pixels.device.type):
            pixels = pixels.to(torch.get_autocast_dtype(pixels.device.type))
        before = STEM_FRAMES // 2
        padded = F.pad(pixels, (0, 0, 0, 0, before, STEM_CHANNELS - 1 - before))
        near = padded.unfold(1, STEM_CHANNELS, 1)[kept].permute(0, 3, 1, 2)
        weight = F.pad(self.stem.weight[:, 0], (0, 0, 0, 0, 0, STEM_CHANNELS - STEM_FRAMES))
        weight = weight.contiguous(memory_format=torch.channels_last)
        return F.conv2d(near, weight, stride=2, padding=3)
