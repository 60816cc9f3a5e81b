"""How often the primary test calls a null effect significant when its assumptions do not hold: simulated studies.

    python bench/calibration.py

Four arms of which none differs, seeds that move all arms alike with half of the variance, SD 0.3 points, 20 000 studies a
row. The tests of the suite (`tests/ablation/stats/test_calibration.py`) cover the case in which the assumptions hold.
"""

import numpy as np
import pandas as pd
from scipy import stats

from ablation.stats.dunnett import critical
from ablation.stats.spreads import DOUBT

STUDIES, ARMS, SD, HALF = 20_000, 4, 0.003, 0.5**0.5


def t_values(wer: np.ndarray) -> tuple[np.ndarray, int]:
    """Paired and pooled t of every arm but the first: (studies, arms - 1), and their freedom, for (studies, arms, seeds)."""
    rest = wer - wer.mean(1, keepdims=True) - wer.mean(2, keepdims=True) + wer.mean((1, 2), keepdims=True)
    freedom = (wer.shape[1] - 1) * (wer.shape[2] - 1)
    error = np.sqrt((rest**2).sum((1, 2)) / freedom * 2 / wer.shape[2])
    return (wer[:, 1:] - wer[:, :1]).mean(2) / error[:, None], freedom


def draw(seeds: int, spreads: list[float], rng: np.random.Generator, heavy: bool = False) -> np.ndarray:
    """WERs of null studies; `spreads` multiplies each arm's own variation, `heavy` draws it from a t with 3 df."""
    shape = (STUDIES, ARMS, seeds)
    own = rng.standard_t(3, shape) / 3**0.5 if heavy else rng.normal(size=shape)
    return SD * HALF * (own * np.array(spreads)[:, None] + rng.normal(size=(STUDIES, 1, seeds)))


def any_finding(wer: np.ndarray) -> tuple[float, float]:
    """Shares of studies with any finding: by the pooled spread alone, and with doubts as in `ablation.stats.spreads`."""
    t, freedom = t_values(wer)
    called = abs(t) > critical(0.05, (HALF,) * (ARMS - 1), freedom)
    careful = called & (by_own_spread(wer) | ~doubted(wer))
    return float(called.any(1).mean()), float(careful.any(1).mean())


def squares(wer: np.ndarray) -> np.ndarray:
    """Residual sums of squares around arms and seeds."""
    rest = wer - wer.mean(2, keepdims=True)
    return ((rest - rest.mean(1, keepdims=True)) ** 2).sum((1, 2))


def doubted(wer: np.ndarray) -> np.ndarray:
    """Arms but the first that vary more than the rest, or all where the first does."""
    seeds = wer.shape[2]
    left = np.stack([squares(np.delete(wer, arm, 1)) for arm in range(ARMS)], axis=1)
    ratio = (squares(wer)[:, None] - left) * (ARMS - 2) / left
    odd = stats.f.sf(ratio, seeds - 1, (ARMS - 2) * (seeds - 1)) * ARMS <= DOUBT
    return odd[:, 1:] | odd[:, :1]


def by_own_spread(wer: np.ndarray) -> np.ndarray:
    """Arms that differ by paired t tests with Bonferroni's correction."""
    return stats.ttest_rel(wer[:, 1:], wer[:, :1], axis=2).pvalue * (ARMS - 1) <= 0.05


def over_conditions(seeds: int, conditions: int, alike: float, rng: np.random.Generator) -> float:
    """Share of studies with any finding over arms *and* conditions after Holm; conditions correlate by `alike`.

    An arm's first step of Holm decides whether it has any finding.
    """
    common = draw(seeds, [1] * ARMS, rng)
    wers = [alike**0.5 * common + (1 - alike) ** 0.5 * draw(seeds, [1] * ARMS, rng) for _ in range(conditions)]
    results = [t_values(wer) for wer in wers]
    reach = critical(0.05 / conditions, (HALF,) * (ARMS - 1), results[0][1])
    return float((np.max([abs(t).max(1) for t, _ in results], axis=0) > reach).mean())


def main() -> None:
    """Print a table."""
    rng = np.random.default_rng(0)
    rows = []
    for seeds in (3, 5, 10):
        for name, spreads, heavy in [
            ("as assumed", [1, 1, 1, 1], False),
            ("last arm varies 3 times as much", [1, 1, 1, 3], False),
            ("last arm varies a third as much", [1, 1, 1, 1 / 3], False),
            ("baseline varies 3 times as much", [3, 1, 1, 1], False),
            ("baseline varies 10 times as much", [10, 1, 1, 1], False),
            ("last arm varies 10 times as much", [1, 1, 1, 10], False),
            ("heavy tails: t with 3 df", [1, 1, 1, 1], True),
        ]:
            rows.append((seeds, name, *any_finding(draw(seeds, [*map(float, spreads)], rng, heavy))))
        for alike in (0.0, 0.8):
            rows.append((seeds, f"5 conditions, correlation {alike:g}", over_conditions(seeds, 5, alike, rng), np.nan))
    table = pd.DataFrame(rows, columns=["seeds", "studies", "any finding, pooled spread", "with doubts"])
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
