"""The JSON Schema of plans in YAML and JSON, for editors and for programs that write plans.

A schema cannot say everything: unknown parts, arms that are the same, and similar faults are found by `plan_from_mapping` and by
`arms.expand` alone. What the schema refuses, they refuse too.
"""

from collections.abc import Mapping
from typing import Any

from ablation.plan import fields
from ablation.plan.ablations import ACTIONS
from ablation.plan.plan import Plan
from ablation.stats.metrics import METRICS
from common.normalise import NORMALISERS

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
FILLED: Schema = {"type": "string", "pattern": r"\S"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
ARM: Schema = {"pattern": f"^{fields.ARM.pattern}$", "not": {"const": "baseline"}}


def _listed(items: Schema, most: int | None = None, **rules: Any) -> Schema:
    """Return the schema of a list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1, **({"maxItems": most} if most else {}), **rules}


def _named(values: Schema, names: Schema) -> Schema:
    """Return the schema of a mapping, or of a list of mappings, whose order counts."""
    mapping: Schema = {"type": "object", "propertyNames": names, "additionalProperties": values}
    return {"anyOf": [mapping, {"type": "array", "items": mapping}]}


REPLACEMENTS = _named({}, ARM)
PART: Schema = {
    "anyOf": [FILLED, {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": REPLACEMENTS}]
}
SNRS = _listed(
    {"type": "number", "minimum": -fields.LARGEST_SNR_DB, "maximum": fields.LARGEST_SNR_DB}, fields.MOST_SNRS
)
FILLED_IN: Schema = {"minProperties": 1, "minItems": 1, "not": {"type": "null"}}
ABLATION: Schema = {
    "type": "object",
    "required": ["part"],
    "additionalProperties": False,
    "properties": {
        "part": FILLED | {"description": "a part of the model, or a dotted setting"},
        "action": {"type": "string", "enum": list(ACTIONS)},
        "why": {"type": ["string", "null"], "description": "the reason, which the report repeats"},
        "replacements": {
            "anyOf": [*REPLACEMENTS["anyOf"], {"type": "null"}],
            "description": "arm name -> the kind with its values, or the value of a setting",
        },
    },
    "allOf": [
        {
            "if": {"properties": {"action": {"const": "remove"}}, "required": ["action"]},
            "then": {"properties": {"replacements": {"anyOf": [{"maxProperties": 0, "maxItems": 0}, {"type": "null"}]}}},
            "else": {"required": ["replacements"], "properties": {"replacements": FILLED_IN}},
        }
    ],
}  # fmt: skip
# Key of a plan -> its schema.
KEYS: Mapping[str, Schema] = {
    "study": {"type": "string", "pattern": f"^{fields.SLUG.pattern}$", "description": "the name of the results"},
    "question": TEXT | {"description": "the question of the study, the title of its report"},
    "corpus": FILLED | {"description": "the address of the corpus"},
    "recipe": FILLED | {"description": "the model with its training"},
    "preset": FILLED | {"description": "the settings to start from"},
    "seeds": _listed({"type": "integer", "minimum": 0, "maximum": fields.LARGEST_SEED}, fields.MOST_SEEDS, uniqueItems=True),
    "conditions": _named(SNRS, {"pattern": f"^{fields.SLUG.pattern}$", "not": {"const": "clean"}})
    | {"description": "kind of noise -> SNRs in dB; clean is always scored"},
    "metrics": _listed({"type": "string", "enum": [*METRICS, *(name.upper() for name in METRICS)]}),
    "baseline": {"type": "object", "description": "part or setting -> value for all arms"},
    "ablations": {"type": "array", "items": ABLATION},
    "leave_one_out": _listed(PART),
    "ladder": _listed(PART, minItems=2),
    "factorial": _listed(PART, minItems=2),
    "interaction_order": {"type": "integer", "minimum": 1},
    "looks": _listed({"type": "integer", "minimum": 2}, uniqueItems=True),
    "stopped": {"type": "object", "additionalProperties": WHOLE},
    "noise": {"type": "object", "additionalProperties": FILLED, "description": "kind of noise -> folder of recordings"},
    "max_failed_trials": WHOLE,
    "margin_points": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 100},
    "init_from": FILLED | {"description": "the checkpoint of the initial weights"},
    "normalise": {"type": "string", "enum": list(NORMALISERS)},
    "reasoning": TEXT,
    "readings": {"type": "array", "description": "written by the reader of Markdown plans"},
}  # fmt: skip


def schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a plan."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ablation plan",
        "type": "object",
        "required": ["study"],
        "additionalProperties": False,
        "properties": {key: KEYS[key] for key in Plan.__dataclass_fields__},
    }
