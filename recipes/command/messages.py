"""Sentences on wrong values of a recipe file: the rule, the value, and what to write instead."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from common.validation import sentence

ANY = "*"
KIND = "{arguments: [--pooling, mean]}"
KINDS = "{mean: {arguments: [--pooling, mean]}, none: {arguments: [--no-pooling]}}"
SETTING = '{type: int, default: 500, arguments: [--steps, "{value}"]}'
COMPOSITE = "{full: {parts: {pooling: mean}}, none: {parts: {pooling: none}}}"
# A path of keys, or its last key alone -> an example of the value.
EXAMPLES: Mapping[tuple[str, ...], str] = {
    ("recipe",): "my-model",
    ("train",): '["{python}", train.py, --data, "{corpus}", --seed, "{seed}", --out, "{out}", "{overrides}"]',
    ("transcribe",): (
        '["{python}", decode.py, --model, "{checkpoint}", --data, "{corpus}", --condition, "{condition}", '
        '--out, "{hypotheses}"]'
    ),
    ("sources",): "[train.py, decode.py]",
    ("transcribe_sources",): "[decode.py]",
    ("hypotheses",): "{format: trn}",
    ("hypotheses", "format"): "trn",
    ("hypotheses", "keys"): '"id=utt,hyp=text"',
    ("hypotheses", "id"): "'([^-]+)-.*'",
    ("hypotheses", "references"): "references.trn",
    ("hypotheses", "speaker"): "'([^-]+)-.*'",
    ("description",): '"A GRU with CTC"',
    ("curves",): "metrics.jsonl",
    ("config",): "{base: conf/train.yaml}",
    ("config", "base"): "conf/train.yaml",
    ("environment",): '{BATCH_SIZE: "16"}',
    ("parts",): f"{{pooling: {{default: mean, kinds: {KINDS}}}}}",
    ("parts", ANY): f"{{default: mean, kinds: {KINDS}}}",
    ("parts", ANY, "default"): "mean",
    ("parts", ANY, "kinds"): KINDS,
    ("parts", ANY, "kinds", ANY): KIND,
    ("values",): "{exponent: {type: float, default: 2}}",
    ("parts", ANY, "kinds", ANY, "values", ANY): "{type: float, default: 2}",
    ("settings",): f"{{training.steps: {SETTING}}}",
    ("settings", ANY): SETTING,
    ("composites",): f"{{front-end: {{kinds: {COMPOSITE}}}}}",
    ("composites", ANY): f"{{kinds: {COMPOSITE}}}",
    ("composites", ANY, "kinds"): COMPOSITE,
    ("composites", ANY, "kinds", ANY): "{parts: {pooling: mean}}",
    ("composites", ANY, "kinds", ANY, "parts"): "{pooling: mean}",
    ("composites", ANY, "kinds", ANY, "parts", ANY): "mean",
    ("presets",): "{small: {training.steps: 50}}",
    ("presets", ANY): "{training.steps: 50}",
    ("short",): "{training.steps: 20}",
    ("timeouts",): "{train: 2, transcribe: 0.5}",
    ("timeouts", ANY): "2",
    ("packages",): "[torch]",
    ("needs_video",): "true",
    ("noises",): "[babble, white]",
    ("corpus_format",): "jsonl",
    ("corpus_video",): "mp4",
    ("arguments",): "[--pooling, mean]",
    ("otherwise",): "[--no-mixup]",
    ("set",): "{model.pooling: mean}",
    ("phrases",): "[mean pooling]",
    ("arm",): "mean-pooling",
    ("lacks",): '"the pooling"',
    ("used_by",): "[train]",
    ("type",): "int",
    ("default",): "1",
    ("minimum",): "1",
    ("maximum",): "10",
    ("choices",): "[small, large]",
}
RULES = {
    "missing": "this key is required",
    "dict_type": "this is a mapping",
    "model_type": "this is a mapping",
    "list_type": "this is a list",
    "string_type": "this is text",
    "bool_type": "this is true or false",
    "float_type": "this is a number",
    "finite_number": "this is a finite number",
    "greater_than": "this is a number greater than {gt:g}",
    "too_short": "this has at least one entry",
    "literal_error": "this is {expected}",
    "string_pattern_mismatch": "a name has lower-case letters, digits and hyphens, 63 at most",
}


def said(error: ValidationError) -> str:
    """Return the first error of a recipe file as `path: rule, got value; remedy`."""
    first = error.errors(include_url=False)[0]
    rule = RULES.get(first["type"])
    if rule is None:
        return sentence(error)
    place = [str(step) for step in first["loc"] if step != "[key]" and not _is_tag(str(step))]
    value = "" if first["type"] == "missing" or isinstance(first["input"], Mapping) else f", got {first['input']!r}"
    return f"{'.'.join(place)}: {rule.format(**first.get('ctx', {}))}{value}; {_remedy(place, first['type'])}"


def _is_tag(step: str) -> bool:
    """Return True for a step that names one of several types of a value, and no key."""
    return step == "str" or step.startswith("dict[")


def _remedy(place: Sequence[str], error: str) -> str:
    if place[-1].isdecimal():  # an item of a list
        return "put it in quotes" if error == "string_type" else "correct it"
    example = example_of(place)
    return "correct it" if example is None else f"write e.g. `{place[-1]}: {example}`"


def example_of(place: Sequence[str]) -> str | None:
    """Return an example of the value at a path of keys; None without any."""
    for known, example in EXAMPLES.items():
        if len(known) == len(place) and all(a in (ANY, b) for a, b in zip(known, place, strict=True)):
            return example
    return EXAMPLES.get((place[-1],)) if len(place) > 1 else None
