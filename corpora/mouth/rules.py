"""The rules by which a clip is left out because of its faces, and by which one of several faces is taken. Uses NumPy only.

A clip is left out where
- more than 10 % of the frames, or more than 12 in a row, have no face. Shorter gaps are filled from their neighbours;
- the face jumps: it moves by half the width of its eyes, or changes its size by 15 %, from one frame to the next;
- there is a cut: the upright face looks different from one frame to the next (correlation below 0.8; GRID's lowest is 0.95, other
  people have 0.6 and less), or somewhat different (0.92) while it moves by an eighth of the width of its eyes;
- the mouth does not move at all, as in a photograph;
- the mouth is more than 24 px from the middle of its crop in some frame, so that the crop does not show it whole.

Of several faces, one is taken if movement of its lips times size is 2.5 times that of any other; else the clip is left out.

Frames count from 0, at 25 frames a second. Shapes: T frames, P = 14 points (x, y) in px, NaN in frames without a face.
"""

from dataclasses import dataclass

import numpy as np

from corpora.media.tracks import Unusable
from corpora.mouth.geometry import SIZE_PX, SMOOTHED_OVER_FRAMES

# mediapipe's numbers of the points of `geometry.MEAN_FACE`, then corners, outer and inner middle of both lips
POINTS = [33, 133, 362, 263, 168, 195, 4, 2, 61, 291, 0, 17, 13, 14]
STABLE, LIPS = 8, 6  # points
OUTER_EYES, OUTER_LIPS = (0, 3), (10, 11)  # places in POINTS

MOST_WITHOUT_FACE, MOST_IN_A_ROW = 0.1, 12  # a share of the clip; frames
JUMP, ZOOM = 0.5, 0.15  # eye widths; change of the logarithm of the eye width
OTHER_PICTURE, CHANGED_PICTURE, MOVED = 0.8, 0.92, 0.125  # correlations; eye widths
MOST_OFF_PX = 24
STILL = 0.005  # standard deviation of the distance of the lips, in eye widths; GRID's lowest is 0.02
STILL_FROM_FRAMES = 25
SEEN_HALF = 0.5  # of the frames, for a face among several
CLEARLY = 2.5  # lips of GRID speakers differ by 2.3 at most, those of a listener by more


@dataclass(frozen=True, eq=False)
class Face:
    """A face through a clip: points (T, 14, 2) and portraits (T, 24, 24)."""

    points: np.ndarray
    portraits: np.ndarray

    @classmethod
    def unseen(cls, frames: int) -> "Face":
        """Return a face that no frame shows."""
        return cls(np.full((frames, len(POINTS), 2), np.nan), np.full((frames, 24, 24), np.nan, np.float32))

    def see(self, frames: np.ndarray, points: np.ndarray, portrait: np.ndarray) -> None:
        """Enter the face (14, 2) and (24, 24) in these frames."""
        self.points[frames], self.portraits[frames] = points, portrait

    def seen(self) -> np.ndarray:
        """Return which frames show the face, bool (T,)."""
        return ~np.isnan(self.points[:, 0, 0])


def centre(points: np.ndarray) -> np.ndarray:
    """(..., 14, 2) -> (..., 2): the middle of the points that speech does not move."""
    return points[..., :STABLE, :].mean(-2)


def eye_width(points: np.ndarray) -> np.ndarray:
    """(..., 14, 2) -> (...): the distance of the outer corners of the eyes in px."""
    return np.linalg.norm(points[..., OUTER_EYES[0], :] - points[..., OUTER_EYES[1], :], axis=-1)


def movement(points: np.ndarray) -> float:
    """Return the standard deviation of the distance of the lips, in eye widths. The points must have no NaN."""
    apart = np.linalg.norm(points[:, OUTER_LIPS[0]] - points[:, OUTER_LIPS[1]], axis=-1)
    return float(np.std(apart / np.median(eye_width(points))))


