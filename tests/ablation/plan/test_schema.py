"""The JSON Schema of plans: it accepts the plans that are accepted, and refuses only what the reader refuses too."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ablation.plan.plan import Plan, plan_from_mapping, read_plan
from ablation.plan.schema import schema
from common.errors import UserError
from common.yaml_text import load_yaml
from model.config import CATALOGUE

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(schema())
STATIC = {"static-scale": {"kind": "static"}}
VALID: list[dict[str, Any]] = [
    {"study": "a"},
    {"study": "a", "seeds": [0, 2**32 - 1], "metrics": ["WER", "cer"], "margin_points": 0.5},
    {"study": "a", "conditions": {"babble": [10, -5.5]}, "baseline": {"training.steps": 5}},
    {"study": "a", "conditions": [{"babble": [0]}, {"street": [0]}], "noise": {"street": "recordings/"}},
    {"study": "a", "ablations": [{"part": "fusion.scale", "replacements": STATIC}]},
    {"study": "a", "ablations": [{"part": "fusion.scale", "action": "replace", "why": "x", "replacements": [STATIC]}]},
    {"study": "a", "ablations": [{"part": "adapter", "action": "remove", "replacements": {}}]},
    {"study": "a", "ablations": [{"part": "adapter", "action": "remove", "replacements": None}]},
    {"study": "a", "leave_one_out": ["masking", {"fusion.scale": STATIC}]},
    {"study": "a", "ladder": ["masking", "adapter"], "normalise": "none", "max_failed_trials": 0},
    {"study": "a", "readings": [{"line": 1, "phrase": "a", "read_as": "b"}], "reasoning": ""},
]
INVALID: list[Any] = [
    [],
    {},
    {"study": "A b"},
    {"study": 1},
    {"study": "a", "seed": [1]},
    {"study": "a", "seeds": []},
    {"study": "a", "seeds": [1, 1]},
    {"study": "a", "seeds": [-1]},
    {"study": "a", "seeds": 3},
    {"study": "a", "metrics": ["bleu"]},
    {"study": "a", "conditions": {"clean": [1]}},
    {"study": "a", "conditions": {"babble": [200]}},
    {"study": "a", "corpus": " "},
    {"study": "a", "margin_points": 0},
    {"study": "a", "max_failed_trials": -1},
    {"study": "a", "normalise": "strict"},
    {"study": "a", "ladder": ["masking"]},
    {"study": "a", "leave_one_out": [{"a": STATIC, "b": STATIC}]},
    {"study": "a", "ablations": [{"replacements": STATIC}]},
    {"study": "a", "ablations": [{"part": "x"}]},
    {"study": "a", "ablations": [{"part": "x", "action": "change", "replacements": STATIC}]},
    {"study": "a", "ablations": [{"part": "x", "action": "remove", "replacements": STATIC}]},
    {"study": "a", "ablations": [{"part": "x", "replacements": {"baseline": 1}}]},
    {"study": "a", "ablations": [{"part": "x", "replacements": {}}]},
    {"study": "a", "ablations": {"part": "x"}},
]


def test_the_schema_is_one_and_has_every_key() -> None:
    Draft202012Validator.check_schema(schema())
    assert set(schema()["properties"]) == set(Plan.__dataclass_fields__)


@pytest.mark.parametrize("data", VALID, ids=str)
def test_valid_plans_pass_both(data: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors(data)) == []
    written = plan_from_mapping(data).as_mapping()
    assert list(VALIDATOR.iter_errors(written)) == []


@pytest.mark.parametrize("data", INVALID, ids=str)
def test_what_the_schema_refuses_the_reader_refuses(data: Any) -> None:
    assert not VALIDATOR.is_valid(data)
    with pytest.raises(UserError):
        plan_from_mapping(data)


@pytest.mark.parametrize("path", sorted((ROOT / "plans").rglob("*.*")), ids=lambda path: path.name)
def test_the_plans_of_the_repository_pass(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    data = read_plan(path, CATALOGUE).as_mapping() if path.suffix == ".md" else load_yaml(text)
    assert list(VALIDATOR.iter_errors(data)) == []
