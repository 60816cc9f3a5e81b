"""The synthetic corpus: GRID's six-word sentences, spoken by espeak-ng and shown by a drawn mouth. It needs no download.

An utterance depends on its own seed alone. So worker `n` of `w` makes the utterances n, n + w, ... and writes them to a pipe. The
reader of the pipes takes turns, and gets the same bytes in the same order for every number of workers. A full pipe makes its
worker wait, so memory does not grow with the corpus. (Another type of CPU may round some grey values differently.)
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np

from common.parent_death import following
from corpora.schema import FPS, MOUTH_SIZE_PX, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Clip, Rejected
from corpora.synthetic.drawing import draw_mouth
from corpora.synthetic.espeak import RATE_HZ, Phoneme, speak
from corpora.synthetic.face import Face
from corpora.synthetic.lines import Line, Options, draw_lines, number
from corpora.synthetic.visemes import track

ROOT = Path(__file__).resolve().parents[2]
_SILENCE_S = (0.12, 0.17)  # least and most, before and after the speech
_WORDS_PER_MINUTE = (185, 220)
_PITCH = (38, 62)
_PEAK = (0.25, 0.7)  # of full scale, so nothing clips
_ROOM_NOISE = 4.0  # steps of int16, because a recording is never all zeros
_PIPE_BYTES = 2**20  # two clips, so that a worker can continue until the reader's turn comes to it
# One thread each. glibc keeps the memory of large arrays, so it does not return it and request it again 50 times per clip.
_LIGHT = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "67108864", "MALLOC_TRIM_THRESHOLD_": "268435456"}
_SPOKEN = {"a": "[['eI]]", "i": "[['aI]]"}  # the letters that espeak reads as words


def count(name: str, query: Mapping[str, str]) -> int:
    """Return the number of clips that `clips` yields. Raises UserError as `clips` does."""
    return Options.read(name, query).count


def stamp(_name: str) -> str:
    """Return "": the corpus has no files."""
    return ""


def clips(name: str, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    """Yield every utterance of `synthetic://talking-mouth`. The bytes do not depend on the number of `workers` processes.

    `query`: train=2000, test=300, valid=60 (utterances), seed=0. Raises UserError, before the work.
    """
    options = Options.read(name, query)
    return _clips(draw_lines(options), options, max(1, min(workers, options.count)))


def _clips(lines: list[Line], options: Options, workers: int) -> Iterator[Clip]:
    with ExitStack() as stack:
        pipes = [stack.enter_context(_worker(options, first, workers)) for first in range(workers)]
        for place, line in enumerate(lines):
            yield Clip(line.id, line.speaker, line.split, line.text, *_receive(pipes[place % workers]))


def make(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture and the sound of a line: video uint8 (T, 96, 96) and audio int16 (T * 640,)."""
    draw = np.random.default_rng(line.seed)
    audio, phonemes = utter(line, draw)
    frames = len(audio) // SAMPLES_PER_FRAME
    return draw_mouth(_face(line.seed[0], line.speaker), track(phonemes, frames, draw), draw), audio


def utter(line: Line, draw: np.random.Generator) -> tuple[np.ndarray, list[Phoneme]]:
    """Return audio int16 (T * 640,) with silence at both ends, and the time of each phoneme in it, in seconds."""
    words = line.text.split()
    words[3] = _SPOKEN.get(words[3], words[3].upper())
    speech = speak(
        line.speaker,
        " ".join(words),
        words_per_minute=int(draw.integers(*_WORDS_PER_MINUTE)),
        pitch=int(draw.integers(*_PITCH)),
        seed=int(draw.integers(1, 2**31)),
    )
    before, after = draw.uniform(*_SILENCE_S, 2)
    audio = _recorded(_resampled(speech.samples), before, after, draw)
    heard = [Phoneme(sound.name, sound.begins + before, sound.ends + before) for sound in speech.phonemes]
    end = len(audio) / SAMPLE_RATE_HZ
    return audio, [Phoneme("_", 0.0, heard[0].begins), *heard, Phoneme("_", heard[-1].ends, end)]


def _recorded(voice: np.ndarray, before: float, after: float, draw: np.random.Generator) -> np.ndarray:
    """Return a voice with silence before and after it (s), at a random level, in whole frames: int16 (T * 640,)."""
    frames = int(np.ceil((before + len(voice) / SAMPLE_RATE_HZ + after) * FPS))
    audio = draw.normal(0, _ROOM_NOISE, frames * SAMPLES_PER_FRAME)
    first = round(before * SAMPLE_RATE_HZ)
    audio[first : first + len(voice)] += voice * (draw.uniform(*_PEAK) * 32767 / np.abs(voice).max())
    return np.rint(audio).astype(np.int16)


def _resampled(samples: np.ndarray) -> np.ndarray:
    """int16 (n,) at 22.05 kHz -> float64 at 16 kHz. Cuts the spectrum off at 8 kHz. (SciPy would take 2 s to import.)"""
    # One more block, of silence, since the signal of a spectrum is periodic.
    blocks = -(-len(samples) // (RATE_HZ // 50)) + 1
    spectrum = np.fft.rfft(samples, blocks * RATE_HZ // 50)
    length = blocks * SAMPLE_RATE_HZ // 50
    return np.fft.irfft(spectrum[: length // 2 + 1], length) * (SAMPLE_RATE_HZ / RATE_HZ)


@lru_cache(maxsize=256)
def _face(seed: int, speaker: str) -> Face:
    return Face.drawn(np.random.default_rng([seed, number(speaker)]))


@contextmanager
def _worker(options: Options, first: int, step: int) -> Iterator[IO[bytes]]:
    """Start a process that makes every `step`th line, and yield its pipe. The process ends with the block.

    This is a plain subprocess. multiprocessing would import the main module of the program again, and possibly torch with it.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    numbers = (options.train, options.test, options.valid, options.seed, first, step)
    process = subprocess.Popen(
        following([sys.executable, "-P", "-m", "corpora.synthetic.worker", *map(str, numbers)]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=os.environ | _LIGHT | {"PYTHONPATH": path},
    )
    assert process.stdout is not None
    with suppress(OSError):  # the kernel limits the pipes of a user; with smaller pipes the workers wait more often
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    try:
        yield process.stdout
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def send(pipe: IO[bytes], video: np.ndarray, audio: np.ndarray) -> None:
    """Write the number of frames, then the bytes of both."""
    pipe.write(len(video).to_bytes(4, "little"))
    pipe.write(video.data)
    pipe.write(audio.astype("<i2").data)


def _receive(pipe: IO[bytes]) -> tuple[np.ndarray, np.ndarray]:
    frames = int.from_bytes(_read(pipe, 4), "little")
    video = np.frombuffer(_read(pipe, frames * MOUTH_SIZE_PX**2), np.uint8).reshape(frames, MOUTH_SIZE_PX, -1)
    return video, np.frombuffer(_read(pipe, frames * SAMPLES_PER_FRAME * 2), "<i2").astype(np.int16)


def _read(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) != size:
        raise RuntimeError("a process that makes the synthetic corpus ended early; its error message is above")
    return data
