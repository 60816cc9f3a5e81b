"""Error rates of the statistics in simulated studies whose truth is known, thousands at a time.

A simulated trial is one of 1300 utterances of seven words at a WER of 5 %, as on LRS3's test set; its WER moves by seed
(SD 0.3 points) and by the luck of its words. `bench/calibration.py` judges the studies by formulas on whole arrays; `compare`
confirms the formulas on single studies, as it takes 0.1 s for each.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from calibration import ARMS, STUDIES, called, doubted, draw, found, pooled
from scipy import stats

from ablation.stats.bootstrap import TwoLevels, interval, rooted
from ablation.stats.cells import Cells
from ablation.stats.significance import compare
from ablation.stats.verdict import Caution

TOTAL, WER = 1300 * 7, 0.05  # words of the test set


def simulated(
    seeds: int, rng: np.random.Generator, *, shared: float, shift: float = 0.0, spreads: Sequence[float] = (1, 1, 1, 1)
) -> np.ndarray:
    """Return WERs (studies, arms, seeds) of errors that are counted; `shift` is added to the second arm's rate."""
    rate = WER + draw(seeds, rng, shared=shared, spreads=spreads)
    rate[:, 1] += shift
    return rng.binomial(TOTAL, rate.clip(0, 1)) / TOTAL


def table(wer: np.ndarray) -> pd.DataFrame:
    """Return one study's WERs (arms, seeds) as counts."""
    errors = (wer * TOTAL).round().astype(int)
    names = ["baseline", *(f"arm{n}" for n in range(1, ARMS))]
    rows = [(names[a], s, "clean", errors[a, s], 0, 0, TOTAL) for a, s in np.ndindex(errors.shape)]
    columns = ["arm", "seed", "condition", "substitutions", "deletions", "insertions", "reference_words"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("spreads", [(1, 1, 1, 1), (6, 1, 1, 1), (1, 6, 1, 1)])
def test_the_formulas_are_those_of_the_test(paired: bool, spreads: Sequence[float]) -> None:
    wers = simulated(3, np.random.default_rng(2), shared=0.5, shift=0.01, spreads=spreads)[:12]
    findings, doubts = found(wers, paired=paired), doubted(wers, paired=paired)
    for number in range(12):
        rows = compare(table(wers[number]), paired=paired)[1:]
        assert [word in ("worse", "better") for word in rows["verdict"]] == findings[number].tolist()
        assert rows["caution"].isin([Caution.ARM_VARIES, Caution.BASELINE_VARIES]).tolist() == doubts[number].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.95])
def test_false_findings_in_pairs_are_as_many_as_stated(seeds: int, shared: float) -> None:
    """The share of studies with any finding is in its binomial interval, whether seeds move all arms alike or not."""
    wer = simulated(seeds, np.random.default_rng(seeds), shared=shared)
    low, high = stats.binom.interval(0.999, STUDIES, 0.05)
    assert low <= found(wer).any(1).sum() <= high


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
def test_an_arm_that_varies_more_makes_few_false_findings(seeds: int, times: float, most: float, odd: int) -> None:
    """Fewer than by the pooled spread alone; odd arm 0 is the baseline. Three seeds are too few to see all such spreads."""
    spreads = [times if arm == odd else 1 for arm in range(ARMS)]
    wer = simulated(seeds, np.random.default_rng(seeds), shared=0.5, spreads=spreads)
    assert found(wer).any(1).mean() < most < called(wer).any(1).mean()


MARGIN = 0.02


def shown(wer: np.ndarray) -> np.ndarray:
    """Return the studies that call any arm equivalent, by the first step of Holm."""
    difference, error, df = pooled(wer, paired=True)
    p = stats.t.sf((MARGIN - abs(difference)) / error, df)
    return p.min(1) * difference.shape[1] <= 0.05


def test_equivalence_by_the_formula_is_that_of_the_test() -> None:
    wers = simulated(5, np.random.default_rng(4), shared=0.5)[:6]
    for number in range(6):
        table_p = compare(table(wers[number]), margin_points=100 * MARGIN)["p_equivalent"]
        assert (table_p.min() <= 0.05) == shown(wers)[number]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("arms", [2, ARMS])
def test_a_difference_of_the_margin_is_rarely_called_equivalent(seeds: int, arms: int) -> None:
    """Never in more than 5 % of studies, whatever the number of arms at the edge, and in 5 % with one."""
    wer = simulated(seeds, np.random.default_rng(seeds), shared=0.5)[:, :arms]
    wer[:, 1:] += MARGIN
    low, high = stats.binom.interval(0.999, STUDIES, 0.05)
    assert (low if arms == 2 else low / 2) <= shown(wer).sum() <= high


STUDIES_DRAWN, SPEAKER_WORDS, REPLICATES = 1000, 230, 200


def corpus(rng: np.random.Generator, seeds: int, speakers: int, wer: float, seed_sd: float) -> Cells:
    """Return two arms with a true difference of a twentieth; some speakers are harder for both arms or for one."""
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
    """Each study draws its own seeds and speakers; 93 to 97 % of the intervals contain the true value.

    The bounds allow for chance in 1000 studies, which exceeds them in one of 1000 such tests.
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
