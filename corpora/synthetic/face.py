"""The face of a speaker: its skin and its measures, drawn at random once per speaker."""

from dataclasses import dataclass

import numpy as np

from corpora.schema import MOUTH_SIZE_PX

_MARGIN_PX = 16  # the skin is drawn larger than the picture, since the head moves
SKIN_PX = MOUTH_SIZE_PX + 2 * _MARGIN_PX


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


def _skin(tone: float, draw: np.random.Generator) -> np.ndarray:
    """The face without its mouth: float32 (128, 128), the mouth's middle in its middle."""
    y, x = np.mgrid[:SKIN_PX, :SKIN_PX].astype(np.float32) - SKIN_PX / 2
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
    coarse = draw.normal(0, 3.0, (SKIN_PX // 8, SKIN_PX // 8))
    smooth = np.kron(coarse, np.ones((8, 8)))
    box = np.ones(9) / 9
    for axis in (0, 1):
        smooth = np.apply_along_axis(np.convolve, axis, smooth, box, "same")
    return smooth + draw.normal(0, 1.5, smooth.shape)
