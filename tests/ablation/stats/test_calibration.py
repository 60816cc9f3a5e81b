"""How often the statistics are wrong when the truth is known: simulated studies, thousands at a time.

A simulated trial is one of 1300 utterances of seven words at a WER of 5 %, as on LRS3's test set; its WER moves by seed
(SD 0.3 points) and by the luck of its words. The studies are judged by formulas on whole arrays; that these are the
test's own is checked on single studies by `compare`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.stats.bootstrap import TwoLevels, interval, rooted
from ablation.stats.cells import Cells
from ablation.stats.dunnett import critical
from ablation.stats.significance import compare
from ablation.stats.spreads import DOUBT

UTTERANCES, WORDS, WER, SEED_SD = 1300, 7, 0.05, 0.003
ARMS = 4  # with the baseline
STUDIES = 20_000


def simulated(
    seeds: int, rng: np.random.Generator, *, shared: float, shift: float = 0.0, spreads: Sequence[float] = (1, 1, 1, 1)
) -> np.ndarray:
    """Errors (studies, arms, seeds). `shared` of the seeds' variance moves all arms alike; `shift` is the second arm's.

    `spreads` multiplies what seeds do to each arm by itself.
    """
    luck = np.sqrt(shared) * rng.normal(0, SEED_SD, (STUDIES, 1, seeds))
    own = np.sqrt(1 - shared) * rng.normal(0, SEED_SD, (STUDIES, ARMS, seeds))
    rate = WER + luck + own * np.array(spreads)[:, None]
    rate[:, 1] += shift
    return rng.binomial(UTTERANCES * WORDS, rate.clip(0, 1))


def residual(wer: np.ndarray, *, paired: bool) -> np.ndarray:
    """Sums of squares around arms, and around seeds if paired: (studies,)."""
    rest = wer - wer.mean(2, keepdims=True)
    return ((rest - rest.mean(1, keepdims=True) * paired) ** 2).sum((1, 2))


def pooled(errors: np.ndarray, *, paired: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Differences to the first arm (studies, arms - 1), their standard error (studies, 1) and its freedom."""
    wer = errors / (UTTERANCES * WORDS)
    freedom = (wer.shape[1] - paired) * (wer.shape[2] - 1)
    error = np.sqrt(residual(wer, paired=paired) / freedom * 2 / wer.shape[2])
    return (wer[:, 1:] - wer[:, :1]).mean(2), error[:, None], freedom


def found(errors: np.ndarray, *, paired: bool) -> np.ndarray:
    """Which arms are called different at 5 %, (studies, arms - 1)."""
    difference, error, freedom = pooled(errors, paired=paired)
    called = abs(difference) / error > critical(0.05, (0.5**0.5,) * (ARMS - 1), freedom)
    return called & (by_own_spread(errors, paired=paired) | ~doubted(errors, paired=paired))


def doubted(errors: np.ndarray, *, paired: bool) -> np.ndarray:
    """Which arms are judged by their own spread, too: (studies, arms - 1)."""
    wer, seeds = errors / (UTTERANCES * WORDS), errors.shape[2]
    whole, freedom = residual(wer, paired=paired), (ARMS - 1 - paired) * (seeds - 1)
    rest = np.stack([residual(np.delete(wer, arm, 1), paired=paired) for arm in range(ARMS)], axis=1)
    ratio = (whole[:, None] - rest) / (seeds - 1) / (rest / freedom)
    odd = stats.f.sf(ratio, seeds - 1, freedom) * ARMS <= DOUBT
    return odd[:, 1:] | odd[:, :1]


