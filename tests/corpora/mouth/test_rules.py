"""Faces that are no clip, by number: jumps, cuts, gaps, crops without a mouth, several faces."""

import numpy as np
import pytest

from corpora.media.tracks import Unusable
from corpora.mouth.geometry import MEAN_FACE, crop_transform, interpolate, smooth
from corpora.mouth.rules import STABLE, Face, check_crops, check_face, choose, ranges

MOUTH = np.array([[-26.0, 80.0], [26.0, 80.0], [0.0, 72.0], [0.0, 92.0], [0.0, 79.0], [0.0, 84.0]])
DRAW = np.random.default_rng(0)
PORTRAIT, OTHER = DRAW.normal(100, 30, (2, 24, 24))


def speaking(frames: int = 75, opening: float = 4.0, scale: float = 1.0) -> Face:
    """Return a face at (200, 100) px whose lips move by `opening` px."""
    points = np.tile(np.concatenate([MEAN_FACE, MOUTH]), (frames, 1, 1))
    points[:, 11, 1] += opening * np.sin(np.arange(frames))
    portraits = np.tile(PORTRAIT, (frames, 1, 1)) + DRAW.normal(0, 2, (frames, 24, 24))
    return Face(points * scale + [200, 100], portraits)


def check(face: Face) -> None:
    check_face(face)
    steady = smooth(interpolate(face.points))
    check_crops(face, np.stack([crop_transform(each[:STABLE], each[STABLE:]) for each in steady]))


def moved(face: Face, frames: slice, by: float) -> Face:
    face.points[frames, :, 0] += by
    return face


def hidden(face: Face, *frames: slice) -> Face:
    for place in frames:
        face.points[place], face.portraits[place] = np.nan, np.nan
    return face


def replaced(face: Face, frames: slice, by: np.ndarray) -> Face:
    face.portraits[frames] = by
    return face


def grown(face: Face, frames: slice, by: float) -> Face:
    face.points[frames] *= by
    return face


def test_a_steady_face_with_short_gaps_is_a_clip() -> None:
    check(speaking())
    check(hidden(speaking(), slice(10, 13), slice(40, 43)))
    check(moved(speaking(), slice(20, 21), 10.0))


@pytest.mark.parametrize(
    ("face", "words"),
    [
        (moved(speaking(), slice(38, None), 260), r"no mouth in frames 32-43: the face jumps at frame 38"),
        (
            hidden(moved(speaking(), slice(38, None), 260), slice(38, 39)),
            r"no mouth in frames 32-43: the face jumps at frame 38",
        ),
        (grown(speaking(), slice(50, None), 1.3), "the face jumps at frame 50"),
        (replaced(speaking(), slice(30, 33), OTHER), "cut at frame 30; cut at frame 33"),
        (
            replaced(moved(speaking(), slice(30, None), 16), slice(30, None), 0.88 * PORTRAIT + 0.47 * OTHER),
            "cut at frame 30",
        ),
        (hidden(replaced(speaking(), slice(30, None), OTHER), slice(27, 31)), "cut at frame 27"),
        (hidden(speaking(), slice(0, 4), slice(70, None)), r"no face in 9 of 75 frames \(0-3, 70-74\)"),
        (hidden(speaking(300), slice(100, 113)), "no face in frames 100-112"),
        (hidden(speaking(), slice(None)), "no face in 75 of 75 frames$"),
        (speaking(opening=0.1), "the mouth does not move"),
    ],
)
def test_a_face_that_is_no_clip_is_named_with_frames(face: Face, words: str) -> None:
    with pytest.raises(Unusable, match=words):
        check(face)


def test_the_face_that_speaks_is_taken_wherever_it_is() -> None:
    speaker, still, small = speaking(), moved(speaking(opening=0.5), slice(None), 200), speaking(scale=0.3)
    assert choose([still, speaker]) is speaker
    assert choose([speaker, still, small]) is speaker
    assert choose([hidden(speaking(opening=9), slice(0, 50)), speaker]) is speaker, "a face that is seen rarely"
    assert choose([hidden(speaking(), slice(None))]) is None
    with pytest.raises(Unusable, match="2 faces, and it is not clear which one speaks, in frames 0-74"):
        choose([speaker, speaking(opening=6)])


def test_frames_are_written_as_ranges() -> None:
    bad = np.isin(np.arange(40), [0, 3, 4, 5, 39])
    assert ranges(bad) == "0, 3-5, 39"
    assert ranges(np.arange(40) % 2 == 0).endswith("8, ...")
