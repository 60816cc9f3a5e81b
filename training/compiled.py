"""torch.compile for the encoder's layers, such that batches of any size and length share what was compiled."""

import os
import shutil

import torch
from torch import nn

from common.errors import UserError


def compile_layers(encoder: nn.Module) -> None:
    """Compile every layer but for its attention, in place: names of weights stay as they are. Raises UserError.

    Attention is one kernel as it is. Inductor (torch 2.11, on a CPU) takes the strides of the first batch for those of all
    where it compiles attention over varying shapes, and then stops at the second batch.
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
