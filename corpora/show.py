"""A contact sheet of a prepared corpus. For each of a few utterances it shows mouths above sound, on one time axis."""

from itertools import zip_longest
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.lib.stride_tricks import sliding_window_view

from common.disk import make_folder, refusal
from common.errors import UserError
from common.files import atomic_path
from corpora.schema import FPS, SAMPLE_RATE_HZ, SPLITS, Utterance
from corpora.store import Corpus

MOUTHS = 12
MEL_BINS = 80
WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms every 10 ms, as in the features of the recogniser
RANGE_DB = 70.0  # anything fainter, relative to the loudest value, is drawn as silence
WIDTH_IN, HEIGHT_IN, DPI = 12.0, 2.3, 100  # height is per utterance


def show(corpus: Corpus, out: Path, count: int = 6) -> None:
    """Draw up to `count` utterances (see `pick`) into the PNG file `out`. Raises UserError if it cannot be written."""
    chosen = pick(corpus.all_utterances, count)
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN * len(chosen)), dpi=DPI, layout="constrained")
    bands = figure.subfigures(len(chosen), 1, squeeze=False)[:, 0]
    for part, utterance in zip(bands, chosen, strict=True):
        top, bottom = part.subplots(2, 1, sharex=True, height_ratios=[1.5, 1])
        seconds = utterance.frames / FPS
        if utterance.has_video:
            _draw_mouths(top, mouths(corpus.video(utterance)), seconds)
        _draw_sound(bottom, log_mel_db(corpus.audio(utterance)), seconds)
        title = f"{utterance.id}  ·  speaker {utterance.speaker}  ·  {utterance.split}  ·  “{utterance.text}”"
        top.set_title(title, fontsize=9, loc="left", parse_math=False)
    _write(figure, out)


def pick(utterances: list[Utterance], count: int) -> list[Utterance]:
    """Return utterances of as many splits and speakers as `count` permits, sorted by split, then id. It is deterministic."""
    by_split = [_by_turns(_per_speaker(utterances, split)) for split in SPLITS]
    chosen = _by_turns([group for group in by_split if group])[:count]
    return sorted(chosen, key=lambda utterance: (SPLITS.index(utterance.split), utterance.id))


def mouths(video: np.ndarray) -> np.ndarray:
    """(T, 96, 96) -> (96, 12 * 96): the frames in the middle of twelve equal spans of time, side by side."""
    middles = (np.arange(MOUTHS) + 0.5) * len(video) / MOUTHS
    return np.concatenate(video[middles.astype(int)], axis=1)


def log_mel_db(audio: np.ndarray) -> np.ndarray:
    """int16 samples (N,) -> (80, N / 160 rounded up) in dB relative to the loudest value, clipped at -70."""
    padded = np.pad(audio / 32768.0, (WINDOW // 2, WINDOW))
    windows = sliding_window_view(padded, WINDOW)[: len(audio) : HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(windows, FFT)) ** 2
    decibels = 10 * np.log10(_mel_filters() @ power.T + 1e-10)
    return (decibels - decibels.max()).clip(-RANGE_DB)


def _mel_filters() -> np.ndarray:
    """Return (80, 257) triangles of height 1, evenly spaced on the mel scale from 20 Hz to half the sample rate."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (20.0, SAMPLE_RATE_HZ / 2))
    edges = 700 * (10 ** (np.linspace(low, high, MEL_BINS + 2) / 2595) - 1)
    bins = np.linspace(0, SAMPLE_RATE_HZ / 2, FFT // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.minimum(rising, falling).clip(0)


def _per_speaker(utterances: list[Utterance], split: str) -> list[list[Utterance]]:
    groups: dict[str, list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda utterance: (utterance.speaker, utterance.id)):
        if utterance.split == split:
            groups.setdefault(utterance.speaker, []).append(utterance)
    return list(groups.values())


def _by_turns(groups: list[list[Utterance]]) -> list[Utterance]:
    """Return the first item of each group, then the second of each, and so on."""
    return [item for round_ in zip_longest(*groups) for item in round_ if item is not None]


def _draw_mouths(axes: Axes, strip: np.ndarray, seconds: float) -> None:
    axes.imshow(strip, cmap="gray", vmin=0, vmax=255, extent=(0, seconds, 0, 1), aspect="auto")
    axes.set_yticks([])
    axes.tick_params(labelbottom=False, length=0)


def _draw_sound(axes: Axes, decibels: np.ndarray, seconds: float) -> None:
    axes.imshow(decibels, cmap="magma", origin="lower", extent=(0, seconds, 0, MEL_BINS), aspect="auto")
    axes.set_yticks([])
    axes.set_ylabel("mel", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_formatter("{x:g} s")


def _write(figure: Figure, out: Path) -> None:
    try:
        make_folder(out.parent)
        with atomic_path(out) as part:
            FigureCanvasAgg(figure).print_png(str(part))
    except OSError as error:
        if found := refusal(error, out):
            raise found from error
        raise UserError(f"the picture {out} cannot be written: {error.strerror}; give another file with -o") from error
