"""Pictures and sound on one time line. Uses NumPy only.

A clip begins where the first of picture and sound begins, and ends with the picture. It has 25 frames a second: each is the picture
that is shown in the middle of its 40 ms. Before the first picture, the first picture is shown, for whole frames. Sound is placed by
its time stamps: where there is none, it is silence. What sounds after the last picture is cut off.

That much of this is allowed: sound or picture may begin 0.5 s after the other, no picture may be shown for more than 0.5 s longer
than usual, and sound may go on for 0.5 s (and a fifth of the clip) after the last picture.
"""

from dataclasses import dataclass

import numpy as np

from corpora.media.tracks import Unusable
from corpora.schema import FPS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

RATE_TOLERANCE = 0.01  # as a share; containers round the rate
MOST_APART_S = 0.5
NEARLY = 0.01  # of a frame; containers round
MOST_AFTER = (
    0.2  # as a share of the picture's length; MOST_AFTER_S is always allowed, since codecs fill their last packet
)
MOST_AFTER_S = 0.15
LEAST_SOUND = 0.8  # as a share of the video's length, because MP2 and MPEG-1 streams end a few frames apart


@dataclass(frozen=True)
class Timeline:
    """The frames of a clip: `shown` (T,) is the number of the picture that each of them shows.

    `start_s` is the time of the file at which frame 0 begins.
    """

    start_s: float
    shown: np.ndarray


def rate_fault(frames_per_second: float) -> str | None:
    """Return why a clip of a corpus with this frame rate is left out; None for 25 frames a second."""
    if abs(frames_per_second / FPS - 1) > RATE_TOLERANCE:
        return f"{frames_per_second:g} frames a second; {FPS} wanted"
    return None


def timeline(stamps_s: np.ndarray, step_s: float, end_s: float, sound_from_s: float) -> Timeline:
    """Return the frames of a clip whose pictures appear at `stamps_s` (n,), `step_s` apart, the last one until `end_s`.

    `sound_from_s` is the time at which the sound begins. Raises Unusable, see the top of this module.
    """
    first = float(stamps_s[0])
    waits = np.diff(stamps_s, append=end_s) - step_s
    if waits.max() > MOST_APART_S:
        place = int(waits.argmax())
        raise Unusable(
            f"it has no picture between {stamps_s[place] + step_s:.2f} and {[*stamps_s, end_s][place + 1]:.2f} s"
        )
    late_s = first - sound_from_s
    if late_s > MOST_APART_S:
        raise Unusable(f"its picture begins {late_s:.2f} s after its sound; at most {MOST_APART_S} s are allowed")
    held = max(0, int(late_s * FPS + NEARLY))
    frames = held + max(1, round((end_s - first) * FPS))
    start = first - held / FPS
    middles = start + (np.arange(frames) + 0.5) / FPS
    return Timeline(start, np.maximum(np.searchsorted(stamps_s, middles + 1e-6, "right") - 1, 0))


def aligned(pieces: list[tuple[float, np.ndarray]], start_s: float, frames: int) -> np.ndarray:
    """Return the sound of `frames` frames from `start_s` on, int16 (frames * 640,).

    `pieces` are stretches of sound, int16 at 16 kHz, and the times in seconds at which they begin, in their order. Raises Unusable
    where sound and picture differ in length.
    """
    samples, covered = frames * SAMPLES_PER_FRAME, 0
    audio = np.zeros(samples, np.int16)
    _check_ends(pieces, start_s, frames / FPS)
    for begin_s, piece in pieces:
        place = round((begin_s - start_s) * SAMPLE_RATE_HZ)
        kept = piece[max(0, -place) : max(0, samples - place)]
        audio[max(0, place) : max(0, place) + len(kept)] = kept
        covered += len(kept)
    if covered < LEAST_SOUND * samples:
        hole = len(pieces) > 1
        raise Unusable(f"sound {'has' if hole else 'ends after'} {covered} of {samples} samples")
    return audio


def _check_ends(pieces: list[tuple[float, np.ndarray]], start_s: float, length_s: float) -> None:
    first_s, last_s = pieces[0][0] - start_s, pieces[-1][0] + len(pieces[-1][1]) / SAMPLE_RATE_HZ - start_s
    if first_s > MOST_APART_S:
        raise Unusable(f"its sound begins {first_s:.2f} s after its picture; at most {MOST_APART_S} s are allowed")
    if last_s - length_s > min(MOST_APART_S, max(MOST_AFTER_S, MOST_AFTER * length_s)):
        raise Unusable(
            f"sound and picture differ in length: the picture ends at {length_s:.2f} s, the sound at {last_s:.2f} s"
        )
