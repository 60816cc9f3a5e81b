"""False findings of the primary test in simulated studies whose truth is known, thousands at a time.

    python bench/calibration.py

Prints how often a null effect is called significant when the test's assumptions do not hold: four arms that do not differ,
seeds that move all arms alike with half of the variance, SD 0.3 points, 20 000 studies a row. The test suite
(`tests/ablation/stats/test_calibration.py`) covers the case in which they hold, with the same functions. It also checks on
single studies that the formulas on whole arrays below decide as `compare` does; `compare` itself takes 0.1 s a study.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.interpolate import CubicSpline

from ablation.stats.dunnett import critical
from ablation.stats.power import Design, detectable
from ablation.stats.spreads import ARM_DOUBT, BASELINE_DOUBT, DOUBT, ENOUGH_DF

STUDIES, ARMS, SEED_SD = 20_000, 4, 0.003  # arms with the baseline
CORRELATION = (0.5**0.5,) * (ARMS - 1)  # of each arm's difference with the common factor, the baseline


def draw(
    seeds: int, rng: np.random.Generator, *, shared: float, spreads: Sequence[float] = (1,) * ARMS, heavy: bool = False
) -> np.ndarray:
    """Return deviations of WER by seed (studies, arms, seeds). `shared` of the variance moves all arms alike.

    `spreads` multiplies each arm's own variation; `heavy` draws it from a t distribution with 3 degrees of freedom.
    """
    shape = (STUDIES, ARMS, seeds)
    alike = np.sqrt(shared) * rng.normal(0, SEED_SD, (STUDIES, 1, seeds))
    own = SEED_SD * rng.standard_t(3, shape) / 3**0.5 if heavy else rng.normal(0, SEED_SD, shape)
    return alike + np.sqrt(1 - shared) * own * np.array(spreads)[:, None]


def residual(wer: np.ndarray, *, paired: bool) -> np.ndarray:
    """Return the sums of squares around arms, and around seeds if paired: (studies,)."""
    rest = wer - wer.mean(2, keepdims=True)
    return ((rest - rest.mean(1, keepdims=True) * paired) ** 2).sum((1, 2))


def pooled(wer: np.ndarray, *, paired: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Return differences to the first arm (studies, arms - 1), their standard error (studies, 1) and its df."""
    df = (wer.shape[1] - paired) * (wer.shape[2] - 1)
    error = np.sqrt(residual(wer, paired=paired) / df * 2 / wer.shape[2])
    return (wer[:, 1:] - wer[:, :1]).mean(2), error[:, None], df


def called(wer: np.ndarray, *, paired: bool = True, level: float = 0.05) -> np.ndarray:
    """Return the arms that the pooled spread alone calls different: (studies, arms - 1)."""
    difference, error, df = pooled(wer, paired=paired)
    return abs(difference) / error > critical(level, CORRELATION, df)


def found(wer: np.ndarray, *, paired: bool = True, wary: bool = False) -> np.ndarray:
    """Return the arms that the primary test calls different at 5 %: (studies, arms - 1)."""
    odd, difference = odd_arms(wer, paired=paired, wary=wary), abs(pooled(wer, paired=paired)[0])
    reach = np.where(odd, apart(wer, paired=paired).reach(wer.shape[2], wer.shape[1] - 1), 0.0)
    return called(wer, paired=paired) & (difference > np.maximum(reach[:, 1:], reach[:, :1]))


def doubted(wer: np.ndarray, *, paired: bool = True, wary: bool = False) -> np.ndarray:
    """Return the arms that are judged by separate spreads as well: (studies, arms - 1)."""
    odd = odd_arms(wer, paired=paired, wary=wary)
    return odd[:, 1:] | odd[:, :1]


def odd_arms(wer: np.ndarray, *, paired: bool, wary: bool) -> np.ndarray:
    """Return the arms, the baseline included, that vary more than the others: (studies, arms)."""
    spread = apart(wer, paired=paired)
    p = stats.f.sf(spread.square / spread.rest, spread.df, spread.rest_df)
    high = p <= np.array([BASELINE_DOUBT, *[ARM_DOUBT] * (p.shape[1] - 1)])
    return high & (wary | (spread.df >= ENOUGH_DF) | (p * p.shape[1] <= DOUBT))