def by_own_spread(errors: np.ndarray, *, paired: bool) -> np.ndarray:
    """Which arms differ by the paired t test, or Welch's, with Bonferroni's correction, or have no spread: (studies, arms - 1)."""
    wer, seeds = errors / (UTTERANCES * WORDS), errors.shape[2]
    difference = wer[:, 1:] - wer[:, :1]
    parts = (
        difference.var(2, ddof=1)[..., None]
        if paired
        else np.stack(np.broadcast_arrays(wer[:, 1:].var(2, ddof=1), wer[:, :1].var(2, ddof=1)), axis=2)
    )
    error = np.sqrt(parts.sum(2) / seeds)
    freedom = (seeds - 1) * parts.sum(2) ** 2 / (parts**2).sum(2).clip(1e-300)
    p = 2 * stats.t.sf(abs(difference.mean(2)) / error.clip(1e-300), freedom.clip(1))
    return (p * (ARMS - 1) <= 0.05) | (error < 1e-12)


def table(errors: np.ndarray) -> pd.DataFrame:
    """One study's errors (arms, seeds) as counts."""
    names = ["baseline", *(f"arm{n}" for n in range(1, ARMS))]
    rows = [(names[a], s, "clean", errors[a, s], 0, 0, UTTERANCES * WORDS) for a, s in np.ndindex(errors.shape)]
    columns = ["arm", "seed", "condition", "substitutions", "deletions", "insertions", "reference_words"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("spreads", [(1, 1, 1, 1), (6, 1, 1, 1), (1, 6, 1, 1)])
def test_the_formulas_are_those_of_the_test(paired: bool, spreads: Sequence[float]) -> None:
    errors = simulated(3, np.random.default_rng(2), shared=0.5, shift=0.01, spreads=spreads)[:12]
    called, doubts = found(errors, paired=paired), doubted(errors, paired=paired)
    for number in range(12):
        rows = compare(table(errors[number]), paired=paired)[1:]
        assert [word in ("worse", "better") for word in rows["verdict"]] == called[number].tolist()
        assert (rows["caution"] != "").tolist() == doubts[number].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.95])
def test_false_findings_in_pairs_are_as_many_as_stated(seeds: int, shared: float) -> None:
    """Whether or not seeds move all arms alike, the share of studies with any finding lies in its binomial interval."""
    errors = simulated(seeds, np.random.default_rng(seeds), shared=shared)
    low, high = stats.binom.interval(0.999, STUDIES, 0.05)
    assert low <= found(errors, paired=True).any(1).sum() <= high


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "unpaired", "paired"), [(3, 0.60, 0.72), (5, 0.89, 0.96)])
def test_a_difference_of_one_point_is_found(seeds: int, unpaired: float, paired: float) -> None:
    """Before pairing as often as by the best valid test of independent trials; pairing gains where seeds are shared."""
    rng = np.random.default_rng(seeds)
    apart = simulated(seeds, rng, shared=0.0, shift=0.01)
    assert found(apart, paired=False)[:, 0].mean() > unpaired
    assert found(apart, paired=False)[:, 1:].mean() < 0.05
    together = simulated(seeds, rng, shared=0.5, shift=0.01)
    assert found(together, paired=True)[:, 0].mean() > paired


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "times", "most"), [(3, 10, 0.12), (5, 10, 0.05), (10, 4, 0.06)])
@pytest.mark.parametrize("odd", [0, 3])
def test_an_arm_that_varies_more_does_not_make_many_false_findings(
    seeds: int, times: float, most: float, odd: int
) -> None:
    """Fewer than by the pooled spread alone; odd arm 0 is the baseline. Three seeds are too few to see all such spreads."""
    spreads = [times if arm == odd else 1 for arm in range(ARMS)]
    errors = simulated(seeds, np.random.default_rng(seeds), shared=0.5, spreads=spreads)
    difference, error, freedom = pooled(errors, paired=True)
    alone = abs(difference) / error > critical(0.05, (0.5**0.5,) * (ARMS - 1), freedom)
    assert found(errors, paired=True).any(1).mean() < most < alone.any(1).mean()


MARGIN = 0.02


