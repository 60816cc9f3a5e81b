"""Draws a moving mouth, 96 x 96 grey. Shapes: T frames, H = W = 96 px.

Everything is bounded by curves y(x), one value per column and frame, with edges about a pixel soft. So all that is done
per pixel is to compare a row with a curve and to blend, and 40 frames take a few milliseconds.
"""

from dataclasses import dataclass

import numpy as np

from corpora.schema import FPS, MOUTH_SIZE_PX
from corpora.synthetic.visemes import BETWEEN, LOWER, OPEN, PRESS, ROUND, TONGUE, TUCK, UPPER, WIDE

_MARGIN_PX = 16  # the skin is drawn larger than the picture, since the head moves
_SKIN_PX = MOUTH_SIZE_PX + 2 * _MARGIN_PX
_CENTRE = MOUTH_SIZE_PX / 2
_DOWN = 0.72  # the jaw's part in opening the mouth; the upper lip's is the rest


@dataclass(frozen=True)
class Face:
    """What stays the same from one utterance of a speaker to the next. Lengths in px, greys 0 to 255."""

    skin: np.ndarray  # float32 (128, 128): cheeks, nose, chin, beard
    tone: float
    lip_grey: float
    half_width: float
    upper_lip: float
    lower_lip: float
    bow: float  # depth of the notch in the upper lip
    smile: float  # how much higher the corners are than the middle
    place: tuple[float, float]  # of the mouth's middle, against the picture's
    reach: float  # height of a wide open mouth
    teeth: float  # their length
    teeth_grey: float
    vigour: float  # how far the speaker moves the lips, about 1

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> "Face":
        """A face at random."""
        tone = float(draw.uniform(95, 200))
        size = float(draw.uniform(0.85, 1.12))
        return cls(
            skin=_skin(tone, draw),
            tone=tone,
            lip_grey=tone * float(draw.uniform(0.6, 0.8)),
            half_width=26 * size * float(draw.uniform(0.93, 1.07)),
            upper_lip=float(draw.uniform(4.0, 7.5)) * size,
            lower_lip=float(draw.uniform(5.5, 9.5)) * size,
            bow=float(draw.uniform(0.05, 0.3)),
            smile=float(draw.normal(0.5, 1.2)),
            place=(float(draw.normal(0, 1.5)), float(draw.normal(0, 1.5))),
            reach=25 * size * float(draw.uniform(0.9, 1.1)),
            teeth=7.5 * size * float(draw.uniform(0.85, 1.2)),
            teeth_grey=min(245.0, tone * 0.35 + float(draw.uniform(135, 165))),
            vigour=float(draw.uniform(0.85, 1.15)),
        )


