"""The movement of a mouth, from phonemes: the shape of each sound, and the influence of neighbouring sounds.

Sounds that look the same on the lips share a shape (b, p, m). Sounds that are similar only to the ear do not (b and d, m and n,
f and s). Coarticulation uses dominance functions, after Cohen and Massaro (1993): at any time the shape is a weighted mean of all
nearby targets. So the lips of a `b` close in every word, and their rounding is that of the vowel next to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from corpora.schema import FPS
from corpora.synthetic.espeak import Phoneme

# The columns of a track. `open`: height between the lips; `wide`: corners apart; `round`: lips pursed and forward;
# `press`: lips rolled in; `tuck`: lower lip under the upper teeth; `upper`, `lower`: teeth that show; `tongue`: its tip
# behind the upper teeth; `between`: its tip between the teeth. 0 is none and 1 is a lot.
NAMES = ("open", "wide", "round", "press", "tuck", "upper", "lower", "tongue", "between")
OPEN, WIDE, ROUND, PRESS, TUCK, UPPER, LOWER, TONGUE, BETWEEN = range(len(NAMES))
_LIPS, _SPREAD, _INSIDE = (OPEN, PRESS, TUCK), (WIDE, ROUND), (UPPER, LOWER, TONGUE, BETWEEN)

_FADES_S = 0.038  # how fast the influence of a sound on the mouth decreases before and after it
_HELD = 0.5  # the share of a sound with full influence
_CLOSES_BEFORE_S = 0.012  # the event of a stop is its burst; the closure is earlier
_TARGETS_VARY = 0.05  # two repeats of a sound look slightly different


@dataclass(frozen=True)
class Viseme:
    """A shape, by column, and the weights of the sound for the lips, for their spread, and for teeth and tongue."""

    shape: dict[int, float]
    lips: float = 1.0
    spread: float = 1.0
    inside: float = 1.0
    stop: bool = False

    def row(self) -> np.ndarray:
        """Return the targets, (9,)."""
        return np.array([self.shape.get(column, 0.0) for column in range(len(NAMES))])

    def weights(self) -> np.ndarray:
        """Return the weights, (9,)."""
        weights = np.empty(len(NAMES))
        weights[list(_LIPS)], weights[list(_SPREAD)], weights[list(_INSIDE)] = self.lips, self.spread, self.inside
        return weights


_SILENCE = Viseme({OPEN: 0.0}, lips=1.0, spread=0.6, inside=0.6)
_BILABIAL = Viseme({OPEN: -0.06, PRESS: 1.0}, lips=14, spread=0.15, inside=0.1, stop=True)
_LABIODENTAL = Viseme({OPEN: 0.1, TUCK: 1.0, UPPER: 1.0}, lips=9, spread=0.3, inside=6)
_DENTAL = Viseme({OPEN: 0.26, UPPER: 0.8, BETWEEN: 1.0}, lips=4, spread=0.4, inside=6)
_ALVEOLAR = Viseme({OPEN: 0.27, WIDE: 0.2, UPPER: 0.5, TONGUE: 1.0}, lips=4, spread=0.3, inside=6, stop=True)
_FLAP = Viseme({OPEN: 0.3, UPPER: 0.5, TONGUE: 0.9}, lips=2, spread=0.2, inside=3, stop=True)
_LATERAL = Viseme({OPEN: 0.42, WIDE: 0.1, UPPER: 0.3, TONGUE: 1.0}, lips=3, spread=0.3, inside=5)
_SIBILANT = Viseme({OPEN: 0.2, WIDE: 0.5, UPPER: 1.0, LOWER: 1.0}, lips=5, spread=1, inside=6)
_POSTALVEOLAR = Viseme({OPEN: 0.28, ROUND: 0.6, UPPER: 0.9, LOWER: 0.9}, lips=4, spread=3, inside=5)
_VELAR = Viseme({OPEN: 0.34, UPPER: 0.3}, lips=1, spread=0.15, inside=0.8, stop=True)
_RHOTIC = Viseme({OPEN: 0.24, ROUND: 0.6, UPPER: 0.4, LOWER: 0.2}, lips=2, spread=2, inside=2)
_GLIDE_W = Viseme({OPEN: 0.1, ROUND: 1.0}, lips=5, spread=5, inside=2)
_GLIDE_J = Viseme({OPEN: 0.25, WIDE: 0.7, UPPER: 0.6}, lips=1.5, spread=1, inside=1)
_ASPIRATE = Viseme({OPEN: 0.4, UPPER: 0.3}, lips=0.3, spread=0.1, inside=0.3)

_VOWELS: dict[str, Viseme] = {
    "i": Viseme({OPEN: 0.3, WIDE: 1.0, UPPER: 0.5}),
    "I": Viseme({OPEN: 0.4, WIDE: 0.5, UPPER: 0.35}),
    "e": Viseme({OPEN: 0.5, WIDE: 0.6, UPPER: 0.4}),
    "E": Viseme({OPEN: 0.62, WIDE: 0.45, UPPER: 0.4}),
    "a": Viseme({OPEN: 0.9, WIDE: 0.25, UPPER: 0.4}),
    "A": Viseme({OPEN: 1.0, UPPER: 0.3}),
    "V": Viseme({OPEN: 0.7, UPPER: 0.3}),
    "0": Viseme({OPEN: 0.7, ROUND: 0.5, UPPER: 0.2}),
    "O": Viseme({OPEN: 0.6, ROUND: 0.75, UPPER: 0.1}),
    "o": Viseme({OPEN: 0.5, ROUND: 0.8, UPPER: 0.1}),
    "U": Viseme({OPEN: 0.28, ROUND: 0.85}, spread=1.5),
    "u": Viseme({OPEN: 0.22, ROUND: 1.0}, spread=1.5),
    "@": Viseme({OPEN: 0.4, UPPER: 0.4}, lips=0.6, spread=0.5, inside=0.6),
    "3": Viseme({OPEN: 0.42, ROUND: 0.3, UPPER: 0.4}),
}
_CONSONANTS: dict[str, Viseme] = {
    **dict.fromkeys(("b", "p", "m"), _BILABIAL),
    **dict.fromkeys(("f", "v"), _LABIODENTAL),
    **dict.fromkeys(("T", "D", "t[", "d["), _DENTAL),
    **dict.fromkeys(("t", "d", "n"), _ALVEOLAR),
    "t#": _FLAP,
    "l": _LATERAL,
    **dict.fromkeys(("s", "z"), _SIBILANT),
    **dict.fromkeys(("S", "Z", "tS", "dZ"), _POSTALVEOLAR),
    **dict.fromkeys(("k", "g", "N"), _VELAR),
    "r": _RHOTIC,
    "w": _GLIDE_W,
    "j": _GLIDE_J,
    "h": _ASPIRATE,
}


def visemes(name: str) -> list[Viseme]:
    """Return the shapes of an espeak phoneme in order, two for a diphthong. Raises KeyError for a sound not in the table."""
    bare = name.lstrip("',%=")
    if not bare or bare[0] in "_;|":
        return [_SILENCE] if bare.startswith("_") else []
    if (consonant := _CONSONANTS.get(bare[:2]) or _CONSONANTS.get(bare[0])) is not None:  # `r-` is a kind of r
        return [consonant]
    parts = [_CONSONANTS["l"] if letter == "L" else _VOWELS.get(letter) for letter in bare[1:]]
    return [_VOWELS[bare[0]], *(part for part in parts if part is not None)]


def track(phonemes: Sequence[Phoneme], frames: int, draw: np.random.Generator) -> np.ndarray:
    """Return the shape of the mouth at the middle of every frame: float64 (frames, 9), columns as in `NAMES`, 0 to about 1."""
    sounds = [piece for phoneme in phonemes for piece in _pieces(phoneme)]
    targets = np.stack([viseme.row() for viseme, _, _ in sounds])
    weights = np.stack([viseme.weights() for viseme, _, _ in sounds])
    middles, lengths = (np.array([sound[place] for sound in sounds]) for place in (1, 2))
    targets = targets + draw.normal(0.0, _TARGETS_VARY, targets.shape) * (targets > 0)
    times = (np.arange(frames) + 0.5) / FPS
    away = np.maximum(np.abs(times[:, None] - middles) - lengths * _HELD / 2, 0.0)
    hold = np.exp(-np.square(away / _FADES_S))[:, :, None] * weights + 1e-9
    return np.maximum((hold * targets).sum(1) / hold.sum(1), 0.0)


def _pieces(phoneme: Phoneme) -> list[tuple[Viseme, float, float]]:
    """Return (viseme, middle, length) of each part of a phoneme, in seconds."""
    parts = visemes(phoneme.name)
    length = (phoneme.ends - phoneme.begins) / max(1, len(parts))
    return [
        (viseme, phoneme.begins + (place + 0.5) * length - _CLOSES_BEFORE_S * viseme.stop, length)
        for place, viseme in enumerate(parts)
    ]
