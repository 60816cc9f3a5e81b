"""Measure everything that needs a GPU, in one call: the matrix rate, training of a preset, its peers, the search, the loader.

    python bench/gpu.py [--preset base] [--steps 200] [--auto-avsr DIR] [--skip NAME ...]
    python bench/gpu.py --small      # the same on a CPU, in a minute: shows that everything runs, and measures nothing

Trains on random clips and texts of the length of LRS3's, through the same loop as a trial, so the time includes the loader, the
noise, the masks, the checks and the logging. The share of the card's rate takes the operations that bench/flops.py counts. The part
`sharing` trains trials of `tiny`, the preset of the founding plan, in several processes on one card: the steps of all of them
together per second say how many small trials should share it. Prints one line of JSON for each figure.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
PARTS = ("loop", "compiled", "transcribe", "loader", "step", "search", "sharing")
ON_CORPUS = ("loop", "compiled", "transcribe", "loader", "sharing")
STEPS_COUNTED = 40
THREADS = 8
SHARED_PRESET = "tiny"


@dataclass(frozen=True)
class Size:
    """The work of each part. `warm_up` are steps that are not measured: kernels are chosen, memory is reserved."""

    splits: Mapping[str, int]
    warm_up: int
    sharing: tuple[int, ...]  # trials at a time
    loader: tuple[str, ...] = ()
    step: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


WHOLE = Size(
    {"train": 400, "valid": 4, "test": 200},
    20,
    (1, 4, 8, 16),
    step=("--batch=32", "--frames=75", "--steps=10", "--precision=bfloat16"),
    search=("--utterances=1321", "--batch=64", "--frames=150", "--width=768", "--layers=6", "--pieces=1000"),
)
SMALL = Size(
    {"train": 24, "valid": 1, "test": 1},
    1,
    (1, 2),
    loader=("--batches=2",),
    step=("--batch=1", "--frames=20", "--steps=1"),
    search=("--utterances=2", "--batch=2", "--frames=12", "--width=32", "--layers=1", "--pieces=40"),
)
SMALL_STEPS = 11


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="base", choices=["tiny", "base", "large"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--auto-avsr", type=Path)
    parser.add_argument("--skip", nargs="*", default=[], choices=PARTS)
    parser.add_argument("--small", action="store_true", help="all parts with tiny sizes, on a CPU")
    given = parser.parse_args()
    size = SMALL if given.small else WHOLE
    if given.small:
        given.preset, given.steps = SHARED_PRESET, SMALL_STEPS
    rate = training_step.matrix_rate(torch.bfloat16 if torch.cuda.is_available() else torch.float32)
    say("card", name=torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU", tflops=rate / 1e12)
    with tempfile.TemporaryDirectory() as scratch:
        corpus, out = Path(scratch) / "corpus", Path(scratch) / "trained"
        if set(ON_CORPUS) - set(given.skip):
            write_corpus(corpus, size.splits, np.random.default_rng(0))
        for part, changes in {"compiled": {"training.compile": True}, "loop": {}}.items():
            if part not in given.skip:
                train(part, given.preset, changes, given.steps, size.warm_up, corpus, out, rate)
        if not {"loop", "transcribe"} & set(given.skip) and (out / "model.safetensors").is_file():
            score(corpus, out)
        if "loader" not in given.skip:
            run("loading.py", str(corpus), *size.loader)
        peer = ["--auto-avsr", str(given.auto_avsr)] if given.auto_avsr else []
        if "step" not in given.skip:
            run("training_step.py", "--preset", given.preset, *size.step, *peer)
        if "search" not in given.skip:
            run("beam_search.py", *size.search, *peer)
        for number in size.sharing if "sharing" not in given.skip else ():
            share(number, given.steps, size.warm_up, corpus, Path(scratch))


def say(figure: str, **values: Any) -> None:
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}
    print(json.dumps({"figure": figure, **rounded}), flush=True)


def write_corpus(path: Path, splits: Mapping[str, int], draw: np.random.Generator) -> None:
    """Random pixels and samples; texts of random words, long enough for 1000 units."""
    with CorpusWriter(path, "random://") as writer:
        for split, clips in splits.items():
            for number in range(clips):
                frames = int(draw.integers(*FRAMES))
                video = draw.integers(0, 256, (frames, MOUTH_SIZE_PX, MOUTH_SIZE_PX), np.uint8)
                audio = draw.normal(0, 3000, frames * SAMPLES_PER_FRAME).astype(np.int16)
                text = " ".join(draw.choice(WORDS, frames // 10))
                writer.add(Clip(f"{split}-{number}", f"speaker-{number % 9}", split, text, video, audio))


def train(
    name: str, preset: str, changes: Mapping[str, Any], steps: int, warm_up: int, corpus: Path, out: Path, rate: float
) -> None:
    """Train for `steps` after the warm-up, and print the time of a step and its share of the matrix rate."""
    settings, started = CATALOGUE.resolve(preset, {"training.steps": steps + warm_up, **changes}), time.perf_counter()
    try:
        times = timed(settings, 1, corpus, out)
    except (UserError, TrainingFailed) as error:
        say(f"training, {name}", failed=str(error))
        return
    seconds = [
        (later - before) / (last - first) for (first, before), (last, later) in pairwise(times) if first >= warm_up
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


def timed(
    settings: Mapping[str, Any], seed: int, corpus: Path, out: Path, threads: int = THREADS
) -> list[tuple[int, float]]:
    """Train a trial. Return steps, and the seconds on the system's clock at which each was over."""
    times: list[tuple[int, float]] = []

    def log(step: int, metrics: dict[str, float]) -> None:
        if "loss" in metrics:
            torch.cuda.synchronize() if torch.cuda.is_available() else None
            times.append((step, time.monotonic()))

    train_trial(settings, seed, corpus, out, threads=threads, log=log)
    return times


def share(trials: int, steps: int, warm_up: int, corpus: Path, scratch: Path) -> None:
    """Train some trials at a time on one card, each in its own process, and print the steps per second of all together."""
    settings = CATALOGUE.resolve(SHARED_PRESET, {"training.steps": steps + warm_up})
    threads = max(1, min(THREADS, len(os.sched_getaffinity(0)) // trials))
    jobs = [(settings, seed, corpus, scratch / f"shared-{trials}-{seed}", threads) for seed in range(trials)]
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(trials) as pool:
        found = pool.starmap(timed, jobs, chunksize=1)
    begun = max(next(at for step, at in times if step >= warm_up) for times in found)  # all of them train from here on
    ended = min(times[-1][1] for times in found)
    done = sum(_steps_between(times, begun, ended) for times in found)
    say(
        "sharing",
        preset=SHARED_PRESET,
        trials_at_a_time=trials,
        steps_per_second=done / (ended - begun) if ended > begun else None,
        seconds_in_all=time.monotonic() - started,
    )


def _steps_between(times: Sequence[tuple[int, float]], begun: float, ended: float) -> float:
    steps, at = zip(*times, strict=True)
    return float(np.diff(np.interp([begun, ended], at, steps))[0])


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
