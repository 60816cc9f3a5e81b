"""Clips of the readers of real video: faults that the file alone shows, and the sound of the frames that were cut out."""

from pathlib import Path

import numpy as np

from corpora.media.pictures import survey
from corpora.media.sound import broken, read_sound
from corpora.media.timeline import aligned, rate_fault, timeline
from corpora.media.tracks import LONGEST_S, Unusable
from corpora.schema import FPS

MOST_MORE = 2  # frames


def damage(file: Path, frames: int) -> str | None:
    """Return why a clip, which should have `frames` frames and sound for them, is unusable; None if it is intact.

    Two frames more are no fault: another container may begin its sound a little before its picture.
    """
    try:
        sound = read_sound(file)
        found = survey(file, contrast=True)
        made = timeline(found.stamps_s, found.step_s, found.end_s, sound.start_s)
        fault, got = rate_fault(found.frames_per_second), len(made.shown)
        if fault is None and not frames <= got <= frames + MOST_MORE:
            held = f" ({len(found.stamps_s)} pictures)" if got != len(found.stamps_s) else ""
            return f"{got} frames{held}; {frames} wanted"
        if grey := found.grey():
            return f"{grey} of {frames} frames are grey (damaged video)"
        return fault or broken(aligned(sound.pieces, made.start_s, frames))
    except Unusable as error:
        return str(error)


def sound_of(file: Path, start_s: float, frames: int) -> np.ndarray | str:
    """Return the sound of `frames` frames from `start_s` on, int16 (frames * 640,), or the reason why it cannot be used."""
    try:
        audio = aligned(read_sound(file, max(LONGEST_S, frames / FPS)).pieces, start_s, frames)
    except Unusable as error:
        return str(error)
    return broken(audio) or audio
