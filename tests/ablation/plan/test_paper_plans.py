"""The plans of the paper's tables: their arms, and that every arm says what is fact and what is inferred."""

import json
from pathlib import Path

import pytest

from ablation.plan.arms import expand
from ablation.plan.plan import Plan, plan_from_mapping, read_plan
from model.config import CATALOGUE

FOLDER = Path(__file__).parents[3] / "plans" / "paper"
ARMS = {
    "table-3": ["ladder-0-bare", "ladder-1-fusion", "ladder-2-masking"],
    "table-4a": ["ema", "no-stop-gradient", "no-siamese"],
    "table-4b": ["double-rate", "double-length", "double-both"],
    "table-5a": ["zero-fill", "noise-fill", "only-audio-masked", "only-video-masked"],
    "table-5b": ["last-layer-target", "input-target"],
    "table-5c": ["linear-head", "no-head"],
    "table-5d": ["beta-tenth", "beta-one", "alpha-half", "alpha-two"],
}


def plan(name: str) -> Plan:
    return read_plan(FOLDER / f"{name}.yaml", CATALOGUE)


def test_there_is_one_plan_for_every_table() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(ARMS)


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_is_accepted_and_says_what_is_inferred(name: str) -> None:
    study = plan(name)
    baseline, *arms = expand(study, CATALOGUE)
    assert [arm.arm for arm in arms] == ARMS[name]
    assert baseline.settings == CATALOGUE.resolve("tiny")
    said = [arm.why for arm in arms] if study.ablations else [(FOLDER / f"{name}.yaml").read_text(encoding="utf-8")]
    assert all("Inferred: " in why for why in said)
    assert "Fact: " in "".join(said)
    sent = plan_from_mapping(json.loads(json.dumps(study.as_mapping())))
    assert expand(sent, CATALOGUE) == [baseline, *arms]


def test_table_3_is_the_ladder_of_the_paper() -> None:
    """Bare, + adaptive fusion, + masked feature augmentation, + Siamese masked interaction learning (the baseline)."""
    bare, fused, masked = (arm.overrides for arm in expand(plan("table-3"), CATALOGUE)[1:])
    none = {"kind": "none"}
    assert bare == {"fusion.scale": none, "fusion.layers": {"kind": "last"}, "masking": none, "siamese": none}
    assert fused == {"masking": none, "siamese": none}
    assert masked == {"siamese": none}


def test_the_paper_s_own_names_are_phrases_of_parts() -> None:
    wanted = {
        "fusion": "adaptive dynamic multimodal fusion",
        "masking": "masked feature augmentation",
        "siamese": "siamese masked interaction learning",
        "adapter": "audio-visual adapter",
        "encoder.attention": "mix-attention encoder layer",
        "fusion.tokens": "temporal-wise concatenation",
        "siamese.loss": "mrm loss",
        "siamese.head": "prediction head",
        "siamese.target": "reconstruction target",
        "masking.fill": "masking type",
    }
    assert {part: phrase for part, phrase in wanted.items() if phrase in CATALOGUE.parts[part].phrases} == wanted
