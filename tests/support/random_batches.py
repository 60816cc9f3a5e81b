"""Batches of noise for tests of the model, and their masks."""

import numpy as np
import torch

from model.smile import Inputs, Smile


def inputs(lengths: list[int], seed: int = 0) -> Inputs:
    generator, frames = torch.Generator().manual_seed(seed), max(lengths)
    padding = torch.arange(frames)[None] >= torch.tensor(lengths)[:, None]
    audio = torch.randn(len(lengths), frames * 640, generator=generator) * 0.1
    video = torch.randint(256, (len(lengths), frames, 88, 88), generator=generator, dtype=torch.uint8)
    return Inputs(audio * ~padding.repeat_interleave(640, 1), video * ~padding[..., None, None], padding, lengths)


def masks(model: Smile, lengths: list[int], seed: int = 0) -> dict[str, torch.Tensor]:
    generators = {name: np.random.default_rng([seed, number]) for number, name in enumerate(("audio", "video"))}
    return model.sample_masks(lengths, generators)
