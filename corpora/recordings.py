"""Recordings of noise: decoded piece by piece, without their silent stretches, into a file that is mapped into memory.

Silence mixed at a signal-to-noise ratio would be no noise at all, or noise of the recorder made as loud as the speech. So every
window of 40 ms that is 50 dB below the sounding part of its recording is left out. The file has no name and disappears with the
process; memory does not grow with the hours of recordings.
"""

import mmap
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av
import numpy as np

from common.disk import explained
from common.errors import UserError
from corpora.schema import SAMPLE_RATE_HZ

AUDIO_SUFFIXES = (".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav")
WINDOW = 640  # samples, 40 ms
BLOCK = 250 * WINDOW  # samples in memory at a time, 10 s
SILENCE_DB = -50.0  # power of a silent window, relative to the sounding part of its recording
LEAST_POWER = 2.0  # in units of the last of 16 bits, squared: dither and nothing else
LEAST_SECONDS = 2.0  # of sound: a second for training, a second for test


@dataclass(frozen=True)
class Found:
    """Length of the recordings of a noise, of their silence, in seconds, and the files that are silence throughout."""

    seconds: float
    silent_seconds: float
    silent_files: tuple[str, ...]

    @property
    def warning(self) -> str | None:
        """The silence that is left out, as a sentence; None if there is none."""
        if not self.silent_seconds:
            return None
        whole = f" ({_shown(self.silent_files)} throughout)" if self.silent_files else ""
        return f"{self.silent_seconds:.1f} of {self.seconds:.1f} s are silence and are left out{whole}"