@dataclass(frozen=True)
class Apart:
    """One variance of an arm and one of all others, for every arm: `square` and `rest` are (studies, arms)."""

    square: np.ndarray
    rest: np.ndarray
    df: int
    rest_df: int
    share: float

    def reach(self, seeds: int, arms: int, level: float = 0.05) -> np.ndarray:
        """Return the difference to the baseline that is significant if this arm varies otherwise: (studies, arms)."""
        own = 1 / seeds / self.share
        parts = np.stack([own * self.square, (2 / seeds - own) * self.rest])
        df = parts.sum(0) ** 2 / (parts[0] ** 2 / self.df + parts[1] ** 2 / self.rest_df)
        return np.sqrt(parts.sum(0)) * criticals(level, (0.5**0.5,) * arms, df)


def apart(wer: np.ndarray, *, paired: bool) -> Apart:
    """Estimate the spreads of complete studies (studies, arms, seeds)."""
    arms, seeds = wer.shape[1:]
    rest = np.stack([residual(np.delete(wer, arm, 1), paired=paired) for arm in range(arms)], axis=1)
    df, rest_df = seeds - 1, (arms - 1 - paired) * (seeds - 1)
    square = (residual(wer, paired=paired)[:, None] - rest) / df
    return Apart(square, rest / rest_df, df, rest_df, 1 - paired / arms)


def criticals(level: float, loadings: tuple[float, ...], df: np.ndarray) -> np.ndarray:
    """Return Dunnett's critical values for many degrees of freedom, interpolated with an error below 0.001."""
    ends = 1 / (df.max() + 1e-6), 1 / (df.min() - 1e-6)
    nodes = np.linspace(*np.round(ends, 9), 9)
    values = [np.log(critical(level, loadings, float(1 / node))) for node in nodes]
    return np.exp(CubicSpline(nodes, values)(1 / df))


def over_conditions(seeds: int, conditions: int, alike: float, rng: np.random.Generator) -> float:
    """Return the share of studies with any finding over arms *and* conditions after Holm; conditions correlate by `alike`.

    An arm has a finding if the first step of Holm finds one.
    """
    common = draw(seeds, rng, shared=0.5)
    wers = [alike**0.5 * common + (1 - alike) ** 0.5 * draw(seeds, rng, shared=0.5) for _ in range(conditions)]
    return float(np.any([called(wer, level=0.05 / conditions).any(1) for wer in wers], axis=0).mean())


CASES: Sequence[tuple[str, Sequence[float], bool]] = [
    ("as assumed", (1, 1, 1, 1), False),
    ("last arm varies 3 times as much", (1, 1, 1, 3), False),
    ("last arm varies a third as much", (1, 1, 1, 1 / 3), False),
    ("baseline varies 3 times as much", (3, 1, 1, 1), False),
    ("baseline varies 10 times as much", (10, 1, 1, 1), False),
    ("last arm varies 10 times as much", (1, 1, 1, 10), False),
    ("spreads from 0.7 to 1.4, the baseline most", tuple(np.geomspace(1.4, 0.7, ARMS)), False),
    ("heavy tails: t with 3 df", (1, 1, 1, 1), True),
]


def finds_one(seeds: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the shares of arms found by the pooled spread alone, by the test, and by a wary one, if all vary equally.

    All arms differ by what the pooled spread alone finds in 80 % of studies.
    """
    size = detectable(Design(ARMS - 1, seeds, 1), SEED_SD * 0.5**0.5)
    assert size is not None
    wer = draw(seeds, rng, shared=0.5) + np.array([0, *[size] * (ARMS - 1)])[:, None]
    return float(called(wer).mean()), float(found(wer).mean()), float(found(wer, wary=True).mean())


def main() -> None:
    """Print two tables."""
    rng = np.random.default_rng(0)
    rows: list[tuple[int, str, float, float, float]] = []
    for seeds in (3, 4, 5, 6, 8, 10):
        for name, spreads, heavy in CASES:
            wer = draw(seeds, rng, shared=0.5, spreads=spreads, heavy=heavy)
            each = called(wer), found(wer), found(wer, wary=True)
            rows.append((seeds, name, *(float(arms.any(1).mean()) for arms in each)))
        for alike in (0.0, 0.8):
            share = over_conditions(seeds, 5, alike, rng)
            rows.append((seeds, f"5 conditions, correlation {alike:g}", share, np.nan, np.nan))
    heads = ["pooled spread", "the test", "wary"]
    table = pd.DataFrame(rows, columns=["seeds", "any finding", *heads])
    print(table.round(3).to_string(index=False), flush=True)
    power = [(seeds, *finds_one(seeds, rng)) for seeds in (3, 4, 5, 6, 8, 10)]
    print(pd.DataFrame(power, columns=["seeds", *heads]).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
