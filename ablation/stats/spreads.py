"""Checks of the assumption that all arms vary about equally between seeds, on which the pooled variance rests.

An F test asks whether one arm varies more than the others: it compares what the arm's trials add to the residual sum of squares
with what the other arms leave (Russell and Bradley, Biometrika 45, 1958, for blocks; exact, also with missing trials). A baseline
that varies more makes all comparisons too liberal; any other arm does so for its own comparison. In these cases a difference
is tested a second time, with one variance for that arm and one for all others, and Satterthwaite's degrees of freedom (as Hasler
and Hothorn, 2008, for a variance per arm; unpaired, it is Welch's test with a pooled second variance). The stricter test counts.

A preliminary test protects only if its level is high (Bancroft, Biometrics 20, 1964), and a high level costs power where all
arms vary equally: most with few seeds, of which the second variance has few degrees of freedom. So the levels are high from
`ENOUGH_DF` degrees of freedom on (six seeds). With fewer seeds only strong evidence decides; weaker evidence adds a `Caution` to a
finding that the second test does not confirm. docs/statistics.md has the error rates and the power.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.stats import tails
from ablation.stats.block_design import Model
from ablation.stats.verdict import Caution

DOUBT = 0.05  # level of the F tests with few seeds, with Bonferroni's correction over the arms
ARM_DOUBT, BASELINE_DOUBT = 0.1, 0.2  # without a correction; the baseline is part of all comparisons
ENOUGH_DF = 5
NO_FREEDOM = 1e-8  # below it, a combination of residuals is fixed by the fit
DF_DIGITS = 3  # equal spreads then have equal critical values, which are kept


@dataclass(frozen=True)
class Apart:
    """The spread of one arm, apart from that of all others.

    `square` is the mean square that its trials add to the fit of the others, with `df` degrees of freedom; `rest` is the variance
    of the others. `share` is the part of the arm's own variance in `square`; the remaining part is `rest`. `mine` are the rows of
    its trials.
    """

    square: float
    df: int
    rest: float
    rest_df: int
    share: float
    mine: np.ndarray

    @property
    def p(self) -> float:
        """p of the hypothesis that the arm varies no more than the others."""
        return float(tails.f_sf(self.square / self.rest, self.df, self.rest_df)) if self.rest > 0 else 0.0

    def error(self, coefficients: np.ndarray) -> tuple[float, float]:
        """Return the standard error of a weighted sum of the trials (`coefficients` of all rows), and Satterthwaite's df."""
        own = float((coefficients[self.mine] ** 2).sum()) / self.share
        parts = np.array([own * self.square, max(float(coefficients @ coefficients) - own, 0.0) * self.rest])
        if not parts.any():
            return 0.0, float(self.df)
        df = parts.sum() ** 2 / (parts**2 / [self.df, self.rest_df]).sum()
        return float(np.sqrt(parts.sum())), round(float(df), DF_DIGITS)


@dataclass(frozen=True)
class Doubt:
    """A reason to distrust the pooled variance, and the spreads to test with as well. `decides`: these tests count."""

    caution: Caution
    spreads: tuple[Apart, ...]
    decides: bool


def doubts(found: Model, baseline: str, judged: Sequence[str], *, wary: bool = False) -> dict[str, Doubt]:
    """Return arm of `judged` -> why the pooled variance is not enough to test it. `found` is the fit of one condition.

    `wary` lets weak evidence decide with any number of seeds.
    """
    spreads = {arm: apart(found, arm) for arm in found.arms}
    doubted = {}
    for arm in judged:
        pair = [(spreads.get(name), name == baseline) for name in (baseline, arm)]
        if doubt := _doubt(pair, len(found.arms), wary):
            doubted[arm] = doubt
    return doubted


def doubt_of(found: Model, arms: Iterable[str], *, wary: bool = False) -> Doubt | None:
    """Return why the pooled variance is not enough to test a contrast of these arms; None if it is."""
    return _doubt([(apart(found, arm), False) for arm in arms], len(found.arms), wary)


def _doubt(spreads: Sequence[tuple[Apart | None, bool]], arms: int, wary: bool) -> Doubt | None:
    """Return the doubt that follows from the spreads of some arms, each with True for the baseline's."""
    seen = [(each, is_base) for each, is_base in spreads if each is not None and each.p <= _level(is_base)]
    shown = [pair for pair in seen if wary or pair[0].df >= ENOUGH_DF or pair[0].p * arms <= DOUBT]
    if not seen:
        return None
    at_baseline = any(is_base for _, is_base in shown)
    caution = Caution.BASELINE_VARIES if at_baseline else Caution.ARM_VARIES if shown else Caution.SPREADS_UNSURE
    return Doubt(caution, tuple(each for each, _ in shown or seen), bool(shown))


def _level(is_baseline: bool) -> float:
    return BASELINE_DOUBT if is_baseline else ARM_DOUBT


def apart(found: Model, arm: str) -> Apart | None:
    """Return the spread of an arm from the fit of all trials; None where it cannot be told from that of the others.

    The residual sum of squares that remains without the arm's trials follows from their residuals and their part of the matrix
    that projects trials on residuals. So nothing has to be fitted again.
    """
    mine = np.flatnonzero(found.places == found.arms.index(arm))
    part, blocks = found.design[mine], found.blocks[mine]
    shared = (blocks[:, None] == blocks) / np.bincount(found.blocks)[blocks]  # a trial's part of the mean of its block
    values, vectors = np.linalg.eigh(np.eye(len(mine)) - shared - part @ found.inverse @ part.T)
    free = values > NO_FREEDOM
    df, rest_df = int(free.sum()), found.df - int(free.sum())
    if df < 1 or rest_df < 1 or not found.sd:
        return None
    added = float(((vectors[:, free].T @ found.residuals[mine]) ** 2 / values[free]).sum())
    rest = max(float(found.residuals @ found.residuals) - added, 0.0)
    return Apart(added / df, df, rest / rest_df, rest_df, float(values[free].mean()), mine)
