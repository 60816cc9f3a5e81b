"""The mean of the weights at several late steps. It often recognises better than the last weights."""

import torch
from torch import Tensor, nn

LATE = 0.1  # snapshots are taken over this last part of the steps


class WeightAverage:
    """Mean of `count` snapshots, evenly distributed over the last tenth of `steps`, in double precision.

    With a count of 1, the last weights stay unchanged.
    """

    def __init__(self, count: int, steps: int) -> None:
        late = max(1, round(LATE * steps))
        self.at = {steps - 1 - number * late // count for number in range(count)} if count > 1 else set()
        self.taken, self.mean = 0, dict[str, Tensor]()

    @torch.no_grad()
    def update(self, step: int, model: nn.Module) -> None:
        """Take a snapshot after the step, if the step is one of the snapshot steps."""
        if step not in self.at:
            return
        self.taken += 1
        for name, value in model.state_dict().items():
            before = self.mean.get(name, torch.zeros_like(value, dtype=torch.double))
            self.mean[name] = before + (value - before) / self.taken

    @torch.no_grad()
    def apply_to(self, model: nn.Module) -> None:
        """Copy the mean into the model, if there is one. Integers (counters) stay unchanged."""
        for name, value in model.state_dict().items():
            if name in self.mean and value.is_floating_point():
                value.copy_(self.mean[name])