def draw_mouth(face: Face, track: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A mouth that follows a track of `visemes.track`, (T, 9): uint8 (T, 96, 96)."""
    shape = track.astype(np.float32)
    head = _Head.drawn(len(shape), face, draw)
    curves = _Curves(face, shape, head)
    picture = head.skin_under(face, curves.jaw)
    mouth = picture[:, curves.box[0], curves.box[1]]
    _paint_lips(mouth, face, curves)
    _paint_inside(mouth, face, shape, curves)
    return _photograph(picture, draw)


@dataclass(frozen=True)
class _Head:
    """Where the mouth is: x and y of its middle per frame (T,), roll in radians (T,), and how near the camera is."""

    x: np.ndarray
    y: np.ndarray
    roll: np.ndarray
    near: float

    @classmethod
    def drawn(cls, frames: int, face: Face, draw: np.random.Generator) -> "_Head":
        seconds = np.arange(frames) / FPS
        x, y, roll = (_sway(seconds, size, draw) for size in (1.2, 1.2, 0.015))
        x += _CENTRE + face.place[0] + draw.normal(0, 1.2)
        y += _CENTRE + face.place[1] + draw.normal(0, 1.2)
        roll += draw.normal(0, 0.025)
        x, y, roll = (values.astype(np.float32) for values in (x, y, roll))
        return cls(x, y, roll, near=float(draw.uniform(0.96, 1.04)))

    def skin_under(self, face: Face, jaw: np.ndarray) -> np.ndarray:
        """The skin where the head is, its lower part drawn down with the jaw (T,): float32 (T, 96, 96)."""
        rows = np.arange(MOUTH_SIZE_PX, dtype=np.float32) - self.y[:, None] + _SKIN_PX / 2
        rows -= np.clip((rows - _SKIN_PX / 2) / 25, 0, 1) * jaw[:, None]
        lefts = np.clip(_SKIN_PX / 2 - self.x, 0, _SKIN_PX - MOUTH_SIZE_PX - 1.001)
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


class _Curves:
    """The edges of the lips and of the opening between them: y in px by frame and column, each (T, C).

    `box` is the part of the picture that the mouth moves in, R rows and C columns: only there is anything compared.
    """

    def __init__(self, face: Face, shape: np.ndarray, head: _Head) -> None:
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
        self.opening = _arch(across / (0.88 - 0.2 * shape[:, ROUND, None]))
        tuck = shape[:, TUCK, None]
        self.top = line - ((1 - _DOWN) * height + 2.0 * tuck) * self.opening + self._beyond
        self.bottom = line + (_DOWN * height - 1.5 * tuck) * self.opening - self._beyond

    def _add_lips(self, face: Face, across: np.ndarray, shape: np.ndarray, near: float) -> None:
        """`upper_edge` and `lower_edge` of the lips."""
        thickness = (1 - 0.45 * shape[:, PRESS, None]) * (1 + 0.4 * shape[:, ROUND, None]) * near
        profile = _arch(across)
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


def _arch(across: np.ndarray) -> np.ndarray:
    """Half an ellipse: 1 in the middle, 0 from -1 and 1 outwards."""
    return np.sqrt(np.clip(1 - np.square(across), 0, 1))


def _around(least: np.ndarray, most: np.ndarray, spare: int) -> slice:
    return slice(max(0, int(least.min()) - spare), min(MOUTH_SIZE_PX, int(most.max()) + spare))


def _blend(picture: np.ndarray, grey: np.ndarray | float, mask: np.ndarray) -> None:
    """Lay a grey over the picture where the mask is, in place."""
    difference = grey - picture
    difference *= mask
    picture += difference


def _paint_lips(picture: np.ndarray, face: Face, curves: _Curves) -> None:
    shadow_top = curves.lower_edge + 1.0
    shadow = curves.between(shadow_top, shadow_top + 5, 5.0)
    shadow *= 0.5 * curves.opening[:, None, :]
    _blend(picture, face.tone * 0.7, shadow)
    upper = curves.between(curves.upper_edge, curves.top, 1.4)
    _blend(picture, face.lip_grey * 0.88, upper)
    lower = curves.between(curves.bottom, curves.lower_edge, 1.4)
    _blend(picture, face.lip_grey, lower)
    middle = 0.55 * curves.bottom + 0.45 * curves.lower_edge
    gloss = curves.between(middle - 1, middle + 1, 3.0)
    gloss *= 0.3 * (curves.opening**2)[:, None, :]
    _blend(picture, face.tone * 1.25, gloss)


def _paint_inside(picture: np.ndarray, face: Face, shape: np.ndarray, curves: _Curves) -> None:
    gap = np.maximum(curves.bottom - curves.top, 0)
    _blend(picture, 0.12 * face.tone + 12, curves.between(curves.top - 0.4, curves.bottom + 0.4))
    tip = np.square(_arch(curves.x / (0.62 * face.half_width)))
    raised = shape[:, TONGUE, None]
    tongue_top = curves.bottom - gap * tip * (0.3 + 0.62 * raised) + 2 * (tip == 0)
    tongue_grey = face.tone * (0.42 + 0.28 * raised)[:, :, None]
    _blend(picture, tongue_grey, curves.between(tongue_top, curves.bottom - 0.5, 1.5))
    _paint_teeth(picture, face, shape, curves, gap)
    out = shape[:, BETWEEN, None] * tip
    bite = curves.top + 0.35 * gap
    tongue = curves.between(bite, bite + 0.6 * gap * out)
    tongue *= np.clip(2 * out, 0, 1)[:, None, :]
    _blend(picture, face.tone * 0.74, tongue)


def _paint_teeth(picture: np.ndarray, face: Face, shape: np.ndarray, curves: _Curves, gap: np.ndarray) -> None:
    arch = _arch(curves.x / (0.8 * face.half_width))
    lines = np.cos(curves.x * (2 * np.pi / 6.0)) > 0.8  # from tooth to tooth
    grey = (face.teeth_grey * (0.72 + 0.28 * arch) * (1 - 0.1 * lines))[:, None, :]
    low = np.minimum(0.6 * face.teeth * shape[:, LOWER, None] * arch, 0.5 * gap)
    lower = curves.between(curves.bottom - low, curves.bottom - 0.3)
    high = np.minimum(face.teeth * shape[:, UPPER, None] * arch, gap)
    upper = curves.between(curves.top + 0.3, curves.top + high)
    for row, length, brightness in ((lower, low, 0.86), (upper, high, 1.0)):
        row *= (length > 0.4)[:, None, :]
        _blend(picture, brightness * grey, row)


def _photograph(picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Light from one side, a camera's gain and noise: uint8 (T, 96, 96)."""
    across = np.linspace(-1, 1, MOUTH_SIZE_PX, dtype=np.float32)
    side, above, gain = draw.normal(0, 0.1), draw.normal(-0.05, 0.06), draw.uniform(0.82, 1.12)
    picture *= (gain * (1 + side * across[None, :] + above * across[:, None])).astype(np.float32)
    noise = draw.standard_normal((2 * MOUTH_SIZE_PX, 2 * MOUTH_SIZE_PX), dtype=np.float32)
    noise *= np.float32(draw.uniform(1.0, 4.0))
    for frame, (y, x) in zip(picture, draw.integers(MOUTH_SIZE_PX, size=(len(picture), 2)), strict=True):
        frame += noise[y : y + MOUTH_SIZE_PX, x : x + MOUTH_SIZE_PX]
    np.rint(picture, out=picture)
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)


