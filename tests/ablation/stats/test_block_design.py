"""Arms x seeds by least squares, against formulas by hand and a regression on plain dummy columns."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.stats.block_design import fit, loadings
from ablation.stats.dunnett import tail

SEEDS = 4
WERS = np.random.default_rng(3).normal(0.2, 0.01, (3, SEEDS)) + np.array([0.02, 0, -0.01, 0.03])
ARMS = ["baseline", "a", "b"]


def trials(missing: set[tuple[str, int]] = frozenset()) -> pd.DataFrame:  # type: ignore[assignment]
    rows = [(arm, seed, WERS[i, seed]) for i, arm in enumerate(ARMS) for seed in range(SEEDS)]
    return pd.DataFrame([row for row in rows if row[:2] not in missing], columns=["arm", "seed", "wer"])


def test_a_complete_study_is_the_textbooks_randomised_blocks() -> None:
    found = fit(trials(), "baseline", ["a", "b"], paired=True)
    rest = WERS - WERS.mean(0) - WERS.mean(1, keepdims=True) + WERS.mean()
    assert found.df == 2 * (SEEDS - 1)
    assert found.sd == pytest.approx(np.sqrt((rest**2).sum() / found.df))
    assert found.differences == pytest.approx((WERS[1:] - WERS[0]).mean(1))
    assert found.scale == pytest.approx([np.sqrt(2 / SEEDS)] * 2)
    assert found.correlation == pytest.approx(np.array([[1, 0.5], [0.5, 1]]))


def test_unpaired_arms_are_the_one_way_layout() -> None:
    found = fit(trials(), "baseline", ["a", "b"], paired=False)
    assert found.df == 3 * (SEEDS - 1)
    assert found.sd == pytest.approx(np.sqrt(WERS.var(axis=1, ddof=1).mean()))


MISSING = {("a", 0), ("b", 3), ("b", 1)}


def test_missing_trials_give_the_regression_on_arms_and_seeds() -> None:
    table = trials(MISSING)
    columns = [table["arm"] == "a", table["arm"] == "b", *(table["seed"] == seed for seed in range(SEEDS))]
    design = np.stack(columns, axis=1).astype(float)
    effects, rest, rank, _ = np.linalg.lstsq(design, table["wer"], rcond=None)
    found = fit(table, "baseline", ["a", "b"], paired=True)
    assert found.differences == pytest.approx(effects[:2])
    assert found.df == len(table) - rank
    assert found.sd == pytest.approx(np.sqrt(rest[0] / found.df))
    covariance = np.linalg.inv(design.T @ design)[:2, :2]
    assert found.scale == pytest.approx(np.sqrt(covariance.diagonal()))


def test_p_with_missing_trials_is_that_of_the_multivariate_t() -> None:
    rng = np.random.default_rng(0)
    names = ["baseline", *"abcd"]
    rows = [(arm, seed, rng.normal()) for arm in names for seed in range(4) if arm == "baseline" or rng.random() < 0.8]
    found = fit(pd.DataFrame(rows, columns=["arm", "seed", "wer"]), "baseline", names[1:], paired=True)
    assert not np.allclose(found.correlation[np.triu_indices(4, 1)], 0.5)
    for t in (2.0, 3.5):
        box = np.full(4, t)
        joint = stats.multivariate_t(shape=found.correlation, df=found.df, seed=1)
        oracle = 1 - joint.cdf(box, lower_limit=-box, maxpts=200_000)
        assert tail(t, loadings(found.correlation), found.df) == pytest.approx(oracle, abs=2e-3)


def test_arms_that_no_seed_connects_cannot_be_compared() -> None:
    apart = trials({("a", 0), ("a", 1), ("b", 0), ("b", 1), ("baseline", 2), ("baseline", 3)})
    with pytest.raises(ValueError, match="shares no seed"):
        fit(apart, "baseline", ["a"], paired=True)
