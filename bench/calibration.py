"""False findings of the primary test in simulated studies whose truth is known, thousands at a time.

    python bench/calibration.py

Prints how often a null effect is called significant when the test's assumptions do not hold: four arms that do not differ,
seeds that move all arms alike with half of the variance, SD 0.3 points, 20 000 studies a row. The test suite
(`tests/ablation/stats/test_calibration.py`) covers the case in which they hold, with the same functions. It also checks on
single studies that the formulas on whole arrays below decide as `compare` does; `compare` itself takes 0.1 s a study.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ablation.stats.dunnett import critical
from ablation.stats.spreads import DOUBT

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


def found(wer: np.ndarray, *, paired: bool = True) -> np.ndarray:
    """Return the arms that the primary test calls different at 5 %: (studies, arms - 1)."""
    return called(wer, paired=paired) & (by_own_spread(wer, paired=paired) | ~doubted(wer, paired=paired))


def doubted(wer: np.ndarray, *, paired: bool = True) -> np.ndarray:
    """Return the arms that are judged by their own spread as well: (studies, arms - 1)."""
    seeds = wer.shape[2]
    whole, df = residual(wer, paired=paired), (ARMS - 1 - paired) * (seeds - 1)
    rest = np.stack([residual(np.delete(wer, arm, 1), paired=paired) for arm in range(ARMS)], axis=1)
    ratio = (whole[:, None] - rest) / (seeds - 1) / (rest / df)
    odd = stats.f.sf(ratio, seeds - 1, df) * ARMS <= DOUBT
    return odd[:, 1:] | odd[:, :1]


def by_own_spread(wer: np.ndarray, *, paired: bool = True) -> np.ndarray:
    """Return the arms that differ by the paired t test, or Welch's, with Bonferroni's correction, or have no spread."""
    seeds, difference = wer.shape[2], wer[:, 1:] - wer[:, :1]
    parts = (
        difference.var(2, ddof=1)[..., None]
        if paired
        else np.stack(np.broadcast_arrays(wer[:, 1:].var(2, ddof=1), wer[:, :1].var(2, ddof=1)), axis=2)
    )
    error = np.sqrt(parts.sum(2) / seeds)
    df = (seeds - 1) * parts.sum(2) ** 2 / (parts**2).sum(2).clip(1e-300)
    p = 2 * stats.t.sf(abs(difference.mean(2)) / error.clip(1e-300), df.clip(1))
    return (p * (ARMS - 1) <= 0.05) | (error < 1e-12)


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
    ("heavy tails: t with 3 df", (1, 1, 1, 1), True),
]


def main() -> None:
    """Print a table."""
    rng = np.random.default_rng(0)
    rows: list[tuple[int, str, float, float]] = []
    for seeds in (3, 5, 10):
        for name, spreads, heavy in CASES:
            wer = draw(seeds, rng, shared=0.5, spreads=spreads, heavy=heavy)
            rows.append((seeds, name, called(wer).any(1).mean(), found(wer).any(1).mean()))
        for alike in (0.0, 0.8):
            rows.append((seeds, f"5 conditions, correlation {alike:g}", over_conditions(seeds, 5, alike, rng), np.nan))
    table = pd.DataFrame(rows, columns=["seeds", "studies", "any finding, pooled spread", "with doubts"])
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
