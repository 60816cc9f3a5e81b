"""The optimiser and how its learning rate moves over the steps."""

import math

import torch
from torch import nn

from model.settings import TrainingSettings

FINAL_FACTOR = 0.05


def build_optimiser(model: nn.Module, recipe: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW; vectors and scalars (biases, norms, S, omega) are kept out of weight decay."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
    kept = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, step: int, recipe: TrainingSettings) -> float:
    """Give the optimiser the rate of a step; returns it. A function of the step alone: there is no state to keep."""
    rate = recipe.learning_rate * learning_rate_factor(step, recipe)
    for group in optimiser.param_groups:
        group["lr"] = rate
    return rate


def learning_rate_factor(step: int, recipe: TrainingSettings) -> float:
    """Linear warm-up, then by `schedule`: a half cosine to 0, an exponential fall to a twentieth (tri_stage, as fairseq's
    without a plateau), or the inverse square root of the step (Vaswani et al. 2017)."""
    warm = max(1, round(recipe.warmup_ratio * recipe.steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, recipe.steps - warm)
    if recipe.schedule == "tri_stage":
        return float(FINAL_FACTOR**done)
    if recipe.schedule == "inverse_sqrt":
        return math.sqrt(warm / (step + 1))
    return 0.5 * (1 + math.cos(math.pi * done))