def choose(faces: list[Face]) -> Face | None:
    """Return the speaker's face among those that half of the frames show; None for none. Raises Unusable if it is not clear."""
    often = [face for face in faces if face.seen().mean() >= SEEN_HALF]
    scores = [movement(face.points[face.seen()]) * float(np.nanmedian(eye_width(face.points))) for face in often]
    if len(often) > 1:
        second, first = sorted(scores)[-2:]
        if first < CLEARLY * second:
            both = often[scores.index(first)].seen() & often[scores.index(second)].seen()
            raise Unusable(
                f"{len(often)} faces, and it is not clear which one speaks, in frames {ranges(both)}: "
                f"none has {CLEARLY} times the lip movement and size of the next"
            )
    return often[int(np.argmax(scores))] if often else None


def check_face(face: Face) -> None:
    """Check a face in all frames, before its gaps are filled. Raises Unusable, with the frames."""
    seen = face.seen()
    missing, frames = int((~seen).sum()), len(seen)
    if missing > MOST_WITHOUT_FACE * frames:
        where = f" ({ranges(~seen)})" if missing < frames else ""
        raise Unusable(f"no face in {missing} of {frames} frames{where}")
    if gap := longest_run(~seen, MOST_IN_A_ROW):
        raise Unusable(f"no face in frames {gap}")
    if frames >= STILL_FROM_FRAMES and movement(face.points[seen]) < STILL:
        raise Unusable("the mouth does not move in any frame, as in a still picture")


def check_crops(face: Face, matrices: np.ndarray) -> None:
    """Check the crops that transforms (T, 2, 3) make. Raises Unusable, with the frames that show no mouth, jumps and cuts."""
    lips = np.einsum("tij,tj->ti", matrices[:, :, :2], face.points[:, STABLE:].mean(1)) + matrices[:, :, 2]
    off = np.linalg.norm(lips - SIZE_PX / 2, axis=1) > MOST_OFF_PX  # NaN is not
    jumps, cuts = breaks(face)
    found = [f"the face jumps at frame {frame}" for frame in jumps] + [f"cut at frame {frame}" for frame in cuts]
    why = "; ".join(found[:3]) + (f"; {len(found) - 3} more" if len(found) > 3 else "")
    if off.any():
        for frame in jumps:  # the place of a crop is a mean over these frames
            off[max(0, frame - SMOOTHED_OVER_FRAMES // 2) : frame + SMOOTHED_OVER_FRAMES // 2] = True
        raise Unusable(f"no mouth in frames {ranges(off)}" + (f": {why}" if why else ""))
    if why:
        raise Unusable(why)


def breaks(face: Face) -> tuple[list[int], list[int]]:
    """Return the frames at which a face jumps, and those at which the picture is cut: the first frame that differs.

    Frames without a face are passed over: the frames before and after them are compared.
    """
    shown = np.flatnonzero(face.seen())
    points, gaps = face.points[shown], np.diff(shown)
    width = np.maximum(eye_width(points), 1e-6)
    steps = np.linalg.norm(np.diff(centre(points), axis=0), axis=1) / width[1:] / gaps
    zooms = np.abs(np.diff(np.log(width))) / gaps
    alike = _correlations(face.portraits[shown])
    jumps = (steps > JUMP) | (zooms > ZOOM)
    cuts = ~jumps & ((alike < OTHER_PICTURE) | ((alike < CHANGED_PICTURE) & (steps > MOVED)))
    first_after = shown[:-1] + 1
    return first_after[jumps].tolist(), first_after[cuts].tolist()


def _correlations(portraits: np.ndarray) -> np.ndarray:
    """(n, 24, 24) -> (n - 1,): the correlation of each picture with the next one."""
    flat = portraits.reshape(len(portraits), -1).astype(float)
    flat = flat - flat.mean(1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    return (flat[1:] * flat[:-1]).sum(1)


def longest_run(bad: np.ndarray, most: int) -> str | None:
    """Return the first run of more than `most` frames of a bool array (T,), as `ranges` writes it; None if there is none."""
    return next(
        (ranges_of for first, last in _runs(bad) if last - first >= most for ranges_of in [f"{first}-{last}"]), None
    )


def ranges(bad: np.ndarray) -> str:
    """Return the frames of a bool array (T,) in words: `3, 32-43`. After five ranges, `...`."""
    runs = [f"{first}-{last}" if last > first else f"{first}" for first, last in _runs(bad)]
    return ", ".join(runs[:5]) + (", ..." if len(runs) > 5 else "")


def _runs(bad: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(int)))
    return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]
