"""The method section: how the texts of a study were normalised, with the version that its study.json states."""

import re
from typing import Any

import pandas as pd
import pytest

from ablation.decisions.comparable import Scored, obstacle
from ablation.plan.plan import plan_from_mapping
from ablation.records import Study
from ablation.report.method import method, normalisation
from common.normalise import VERSION


def study(**other: Any) -> Study:
    empty = {
        "study": "s",
        "preset": "tiny",
        "corpus": {"fingerprint": "ab"},
        "conditions": ["clean"],
        "arms": [],
        "trials": [],
    }
    return Study.model_validate(empty | {"seeds": [1]} | other)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({}, "`basic`, version 1: Unicode NFKC, lower case"),
        (
            {"normalise": "basic", "normalise_version": VERSION},
            f"`basic`, version {VERSION}: .* letters with their marks",
        ),
        (
            {"normalise": "none", "normalise_version": VERSION},
            f"`none`, version {VERSION}: texts are compared as they are",
        ),
    ],
)
def test_the_report_states_the_normalisation(stated: dict[str, Any], said: str) -> None:
    assert re.search(said, normalisation(study(**stated)))
    assert normalisation(study(**stated)) in method(study(**stated))


def test_the_report_says_what_cer_counts() -> None:
    assert any("grapheme cluster" in text for text in method(study(metrics=["wer", "cer"])))


@pytest.mark.parametrize("imported", [None, {"format": "trn", "files": 4, "patterns": []}], ids=["own", "imported"])
def test_each_sentence_of_the_method_ends(imported: dict[str, Any] | None) -> None:
    texts = method(study(seeds=[1, 2], margin_points=1, imported=imported))
    assert [
        found for text in texts for found in re.findall(r"[\w)] (?:A|All|Confidence|If|It|The|Trials) .*", text)
    ] == []
    assert any("the residual variance is pooled over all arms. If one arm varies" in text for text in texts)
    assert {text[-1] for text in texts} == {"."}


def test_a_champion_of_another_normalisation_is_not_comparable() -> None:
    counts = pd.DataFrame({"condition": ["clean"]})
    sides = [Scored.of(study(normalise=name), counts) for name in ("basic", "none")]
    assert "scored with `normalise: basic`, and this study with `normalise: none`" in str(obstacle(*sides))


def test_a_plan_keeps_its_normalisation_and_older_plans_their_form() -> None:
    plain = plan_from_mapping({"study": "s"})
    assert (plain.normalise, "normalise" in plain.as_mapping()) == ("basic", False)
    chosen = plan_from_mapping({"study": "s", "normalise": "None"})
    assert plan_from_mapping(chosen.as_mapping()) == chosen
    assert chosen.normalise == "none"
