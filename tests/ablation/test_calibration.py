"""How often the statistics are wrong when the truth is known: simulated studies, thousands at a time.

A simulated trial is one of 1300 utterances of seven words at a WER of 5 %, as on LRS3's test set; its WER moves by seed
(SD 0.3 points) and by the luck of its words. The studies are judged by formulas on whole arrays; that these are the
test's own is checked on single studies by `compare`.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.bootstrap import TwoLevels, interval, rooted
from ablation.cells import Cells
from ablation.dunnett import critical
from ablation.significance import compare

UTTERANCES, WORDS, WER, SEED_SD = 1300, 7, 0.05, 0.003
ARMS = 4  # with the baseline
STUDIES = 20_000


def simulated(seeds: int, rng: np.random.Generator, *, shared: float, shift: float = 0.0) -> np.ndarray:
    """Errors (studies, arms, seeds). `shared` of the seeds' variance moves all arms alike; `shift` is the second arm's."""
    luck = np.sqrt(shared) * rng.normal(0, SEED_SD, (STUDIES, 1, seeds))
    own = np.sqrt(1 - shared) * rng.normal(0, SEED_SD, (STUDIES, ARMS, seeds))
    rate = WER + luck + own
    rate[:, 1] += shift
    return rng.binomial(UTTERANCES * WORDS, rate.clip(0, 1))


def found(errors: np.ndarray, *, paired: bool) -> np.ndarray:
    """Which arms are called different at 5 %, (studies, arms - 1)."""
    wer = errors / (UTTERANCES * WORDS)
    rest = wer - wer.mean(2, keepdims=True)
    freedom = ARMS * (wer.shape[2] - 1)
    if paired:
        rest, freedom = rest - rest.mean(1, keepdims=True), freedom - wer.shape[2] + 1
    error = np.sqrt((rest**2).sum((1, 2)) / freedom * 2 / wer.shape[2])
    t = (wer[:, 1:] - wer[:, :1]).mean(2) / error[:, None]
    return abs(t) > critical(0.05, (0.5**0.5,) * (ARMS - 1), freedom)


def table(errors: np.ndarray) -> pd.DataFrame:
    """One study's errors (arms, seeds) as counts."""
    names = ["baseline", *(f"arm{n}" for n in range(1, ARMS))]
    rows = [(names[a], s, "clean", errors[a, s], 0, 0, UTTERANCES * WORDS) for a, s in np.ndindex(errors.shape)]
    columns = ["arm", "seed", "condition", "substitutions", "deletions", "insertions", "reference_words"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("paired", [True, False])
def test_the_formulas_are_those_of_the_test(paired: bool) -> None:
    errors = simulated(3, np.random.default_rng(2), shared=0.5, shift=0.01)
    called = found(errors, paired=paired)
    for number in range(12):
        verdicts = compare(table(errors[number]), paired=paired)["verdict"].tolist()[1:]
        assert [verdict in ("earns its place", "harmful") for verdict in verdicts] == called[number].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.95])
def test_false_findings_in_pairs_are_as_many_as_stated(seeds: int, shared: float) -> None:
    """Whether or not seeds move all arms alike, the share of studies with any finding lies in its binomial interval."""
    errors = simulated(seeds, np.random.default_rng(seeds), shared=shared)
    low, high = stats.binom.interval(0.999, STUDIES, 0.05)
    assert low <= found(errors, paired=True).any(1).sum() <= high


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "unpaired", "paired"), [(3, 0.60, 0.72), (5, 0.89, 0.97)])
def test_a_difference_of_one_point_is_found(seeds: int, unpaired: float, paired: float) -> None:
    """Before pairing as often as by the best valid test of independent trials; pairing gains where seeds are shared."""
    rng = np.random.default_rng(seeds)
    apart = simulated(seeds, rng, shared=0.0, shift=0.01)
    assert found(apart, paired=False)[:, 0].mean() > unpaired
    assert found(apart, paired=False)[:, 1:].mean() < 0.05
    together = simulated(seeds, rng, shared=0.5, shift=0.01)
    assert found(together, paired=True)[:, 0].mean() > paired


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
