"""A mistyped name gets the nearest one, and those from which to choose."""

import pytest

from common.hints import did_you_mean, did_you_mean_setting

PARTS = ["fusion.scale", "masking"]
SETTINGS = ["training.steps", "training.rate", "encoder.heads", "fusion.width", "seed"]


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("maskin", ": did you mean 'masking'? Known: fusion.scale, masking"),
        ("Scale", ": did you mean 'fusion.scale'? Known: fusion.scale, masking"),
        ("zzz", ". Known: fusion.scale, masking"),
    ],
)
def test_the_nearest_name_is_suggested(word: str, text: str) -> None:
    assert did_you_mean(word, PARTS) == text


EVERYTHING = "Known: fusion.scale, masking, training.*, encoder.*, fusion.*, seed"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("training.step", ": did you mean 'training.steps'? Known: training.steps, training.rate"),
        ("training.of_quite_another_kind", ". Known: training.steps, training.rate"),
        ("trainig.steps", f": did you mean 'training.steps'? {EVERYTHING}"),
        ("fusion.scal", ": did you mean 'fusion.scale'? Known: fusion.scale, fusion.width"),
        ("heads", f": did you mean 'encoder.heads'? {EVERYTHING}"),
        ("zzz", f". {EVERYTHING}"),
    ],
)
def test_a_setting_is_shown_beside_those_of_its_group(key: str, text: str) -> None:
    assert did_you_mean_setting(key, PARTS, SETTINGS) == text
