"""Floating-point operations of one training step, counted, and the GPU-hours that they would come to. Measures no time.

    python bench/flops.py --preset base --frames 75

`--frames` is the length of every utterance at 25 fps. Counted are the matrix products, convolutions and attention of forward and
backward pass for one utterance (torch's own counter, a multiply-add is two); all else is small beside them.
"""

import argparse
import json
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from model.config import resolve
from model.settings import Settings
from model.smile import Inputs, Smile, initialise, parameter_count

VOCABULARY = 30  # letters, space, apostrophe, blank: what a character model of English has
FRAMES_PER_LETTER = 3  # of the text that the loss is taken on; hardly matters
SAMPLES_PER_FRAME = 640


def count(settings: Settings, frames: int) -> tuple[int, int]:
    """(parameters, operations of one utterance's share of a step)."""
    model = Smile(settings, VOCABULARY)
    initialise(model, 0)
    sound, video = torch.randn(1, frames * SAMPLES_PER_FRAME), torch.zeros(1, frames, 88, 88, dtype=torch.uint8)
    inputs = Inputs(sound, video, torch.zeros(1, frames, dtype=torch.bool), [frames])
    masks = model.sample_masks([frames], {name: np.random.default_rng(0) for name in model.inputs})
    with FlopCounterMode(display=False) as counter:
        losses = model.losses(inputs, [[1, 2] * (frames // FRAMES_PER_LETTER // 2)], masks)
        losses.total.backward()
    return parameter_count(model), counter.get_total_flops()


def report(preset: str, frames: int, tflops: float, utilisation: float) -> dict[str, Any]:
    """GPU-hours of one trial = steps x utterances x operations / (utilisation x the card's rate)."""
    settings = resolve(preset)
    parameters, operations = count(settings, frames)
    recipe = settings.training
    utterances = recipe.max_frames_per_batch / frames if recipe.max_frames_per_batch else recipe.batch_size
    per_step = operations * utterances
    hours = recipe.steps * per_step / (utilisation * tflops * 1e12) / 3600
    return {
        "preset": preset,
        "frames": frames,
        "parameters": parameters,
        "tera_operations_per_step": round(per_step / 1e12, 2),
        "steps": recipe.steps,
        "gpu_hours_computed": round(hours, 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count operations of a step; compute GPU-hours from them.")
    parser.add_argument("--preset", default="base")
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--tflops", type=float, default=989.0, help="the card's rate; the default is an H100's in bf16")
    parser.add_argument("--utilisation", type=float, default=0.4, help="the part of it that is reached")
    given = parser.parse_args()
    print(json.dumps(report(given.preset, given.frames, given.tflops, given.utilisation)))
