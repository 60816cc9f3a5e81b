"""Measure everything that needs a GPU, in one call: the matrix rate, training of a preset, its peers, the search, the loader.

    python bench/gpu.py [--preset base] [--steps 200] [--auto-avsr DIR] [--skip NAME ...]

Trains on random clips and texts of the length of LRS3's, through the same loop as a trial, so the time includes the loader, the
noise, the masks, the checks and the logging. The share of the card's rate takes the operations that bench/flops.py counts. Prints
one line of JSON for each figure. On a machine without a GPU it runs on the CPU; use `--preset tiny`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import training_step
from flops import count

from common.errors import UserError
from corpora.noise import NoiseBank
from corpora.schema import MOUTH_SIZE_PX, SAMPLES_PER_FRAME, Clip
from corpora.store import Corpus
from corpora.writer import CorpusWriter
from model.config import CATALOGUE
from model.config import load as load_settings
from training.batches import TrainingBatches
from training.evaluate import transcribe
from training.loop import train_trial
from training.step import TrainingFailed

BENCH = Path(__file__).parent
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "ks", "mer", "tion")]
FRAMES = (40, 150)  # 1.6 to 6 s, as most sentences of LRS3
SPLITS = {"train": 400, "valid": 4, "test": 200}
WARM_UP = 20  # steps that are not measured: kernels are chosen, memory is reserved
PARTS = ("loop", "compiled", "transcribe", "loader", "step", "search")
STEPS_COUNTED = 40
THREADS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="base", choices=["tiny", "base", "large"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--auto-avsr", type=Path)
    parser.add_argument("--skip", nargs="*", default=[], choices=PARTS)
    given = parser.parse_args()
    rate = training_step.matrix_rate(torch.bfloat16)
    say("card", name=torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU", tflops=rate / 1e12)
    with tempfile.TemporaryDirectory() as scratch:
        corpus, out = Path(scratch) / "corpus", Path(scratch) / "trained"
        if set(PARTS[:4]) - set(given.skip):
            write_corpus(corpus, np.random.default_rng(0))
        for part, changes in {"compiled": {"training.compile": True}, "loop": {}}.items():
            if part not in given.skip:
                train(part, given.preset, changes, given.steps, corpus, out, rate)
        if not {"loop", "transcribe"} & set(given.skip):
            score(corpus, out)
        if "loader" not in given.skip:
            run("loading.py", str(corpus))
    peer = ["--auto-avsr", str(given.auto_avsr)] if given.auto_avsr else []
    if "step" not in given.skip:
        run(
            "training_step.py",
            "--preset",
            given.preset,
            "--batch=32",
            "--frames=75",
            "--steps=10",
            "--precision=bfloat16",
            *peer,
        )
    if "search" not in given.skip:
        run(
            "beam_search.py",
            "--utterances=1321",
            "--batch=64",
            "--frames=150",
            "--width=768",
            "--layers=6",
            "--pieces=1000",
            *peer,
        )


def say(figure: str, **values: Any) -> None:
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}
    print(json.dumps({"figure": figure, **rounded}), flush=True)


def write_corpus(path: Path, draw: np.random.Generator) -> None:
    """Random pixels and samples; texts of random words, long enough for 1000 units."""
    with CorpusWriter(path, "random://") as writer:
        for split, clips in SPLITS.items():
            for number in range(clips):
                frames = int(draw.integers(*FRAMES))
                video = draw.integers(0, 256, (frames, MOUTH_SIZE_PX, MOUTH_SIZE_PX), np.uint8)
                audio = draw.normal(0, 3000, frames * SAMPLES_PER_FRAME).astype(np.int16)
                text = " ".join(draw.choice(WORDS, frames // 10))
                writer.add(Clip(f"{split}-{number}", f"speaker-{number % 9}", split, text, video, audio))


def train(name: str, preset: str, changes: Mapping[str, Any], steps: int, corpus: Path, out: Path, rate: float) -> None:
    """Train for `steps` after the warm-up, and print the time of a step and its share of the matrix rate."""
    times: list[tuple[int, float]] = []
    settings = CATALOGUE.resolve(preset, {"training.steps": steps + WARM_UP, **changes})
    started = time.perf_counter()

    def log(step: int, metrics: dict[str, float]) -> None:
        if "loss" in metrics:
            torch.cuda.synchronize() if torch.cuda.is_available() else None
            times.append((step, time.perf_counter()))

    try:
        train_trial(settings, 1, corpus, out, threads=THREADS, log=log)
    except (UserError, TrainingFailed) as error:
        say(f"training, {name}", failed=str(error))
        return
    seconds = [
        (later - before) / (last - first) for (first, before), (last, later) in pairwise(times) if first >= WARM_UP
    ]
    per_step = float(np.median(seconds))
    typed = load_settings(settings)
    parameters, operations = count(typed, 75)
    frames = mean_frames(corpus, typed.training)
    say(
        f"training, {name}",
        preset=preset,
        parameters=parameters,
        ms_per_step=1e3 * per_step,
        frames_per_step=frames,
        share_of_rate=operations * frames / 75 / per_step / rate,
        peak_gib=torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None,
        seconds_in_all=time.perf_counter() - started,
    )


def mean_frames(corpus: Path, recipe: Any) -> float:
    """Return the mean number of frames of a step, without padding."""
    data = Corpus.open(corpus)
    batches = TrainingBatches(data, recipe, 1, NoiseBank.from_corpus(data, "babble"))
    return sum(each.frames for step in range(STEPS_COUNTED) for each in batches.chosen(step)) / STEPS_COUNTED


def score(corpus: Path, checkpoint: Path) -> None:
    """Transcribe the test split by the checkpoint, with the preset's search."""
    started = time.perf_counter()
    found = transcribe(checkpoint, corpus, {}, threads=THREADS)
    say("transcription", utterances=len(found), seconds=time.perf_counter() - started)


def run(script: str, *arguments: str) -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the script needs the memory that this process no longer uses
    print(f"python bench/{script} {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, str(BENCH / script), *arguments], check=False)


if __name__ == "__main__":
    main()
