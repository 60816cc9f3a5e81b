"""The time line: which picture each frame shows, where sound lies, and what is too far apart."""

import numpy as np
import pytest

from corpora.media.timeline import aligned, timeline
from corpora.media.tracks import Unusable


def shown(stamps: np.ndarray, step: float, sound_from: float = 0.0) -> list[int]:
    return timeline(stamps, step, float(stamps[-1]) + step, sound_from).shown.tolist()


@pytest.mark.parametrize(
    ("fps", "pictures", "kept"),
    [(25, 4, [0, 1, 2, 3]), (50, 8, [1, 3, 5, 7]), (12.5, 2, [0, 0, 1, 1]), (30, 6, [0, 1, 3, 4, 5])],
)
def test_frames_show_the_middle_of_every_25th_second(fps: float, pictures: int, kept: list[int]) -> None:
    assert shown(np.arange(pictures) / fps, 1 / fps) == kept


@pytest.mark.parametrize("rounded_to", [1e-3, 1 / 90_000, 1e-6])
def test_rounded_stamps_of_25_a_second_are_frames(rounded_to: float) -> None:
    stamps = np.round((7.3 + np.arange(1500) / 25) / rounded_to) * rounded_to
    made = timeline(stamps, 0.04, float(stamps[-1]) + 0.04, 7.3)
    assert made.shown.tolist() == list(range(1500))
    assert made.start_s == stamps[0]


def test_a_missing_picture_is_held_and_a_late_one_shown_early() -> None:
    assert shown(np.array([0.0, 0.04, 0.16]), 0.04) == [0, 1, 1, 1, 2]
    assert shown(np.array([0.12, 0.16]), 0.04, sound_from=0.0) == [0, 0, 0, 0, 1]
    assert shown(np.array([0.023, 0.063]), 0.04, sound_from=0.0) == [0, 1], "a fill of the codec is no frame"


@pytest.mark.parametrize(
    ("stamps", "sound_from", "words"),
    [
        ([0.0, 0.04, 0.64, 0.68], 0.0, "no picture between 0.08 and 0.64 s"),
        ([0.7, 0.74], 0.1, "picture begins 0.60 s after its sound"),
    ],
)
def test_holes_and_late_pictures_are_named(stamps: list[float], sound_from: float, words: str) -> None:
    with pytest.raises(Unusable, match=words):
        shown(np.array(stamps), 0.04, sound_from)


def ones(samples: int) -> np.ndarray:
    return np.ones(samples, np.int16)


def test_sound_lies_where_its_stamps_say() -> None:
    audio = aligned([(0.25, ones(16_000)), (1.5, ones(24_500))], 0.0, 75)
    assert (np.flatnonzero(np.diff(audio)) + 1).tolist() == [4000, 20_000, 24_000]
    assert len(audio) == 48_000
    assert aligned([(-0.1, ones(50_000))], 0.0, 75).all(), "what sounds before and after the picture is cut off"


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([(0.0, 96_000)], "differ in length: the picture ends at 3.00 s, the sound at 6.00 s"),
        ([(0.0, 38_000)], "sound ends after 38000 of 48000 samples"),
        ([(0.6, 38_400)], "its sound begins 0.60 s after its picture"),
        ([(0.0, 10_000), (1.5, 24_000)], "sound has 34000 of 48000 samples"),
    ],
)
def test_sound_of_another_length_is_refused(pieces: list[tuple[float, int]], words: str) -> None:
    with pytest.raises(Unusable, match=words):
        aligned([(start, ones(samples)) for start, samples in pieces], 0.0, 75)
