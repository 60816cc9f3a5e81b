"""torch.compile for the layers of the encoder. Batches of all sizes and lengths share the compiled code."""

import os
import shutil

import torch
from torch import nn

from common.errors import UserError


def compile_layers(encoder: nn.Module) -> None:
    """Compile every layer except its attention, in place, so names of weights stay the same. Raises UserError.

    Attention is already one kernel. When Inductor (torch 2.11, on a CPU) compiles attention over varying shapes, it assumes the
    strides of the first batch for all batches, and fails at the second batch.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise UserError(
            f"training.compile needs a C++ compiler where trials run, and there is no {compiler}; "
            "install one, or set training.compile: false"
        )
    layers: nn.ModuleList = encoder.layers  # type: ignore[assignment]
    for layer in layers:
        layer.attention.forward = torch.compiler.disable(layer.attention.forward)  # type: ignore[union-attr]
        layer.compile(dynamic=True)
