"""Measure the cost of training states: seconds and bytes of a save, seconds of a load, and the share of time that saves take.

python bench/saving.py --preset base
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from model.config import resolve
from model.smile import Smile, initialise
from training.optimiser import build_optimiser
from training.resume import LEAST_INTERVAL, SAVE_EVERY_S, ResumeCheckpoints

VOCABULARY, SAVES = 1000, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny", choices=["tiny", "base", "large"])
    parser.add_argument("--folder", type=Path, help="on the disk for states; the default is a temporary folder")
    given = parser.parse_args()
    state = state_of(given.preset)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        states = ResumeCheckpoints(Path(folder))
        save = min(seconds(lambda step=step: states.save(step, state)) for step in range(SAVES))
        size = max(path.stat().st_size for path in Path(folder).iterdir())
        load = seconds(states.newest)
    interval = max(SAVE_EVERY_S, LEAST_INTERVAL * save)
    print(f"{given.preset}: {size / 1e6:.1f} MB, saved in {save:.3f} s, read and checked in {load:.3f} s")
    print(f"a save every {interval:.0f} s takes {100 * save / (interval + save):.2f} % of the time")


def state_of(preset: str) -> dict:
    """Return weights and moments after a step with random gradients."""
    settings = resolve(preset)
    model = Smile(settings, VOCABULARY)
    initialise(model, 0)
    optimiser = build_optimiser(model, settings.training)
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)
    optimiser.step()
    return {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": 1, "points": []}


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
