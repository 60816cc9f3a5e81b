"""Draws a moving mouth, 96 x 96 grey. Shapes: T frames, H = W = 96 px.

Everything is bounded by curves y(x), one value per column and frame, with edges about a pixel soft. So all that is done
per pixel is to compare a row with a curve and to blend, and 40 frames take a few milliseconds.
"""

import numpy as np

from corpora.schema import MOUTH_SIZE_PX
from corpora.synthetic.curves import Curves, arch
from corpora.synthetic.face import Face
from corpora.synthetic.head import Head
from corpora.synthetic.visemes import BETWEEN, LOWER, TONGUE, UPPER


def draw_mouth(face: Face, track: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A mouth that follows a track of `visemes.track`, (T, 9): uint8 (T, 96, 96)."""
    shape = track.astype(np.float32)
    head = Head.drawn(len(shape), face, draw)
    curves = Curves(face, shape, head)
    picture = head.skin_under(face, curves.jaw)
    mouth = picture[:, curves.box[0], curves.box[1]]
    _paint_lips(mouth, face, curves)
    _paint_inside(mouth, face, shape, curves)
    return _photograph(picture, draw)


def _blend(picture: np.ndarray, grey: np.ndarray | float, mask: np.ndarray) -> None:
    """Lay a grey over the picture where the mask is, in place."""
    difference = grey - picture
    difference *= mask
    picture += difference


def _paint_lips(picture: np.ndarray, face: Face, curves: Curves) -> None:
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


def _paint_inside(picture: np.ndarray, face: Face, shape: np.ndarray, curves: Curves) -> None:
    gap = np.maximum(curves.bottom - curves.top, 0)
    _blend(picture, 0.12 * face.tone + 12, curves.between(curves.top - 0.4, curves.bottom + 0.4))
    tip = np.square(arch(curves.x / (0.62 * face.half_width)))
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


def _paint_teeth(picture: np.ndarray, face: Face, shape: np.ndarray, curves: Curves, gap: np.ndarray) -> None:
    profile = arch(curves.x / (0.8 * face.half_width))
    lines = np.cos(curves.x * (2 * np.pi / 6.0)) > 0.8  # from tooth to tooth
    grey = (face.teeth_grey * (0.72 + 0.28 * profile) * (1 - 0.1 * lines))[:, None, :]
    low = np.minimum(0.6 * face.teeth * shape[:, LOWER, None] * profile, 0.5 * gap)
    lower = curves.between(curves.bottom - low, curves.bottom - 0.3)
    high = np.minimum(face.teeth * shape[:, UPPER, None] * profile, gap)
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