def open_half(path: Path, *, first: bool) -> tuple[np.ndarray, float]:
    """Return half of the sounding parts of a file or folder of recordings, and its mean square.

    The samples (n,) are int16, mono at 16 kHz, in a read-only memory map. Raises UserError as `examine` does.
    """
    folder = Path(tempfile.gettempdir())
    with explained(folder), tempfile.TemporaryFile(dir=folder) as track:
        _read(path, track)
        track.flush()
        samples = track.tell() // 2
        start, end = (0, samples // 2) if first else (samples // 2, samples)
        power = _power(track, start, end)
        mapped = mmap.mmap(track.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, "<i2")[start:end], power


def examine(path: Path) -> Found:
    """Decode all recordings of a file or folder and keep nothing. Raises UserError for recordings that cannot serve as noise.

    That is a path without recordings, a recording that cannot be decoded, one whose constant offset is louder than its sound, or
    less than `LEAST_SECONDS` of sound in all.
    """
    return _read(path, None)


def check(noise: Mapping[str, str], *, here: bool = True) -> list[str]:
    """Return a warning for each kind of noise whose recordings have silence. `noise` maps kinds to files or folders.

    Raises UserError for recordings that cannot serve. Without `here` a path that this machine lacks is a warning only.
    """
    found = []
    for kind, source in noise.items():
        if not here and not Path(source).exists():
            found.append(f"noise {kind!r}: {source} does not exist on this machine; its recordings were not checked")
            continue
        try:
            said = examine(Path(source)).warning
        except UserError as error:
            raise UserError(f"noise {kind!r}: {error}") from error
        found += [f"noise {kind!r}: {said}"] if said else []
    return found


def _read(path: Path, track: IO[bytes] | None) -> Found:
    samples = silent = 0
    silent_files = []
    for file in _files(path):
        start = track.tell() if track else 0
        powers, lengths, offset = _decode(file, track)
        keep = _sounding(powers)
        samples += int(lengths.sum())
        silent += int(lengths[~keep].sum())
        if not keep.any():
            silent_files.append(file.name)
        elif offset**2 > (powers * lengths)[keep].sum() / lengths[keep].sum():
            raise UserError(
                f"noise varies around zero, and {file} has a constant offset of {offset:.0f} of 32768 that is louder than its "
                "sound; remove the offset, e.g. with `ffmpeg -i IN -af highpass=20 OUT`"
            )
        if track and not keep.all():
            _cut(track, start, keep)
    found = Found(samples / SAMPLE_RATE_HZ, silent / SAMPLE_RATE_HZ, tuple(silent_files))
    if found.seconds - found.silent_seconds < LEAST_SECONDS:
        raise UserError(
            f"noise needs {LEAST_SECONDS:g} s of recorded sound, half of it for training and half for test; mixed to mono, "
            f"{path} has {found.seconds - found.silent_seconds:.1f} s of sound and {found.silent_seconds:.1f} s of silence: "
            "give other recordings"
        )
    return found


def _files(path: Path) -> list[Path]:
    """The recordings of a folder and its folders, in order. Hidden files, such as those that macOS leaves, are none."""
    if not path.exists():
        raise UserError(f"noise recordings are a file or a folder, and {path} does not exist here; give another path")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [each for each in files if each.suffix.lower() in AUDIO_SUFFIXES and each.is_file()]
    files = [each for each in files if not each.name.startswith(".") or each == path]
    if not files:
        suffixes = ", ".join(AUDIO_SUFFIXES)
        raise UserError(
            f"noise recordings are a file or a folder of {suffixes}; found none in {path}: give another path"
        )
    return files


def _decode(file: Path, track: IO[bytes] | None) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the power of every window around its mean, the samples of every window, and the mean of all samples.

    The samples are written to `track`. Raises UserError.
    """
    powers, total, samples = [np.zeros(0)], 0, 0
    try:
        for block in _blocks(file):
            powers.append(_powers(block))
            total, samples = total + int(block.sum(dtype=np.int64)), samples + len(block)
            if track:
                track.write(block.tobytes())
        if not samples:
            raise ValueError("it holds no samples")
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        reason = "it has no sound track" if isinstance(error, IndexError) else getattr(error, "strerror", error)
        raise UserError(f"the noise recording {file} cannot be decoded: {reason}; convert it to FLAC or WAV") from error
    each = np.concatenate(powers)
    lengths = np.full(len(each), WINDOW)
    lengths[-1:] -= len(each) * WINDOW - samples
    return each, lengths, total / samples


def _blocks(file: Path) -> Iterator[np.ndarray]:
    """Yield the first sound track as int16 mono at 16 kHz in pieces of `BLOCK` samples; the last piece is shorter."""
    have: list[np.ndarray] = []
    for piece in _pieces(file):
        have.append(piece)
        if sum(map(len, have)) >= BLOCK:
            joined = np.concatenate(have)
            whole = len(joined) // BLOCK * BLOCK
            yield from np.split(joined[:whole], whole // BLOCK)
            have = [joined[whole:]]
    if sum(map(len, have)):
        yield np.concatenate(have)


def _pieces(file: Path) -> Iterator[np.ndarray]:
    resampler: av.AudioResampler | None = None
    with av.open(str(file)) as container:
        form = None
        for frame in container.decode(container.streams.audio[0]):
            if form != (form := (frame.format.name, frame.layout.name, frame.sample_rate)):
                yield from _flushed(resampler)  # a recording may change its form in the middle
                resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
            assert resampler is not None
            if frame.format.name.startswith(("flt", "dbl")) and not np.isfinite(frame.to_ndarray()).all():
                raise ValueError("it holds samples that are not numbers")
            yield from (out.to_ndarray()[0] for out in resampler.resample(frame))
        yield from _flushed(resampler)


def _flushed(resampler: av.AudioResampler | None) -> Iterator[np.ndarray]:
    if resampler is not None:
        yield from (out.to_ndarray()[0] for out in resampler.resample(None))


def _power(track: IO[bytes], start: int, end: int) -> float:
    """Mean square of the samples from `start` to `end`. It is read, not mapped, so that its pages do not count as memory."""
    total = 0
    track.seek(2 * start)
    for at in range(start, end, BLOCK):
        block = np.frombuffer(track.read(2 * min(BLOCK, end - at)), "<i2")
        total += int(np.square(block, dtype=np.int64).sum())
    return total / max(1, end - start)


def _powers(block: np.ndarray) -> np.ndarray:
    """Variance of every window; the last one may be short."""
    whole = len(block) // WINDOW * WINDOW
    windows = block[:whole].reshape(-1, WINDOW).astype(np.float32).var(axis=1)
    rest = block[whole:].astype(np.float32)
    return np.append(windows, rest.var()) if len(rest) else windows


def _sounding(powers: np.ndarray) -> np.ndarray:
    """True for windows with sound. The level is that of the louder windows, so that long silence does not lower it."""
    if not len(powers):
        return np.zeros(0, bool)
    level = powers[powers >= powers.mean()].mean()
    return powers > max(level * 10 ** (SILENCE_DB / 10), LEAST_POWER)


def _cut(track: IO[bytes], start: int, keep: np.ndarray) -> None:
    """Remove the silent windows of the recording that begins at byte `start`, in place."""
    write = start
    size, step = 2 * WINDOW, 2 * BLOCK
    for number, first in enumerate(range(0, len(keep), BLOCK // WINDOW)):
        track.seek(start + number * step)
        block = track.read(step)
        wanted = keep[first : first + BLOCK // WINDOW]
        kept = b"".join(block[n * size : (n + 1) * size] for n in np.flatnonzero(wanted))
        track.seek(write)
        track.write(kept)
        write += len(kept)
    track.truncate(write)
    track.seek(write)


def _shown(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
