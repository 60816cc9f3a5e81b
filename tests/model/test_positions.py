"""Convolution over time by spectra, against torch's direct convolution in double precision."""

import pytest
import torch
from torch.nn import functional as F

from model.transformer import convolved, spectrum_size


@pytest.mark.parametrize(("frames", "taps", "groups"), [(1, 8, 2), (3, 32, 4), (40, 31, 1), (75, 128, 16)])
def test_the_convolution_equals_the_direct_one(frames: int, taps: int, groups: int) -> None:
    draw = torch.Generator().manual_seed(frames)
    x = torch.randn(2, frames, 32, generator=draw, dtype=torch.double, requires_grad=True)
    weight = torch.randn(32, 32 // groups, taps, generator=draw, dtype=torch.double, requires_grad=True)
    direct = F.conv1d(x.transpose(1, 2), weight, padding=taps // 2, groups=groups)[..., :frames].transpose(1, 2)
    torch.testing.assert_close(convolved(x, weight, groups), direct)
    found = torch.autograd.grad(convolved(x, weight, groups).square().sum(), (x, weight))
    expected = torch.autograd.grad(direct.square().sum(), (x, weight))
    torch.testing.assert_close(found, expected)


def test_half_precision_is_computed_in_single_precision() -> None:
    x, weight = torch.ones(1, 4, 8, dtype=torch.bfloat16), torch.ones(8, 8, 3, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert convolved(x, weight, 1).dtype == torch.float32


def test_the_size_of_a_spectrum_holds_all_values_and_is_rounded() -> None:
    assert [spectrum_size(least) for least in (1, 64, 65, 202)] == [64, 64, 128, 256]
