"""The head moves while it speaks: where the mouth is in every frame, and the skin under it. Shapes: T frames, H = W = 96 px."""

from dataclasses import dataclass

import numpy as np

from corpora.schema import FPS, MOUTH_SIZE_PX
from corpora.synthetic.face import SKIN_PX, Face

_CENTRE = MOUTH_SIZE_PX / 2


@dataclass(frozen=True)
class Head:
    """Where the mouth is: x and y of its middle per frame (T,), roll in radians (T,), and how near the camera is."""

    x: np.ndarray
    y: np.ndarray
    roll: np.ndarray
    near: float

    @classmethod
    def drawn(cls, frames: int, face: Face, draw: np.random.Generator) -> "Head":
        seconds = np.arange(frames) / FPS
        x, y, roll = (_sway(seconds, size, draw) for size in (1.2, 1.2, 0.015))
        x += _CENTRE + face.place[0] + draw.normal(0, 1.2)
        y += _CENTRE + face.place[1] + draw.normal(0, 1.2)
        roll += draw.normal(0, 0.025)
        x, y, roll = (values.astype(np.float32) for values in (x, y, roll))
        return cls(x, y, roll, near=float(draw.uniform(0.96, 1.04)))

    def skin_under(self, face: Face, jaw: np.ndarray) -> np.ndarray:
        """The skin where the head is, its lower part drawn down with the jaw (T,): float32 (T, 96, 96)."""
        rows = np.arange(MOUTH_SIZE_PX, dtype=np.float32) - self.y[:, None] + SKIN_PX / 2
        rows -= np.clip((rows - SKIN_PX / 2) / 25, 0, 1) * jaw[:, None]
        lefts = np.clip(SKIN_PX / 2 - self.x, 0, SKIN_PX - MOUTH_SIZE_PX - 1.001)
        under = np.empty((len(jaw), MOUTH_SIZE_PX, MOUTH_SIZE_PX), np.float32)
        for picture, down, left in zip(under, rows, lefts, strict=True):  # one by one, they stay in the CPU's cache
            wider, first = _rows_at(face.skin, down), int(left)
            here, beside = (wider[:, start : start + MOUTH_SIZE_PX] for start in (first, first + 1))
            np.subtract(beside, here, out=picture)
            picture *= np.float32(left - first)
            picture += here
        return under


def _sway(seconds: np.ndarray, size: float, draw: np.random.Generator) -> np.ndarray:
    """A slow, smooth movement (T,)."""
    hertz, phase = draw.uniform(0.2, 1.2, 2), draw.uniform(0, 2 * np.pi, 2)
    return (draw.normal(0, size, 2) * np.sin(2 * np.pi * hertz * seconds[:, None] + phase)).sum(1)


def _rows_at(picture: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of a picture (R, C) at fractional places (H,): float32 (H, C)."""
    rows = np.clip(rows, 0, len(picture) - 1.001)
    first = rows.astype(np.int32)
    upper = picture[first]
    upper += (rows - first)[:, None].astype(np.float32) * (picture[first + 1] - upper)
    return upper