def _skin(tone: float, draw: np.random.Generator) -> np.ndarray:
    """The face without its mouth: float32 (128, 128), the mouth's middle in its middle."""
    y, x = np.mgrid[:_SKIN_PX, :_SKIN_PX].astype(np.float32) - _SKIN_PX / 2
    light = np.ones_like(x)
    light -= 0.22 * np.clip((np.abs(x) - 20) / 44, 0, 1) ** 2 * draw.uniform(0.6, 1.4)  # cheeks turn away
    nose = draw.uniform(31, 37)
    for side in (-1, 1):
        light -= 0.55 * _spot(x - side * draw.uniform(6, 9), y + nose, 3.4, 2.2)  # nostrils
        fold = side * (26 + 0.33 * (y + 18) + draw.uniform(-3, 3))
        light -= draw.uniform(0.02, 0.16) * np.exp(-np.square((x - fold) / 2.5)) * _spot(0 * x, y + 12, 1, 20)
    light -= draw.uniform(0.02, 0.1) * _spot(x, y + 20, 2.5, 9)  # the groove under the nose
    light -= draw.uniform(0.05, 0.16) * _spot(x, y - 21, 17, 4)  # under the lower lip
    light += draw.uniform(0.02, 0.1) * _spot(x, y - 36, 14, 9)  # the chin
    light -= 0.4 * np.clip((y - 44) / 20, 0, 1)  # below the chin
    if draw.random() < 0.35:
        light -= _beard(x, y, draw)
    return (tone * light + _blotches(draw)).astype(np.float32)


def _spot(x: np.ndarray, y: np.ndarray, wide: float, high: float) -> np.ndarray:
    return np.exp(-np.square(x / wide) - np.square(y / high))


def _beard(x: np.ndarray, y: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """How much darker stubble or a beard makes the skin."""
    chin = np.clip((np.hypot(x / 1.1, y + 4) - 26) / 8, 0, 1) * np.clip((y + 16) / 14, 0, 1)
    upper = _spot(x, y + 15, 26, 7) * draw.uniform(0.3, 1)
    hairs = 0.7 + 0.3 * draw.standard_normal(x.shape).clip(-2, 2)
    return draw.uniform(0.1, 0.45) * np.maximum(chin, upper) * hairs


def _blotches(draw: np.random.Generator) -> np.ndarray:
    """Uneven skin: smooth noise of a few greys."""
    coarse = draw.normal(0, 3.0, (_SKIN_PX // 8, _SKIN_PX // 8))
    smooth = np.kron(coarse, np.ones((8, 8)))
    box = np.ones(9) / 9
    for axis in (0, 1):
        smooth = np.apply_along_axis(np.convolve, axis, smooth, box, "same")
    return smooth + draw.normal(0, 1.5, smooth.shape)
