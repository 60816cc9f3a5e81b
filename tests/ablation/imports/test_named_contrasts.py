"""`ablate.compare` with a ladder or a factorial that the caller names."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import ablate

CELLS = {
    "baseline": {"masking": "yes", "siamese": "yes"},
    "b": {"masking": "no", "siamese": "yes"},
    "c": {"masking": "yes", "siamese": "no"},
    "d": {"masking": "no", "siamese": "no"},
}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (arm, seed, "clean", "u", "s", int(rng.normal(100 + 40 * (arm == "d"), 2)), 0, 0, 1000)
        for arm in CELLS
        for seed in (1, 2, 3)
    ]
    columns = ["arm", "seed", "condition", "utterance_id", "speaker", "substitutions", "deletions", "insertions"]
    return pd.DataFrame(rows, columns=[*columns, "reference_words"])


def test_a_ladder_and_a_factorial_of_a_table(frame: pd.DataFrame) -> None:
    rungs = ablate.compare(frame, ladder=["d", "c", "baseline"])
    assert list(rungs["contrast"]) == ["c", "baseline"]
    assert list(rungs["verdict"]) == ["better", "inconclusive"]
    found = ablate.compare(frame, factorial=CELLS).set_index("contrast")
    assert list(found.index) == ["masking=no", "siamese=no", "masking=no x siamese=no"]
    assert found.loc["masking=no x siamese=no", "difference"] == pytest.approx(0.04, abs=0.01)
    assert len(ablate.compare(frame, factorial=CELLS, interaction_order=1)) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ladder": "baseline"}, "two arms or more"),
        ({"ladder": ["basline", "b"]}, "did you mean 'baseline'"),
        ({"ladder": ["b", "b"]}, "every arm once"),
        ({"factorial": {"b": {"x": "1"}}}, "levels of the baseline"),
        ({"factorial": {"baseline": {"x": "1"}, "b": {"y": "1"}}}, "one order"),
        (
            {"factorial": {arm: CELLS[arm] for arm in "bc"} | {"baseline": CELLS["baseline"]}},
            "masking=no, siamese=no has none",
        ),
        ({"factorial": {**CELLS, "d": CELLS["c"]}}, "has none|same one"),
    ],
)
def test_contrasts_that_cannot_be_are_refused(frame: pd.DataFrame, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ablate.UserError, match=said):
        ablate.compare(frame, **given)
