"""The shipped spreads: what fits a plan best, and that they are measured and not the assumption."""

import pandas as pd
import pytest

from ablation.stats.power import ASSUMED_SPREAD_POINTS
from ablation.stats.shipped_spreads import COLUMNS, TABLE, shipped

FOUNDING, STEPS = "synthetic://talking-mouth?train=2000&test=300", 700


def test_the_founding_plan_has_its_own_measurement() -> None:
    found = shipped("tiny", FOUNDING, STEPS, ["clean", "babble_-5db", "babble_-7db", "street_4db"])
    assert found is not None
    assert FOUNDING in found.source
    points = {name: 100 * spread.wer for name, spread in found.spreads.items()}
    assert all(0.5 < value < 4 for value in points.values())
    assert points["babble_-7db"] == points["babble_-5db"]
    table = pd.read_csv(TABLE).set_index(["corpus", "steps", "condition"])
    assert points["street_4db"] == pytest.approx(table.loc[(FOUNDING, STEPS, "babble_5db"), "sd_points"])


@pytest.mark.parametrize(
    ("corpus", "steps", "measured"),
    [
        ("synthetic://talking-mouth?train=300", 240, "250 steps"),
        ("grid://data/grid", 1500, "700 steps"),
        ("synthetic://talking-mouth?train=64&test=16&valid=8", 700, "700 steps"),
        ("lrs3://elsewhere", 12, "250 steps"),
    ],
)
def test_the_nearest_training_counts(corpus: str, steps: int, measured: str) -> None:
    found = shipped("tiny", corpus, steps, ["clean"])
    assert found is not None
    assert measured in found.source


def test_a_study_that_recognises_nothing_has_no_spread() -> None:
    found = shipped("tiny", "synthetic://talking-mouth?train=64&test=16&valid=8", 12, ["clean", "babble_0db"])
    assert found is not None
    assert (found.spreads, found.saturated) == ({}, ("clean", "babble_0db"))


def test_presets_that_nobody_measured_have_none() -> None:
    assert shipped("large", FOUNDING, STEPS, ["clean"]) is None


def test_the_table_is_whole() -> None:
    table = pd.read_csv(TABLE)
    assert table.columns.tolist() == COLUMNS
    assert not table.duplicated(["preset", "corpus", "steps", "condition"]).any()
    assert table[["sd_points", "df", "source"]].notna().all(axis=None)
    assert (table.loc[table["sd_points"] > 0, "sd_points"] > ASSUMED_SPREAD_POINTS).all()
