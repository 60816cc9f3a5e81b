"""The least memory of a training step, before anything is trained: what the backward pass needs of the forward pass."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.config import load as load_settings
from model.frontend import CROP_PX
from model.smile import Inputs, Smile, initialise

VOCABULARY, FRAMES, ROWS = 12, 25, 2
SAMPLES = 640  # a frame
INPUT_BYTES = 2 * (4 * SAMPLES + CROP_PX**2)  # a frame of sound and picture, in the batch and on its way into the model
BUILT_TO_MEASURE = 1_000_000  # layers * width * width


def frame_bytes(settings: Mapping[str, Any]) -> int:
    """Return the bytes that a step needs at least for each frame of its batch.

    Small models are measured on a batch of 2 s. For others only the inputs count, so that `ablate plan` answers in seconds.
    """
    typed = load_settings(settings)
    if typed.encoder.layers * typed.encoder.width**2 > BUILT_TO_MEASURE:
        return INPUT_BYTES
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.random.fork_rng(devices=[]):
        model = Smile(typed, VOCABULARY).train()
        initialise(model, 0)
        weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        inputs = _batch()
        masks = model.sample_masks(inputs.lengths, {name: np.random.default_rng(0) for name in ("audio", "video")})
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            losses = model.losses(inputs, [[1, 2, 3]] * ROWS, masks)
    found = sum(size for place, size in kept.items() if place not in weights)
    del losses  # until here its graph keeps the tensors, so that no two of them had the same place
    return INPUT_BYTES + found // (ROWS * FRAMES)


def device_bytes() -> int | None:
    """Return the memory of all GPUs of this machine; None without a GPU."""
    if not torch.cuda.is_available():
        return None
    return sum(torch.cuda.get_device_properties(number).total_memory for number in range(torch.cuda.device_count()))


def _batch() -> Inputs:
    audio = torch.randn(ROWS, FRAMES * SAMPLES) * 0.1
    video = torch.randint(256, (ROWS, FRAMES, CROP_PX, CROP_PX), dtype=torch.uint8)
    return Inputs(audio, video, torch.zeros(ROWS, FRAMES, dtype=torch.bool), [FRAMES] * ROWS)
