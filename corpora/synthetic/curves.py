"""The edges of lips and mouth as curves y(x): one value per frame and column. Shapes: T frames, R rows and C columns of a box."""

import numpy as np

from corpora.schema import MOUTH_SIZE_PX
from corpora.synthetic.face import Face
from corpora.synthetic.head import Head
from corpora.synthetic.visemes import OPEN, PRESS, ROUND, TUCK, WIDE

_DOWN = 0.72  # the jaw's part in opening the mouth; the upper lip's is the rest


class Curves:
    """The edges of the lips and of the opening between them: y in px by frame and column, each (T, C).

    `box` is the part of the picture that the mouth moves in, R rows and C columns: only there is anything compared.
    """

    def __init__(self, face: Face, shape: np.ndarray, head: Head) -> None:
        height = shape[:, OPEN, None] * face.reach * face.vigour * head.near
        spread = 1 + 0.1 * face.vigour * shape[:, WIDE, None] - 0.3 * shape[:, ROUND, None]
        width = face.half_width * head.near * (spread - 0.002 * height)
        self.jaw = _DOWN * height[:, 0]
        columns = _around(head.x - width[:, 0], head.x + width[:, 0], spare=2)
        self.x = np.arange(MOUTH_SIZE_PX, dtype=np.float32)[columns] - head.x[:, None]
        across = self.x / width
        self._beyond = np.clip(np.abs(self.x) - width, 0, None)  # makes every shape end at the corners
        line = head.y[:, None] + head.roll[:, None] * self.x - face.smile * np.square(np.clip(across, -1, 1))
        self._open(line, across, height, shape)
        self._add_lips(face, across, shape, head.near)
        rows = _around(self.upper_edge, self.lower_edge, spare=10)  # with the shadow under the lip
        self._rows = np.arange(MOUTH_SIZE_PX, dtype=np.float32)[rows][None, :, None]
        self.box = rows, columns

    def _open(self, line: np.ndarray, across: np.ndarray, height: np.ndarray, shape: np.ndarray) -> None:
        """`top` and `bottom` of the opening, and `opening`, its profile: 1 in the middle, 0 at its corners."""
        self.opening = arch(across / (0.88 - 0.2 * shape[:, ROUND, None]))
        tuck = shape[:, TUCK, None]
        self.top = line - ((1 - _DOWN) * height + 2.0 * tuck) * self.opening + self._beyond
        self.bottom = line + (_DOWN * height - 1.5 * tuck) * self.opening - self._beyond

    def _add_lips(self, face: Face, across: np.ndarray, shape: np.ndarray, near: float) -> None:
        """`upper_edge` and `lower_edge` of the lips."""
        thickness = (1 - 0.45 * shape[:, PRESS, None]) * (1 + 0.4 * shape[:, ROUND, None]) * near
        profile = arch(across)
        bow = (0.35 + 0.65 * profile) * (1 - face.bow * np.exp(-np.square(across / 0.16)))
        self.upper_edge = self.top - face.upper_lip * thickness * profile * bow + self._beyond
        lower = face.lower_lip * thickness * (1 - 0.6 * shape[:, TUCK, None])
        self.lower_edge = self.bottom + lower * profile - self._beyond

    def between(self, top: np.ndarray, bottom: np.ndarray, soft: float = 1.0) -> np.ndarray:
        """How much of each pixel of the box lies between two curves: float32 (T, R, C), 0 to 1."""
        inside = self._rows - top[:, None, :]
        np.minimum(inside, bottom[:, None, :] - self._rows, out=inside)
        inside *= 1 / soft
        inside += 0.5
        return np.clip(inside, 0, 1, out=inside)


def arch(across: np.ndarray) -> np.ndarray:
    """Half an ellipse: 1 in the middle, 0 from -1 and 1 outwards."""
    return np.sqrt(np.clip(1 - np.square(across), 0, 1))


def _around(least: np.ndarray, most: np.ndarray, spare: int) -> slice:
    return slice(max(0, int(least.min()) - spare), min(MOUTH_SIZE_PX, int(most.max()) + spare))