def shown(errors: np.ndarray) -> np.ndarray:
    """Which studies call any arm equivalent, by the first step of Holm."""
    difference, error, freedom = pooled(errors, paired=True)
    p = stats.t.sf((MARGIN - abs(difference)) / error, freedom)
    return p.min(1) * difference.shape[1] <= 0.05


def test_equivalence_by_the_formula_is_that_of_the_test() -> None:
    errors = simulated(5, np.random.default_rng(4), shared=0.5, shift=0.0)[:6]
    for number in range(6):
        table_p = compare(table(errors[number]), margin_points=100 * MARGIN)["p_equivalent"]
        assert (table_p.min() <= 0.05) == shown(errors)[number]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("arms", [2, ARMS])
def test_a_difference_as_large_as_the_margin_is_seldom_called_equivalent(seeds: int, arms: int) -> None:
    """Never in more than 5 % of studies, whatever the number of arms at the edge, and in 5 % with one."""
    errors = simulated(seeds, np.random.default_rng(seeds), shared=0.5)[:, :arms]
    errors[:, 1:] += round(MARGIN * UTTERANCES * WORDS)
    low, high = stats.binom.interval(0.999, STUDIES, 0.05)
    assert (low if arms == 2 else low / 2) <= shown(errors).sum() <= high


STUDIES_DRAWN, SPEAKER_WORDS, REPLICATES = 1000, 230, 200


def corpus(rng: np.random.Generator, seeds: int, speakers: int, wer: float, seed_sd: float) -> Cells:
    """Two arms with a true difference of a twentieth, on speakers of whom some are harder for everybody, or for one arm."""
    hard = rng.beta(80 * wer, 80 * (1 - wer), speakers)
    moves = rng.normal(0, seed_sd, (1, seeds, 1)) + rng.normal(0, seed_sd, (2, seeds, 1))
    rate = hard * np.array([1, 1.05])[:, None, None] + 0.1 * wer * rng.normal(size=(2, 1, speakers)) + moves
    words = 50 + rng.poisson(rng.gamma(8, (SPEAKER_WORDS - 50) / 8, speakers))
    errors = rng.binomial(words, rate.clip(0, 1))[:, None].astype(float)
    scored = np.ones((2, 1, seeds), bool)
    return Cells(("a", "b"), ("clean",), tuple(range(seeds)), "speaker", errors, words[None].astype(float), scored)


SETTINGS = [
    (3, 10, 0.10, 0.000),
    (3, 40, 0.03, 0.003),
    (3, 40, 0.10, 0.010),
    (3, 20, 0.30, 0.020),
    (5, 40, 0.10, 0.000),
    (5, 10, 0.30, 0.003),
    (10, 40, 0.03, 0.003),
    (10, 20, 0.10, 0.003),
]


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "speakers", "wer", "seed_sd"), SETTINGS)
def test_the_bootstraps_intervals_cover_the_truth(seeds: int, speakers: int, wer: float, seed_sd: float) -> None:
    """Of studies with seeds and speakers of their own, 93 to 97 % of the intervals hold the true value.

    That many of 1000 studies, give or take what chance does in one of 1000 such tests.
    """
    rng = np.random.default_rng(seeds)
    covered = np.zeros(2)
    for _ in range(STUDIES_DRAWN):
        levels = TwoLevels(corpus(rng, seeds, speakers, wer, seed_sd), rng, REPLICATES)
        low, high = rooted(*interval(levels, {0: 1}, 0, np.arange(seeds), 0.95))[1:]
        covered[0] += low <= wer <= high
        low, high = interval(levels, {1: 1, 0: -1}, 0, np.arange(seeds), 0.95)[1:]
        covered[1] += low <= 0.05 * wer <= high
    least, most = stats.binom.ppf(0.0005, STUDIES_DRAWN, 0.93), stats.binom.ppf(0.9995, STUDIES_DRAWN, 0.97)
    assert ((covered >= least) & (covered <= most)).all(), covered / STUDIES_DRAWN
