"""The stacked filterbank against its definition."""

import numpy as np
import pytest
import torch

from model.filterbank import StackedFilterbank


def test_the_filterbank_is_python_speech_features_stacked() -> None:
    """Written out from its definition, in double precision, filter by filter."""
    draw = np.random.default_rng(0)
    sound = np.round(draw.normal(0, 3000, 5 * 640))
    emphasised = np.append(sound[0], sound[1:] - 0.97 * sound[:-1])
    padded = np.append(emphasised, np.zeros(400))
    corners = np.floor(513 * 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28) / 2595) - 1) / 16000)
    rows = []
    for hop in range(4 * 5 - 1):
        power = np.abs(np.fft.rfft(padded[hop * 160 : hop * 160 + 400], 512)) ** 2 / 512
        row = []
        for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
            rising = sum(power[int(b)] * (b - low) / (middle - low) for b in np.arange(low, middle))
            row.append(
                np.log(rising + sum(power[int(b)] * (high - b) / (high - middle) for b in np.arange(middle, high)))
            )
        rows.append(row)
    rows.append([0.0] * 26)
    samples = torch.tensor(np.append(sound, np.zeros(3 * 640)), dtype=torch.float32)[None] / 32768
    padding = (torch.arange(8) >= 5)[None]
    found = StackedFilterbank(26).log_energies(samples, padding)[0, :20]
    assert found.numpy() == pytest.approx(np.array(rows), abs=2e-4)
    stacked = np.array(rows).reshape(5, 104)
    expected = (stacked - stacked.mean(1, keepdims=True)) / np.sqrt(stacked.var(1, keepdims=True) + 1e-5)
    assert StackedFilterbank(26)(samples, padding)[0, :5].numpy() == pytest.approx(expected, abs=1e-3)
