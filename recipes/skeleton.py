"""A command recipe for a Markdown plan of any model, in which the commands have still to be filled in."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ablation.plan.fields import slugified
from ablation.plan.markdown.phrases import in_order
from ablation.plan.markdown.structure import Stated, Structure
from recipes.command.document import FILL_IN

LONGEST_NAME = 40
NONE, AS_IT_IS, ADDED = "none", "default", "added"
HEAD = """\
# A recipe for {plan}, written by `ablate recipe init`. Replace every {fill_in} and remove what your model does not need;
# `ablate recipe check` counts what is left and prints the command of every arm. docs/recipes.md explains the keys.
recipe: {name}
description: {title}

# Your scripts, with their own options. A word in braces is replaced; each placeholder is one word, {{overrides}} several.
train: ["{{python}}", {fill_in}, --data, "{{corpus}}", --seed, "{{seed}}", --out, "{{out}}", "{{overrides}}"]
transcribe:
  ["{{python}}", {fill_in}, --checkpoint, "{{checkpoint}}", --data, "{{corpus}}", --condition, "{{condition}}",
   --out, "{{hypotheses}}"]
hypotheses: {{format: trn}}    # or text, jsonl, ...: the format that `transcribe` writes
# curves: metrics.jsonl      # if training appends lines such as {{"step": 10, "loss": 2.3}} there
# config: {{base: train.yaml}}    # if arms change keys of a config: the changed copy is {{config}}, and kinds have `set` below
sources: []                  # the scripts and folders that decide a result, e.g. [train.py, lib/]
{metrics}
# A kind says what it changes: `arguments`, `set` (keys of the config) or `environment`.
parts:
"""
TAIL = """
# settings:                  # what all arms share and a plan may change
#   training.steps: {type: int, minimum: 1, default: 1000, arguments: [--steps, "{value}"]}
"""


@dataclass
class Part:
    """A part of the skeleton: its name, the phrase that names it in the plan, its default kind, and texts by kind."""

    name: str
    phrase: str
    default: str = AS_IT_IS
    removed: bool = False
    kinds: dict[str, str] = field(default_factory=dict)
    arms: dict[str, str] = field(default_factory=dict)


def skeleton(structure: Structure, name: str, plan: str) -> str:
    """Return the text of a recipe file: one part per ablated part, one kind per replacement, `none` for REMOVE.

    `name` is the recipe's, `plan` the file that the structure was read from. The phrases of the plan are those of the parts and
    kinds, so that the plan itself is understood with this recipe.
    """
    metrics = "".join(
        f"# The plan asks for these metrics: {', '.join(structure.metrics)}.\n" for _ in structure.metrics[:1]
    )
    title = json.dumps(structure.title, ensure_ascii=False)
    head = HEAD.format(plan=plan, name=name, title=title, metrics=metrics, fill_in=FILL_IN)
    return head + "".join("\n".join(_lines(part)) + "\n" for part in parts_of(structure)) + TAIL


def parts_of(structure: Structure) -> list[Part]:
    """Return the parts that a plan ablates, in its order; a part that several ablations name comes once."""
    parts: dict[tuple[str, ...], Part] = {}
    arms: set[str] = set()
    for each in structure.ablations:
        key = in_order(each.part) or (each.part,)
        names = {part.name for part in parts.values()}
        part = parts.setdefault(key, Part(_name(each.part, names, "part"), each.part))
        _take(each, part, arms)
    return list(parts.values())


def _take(each: Stated, part: Part, arms: set[str]) -> None:
    """Add to a part what an ablation asks for."""
    actions = each.action.split("/")
    part.removed |= "remove" in actions
    if actions == ["add"]:
        part.default = NONE
    for text in each.replacements or ([f"with {each.part}"] if actions == ["add"] else []):
        if text in part.kinds.values():
            continue
        word = _name(text, {*part.kinds, NONE, AS_IT_IS}, "kind") if each.replacements else ADDED
        part.kinds[word] = text
        clear = word not in arms and re.search(r"[a-z]{3}", word)
        arm = word if clear else _name(f"{part.name} {word}", arms, "arm", 60)
        arms.add(arm)
        part.arms[word] = arm


def _name(text: str, taken: Collection[str], otherwise: str, longest: int = LONGEST_NAME) -> str:
    """Return a short name for a phrase that is not taken yet."""
    whole = slugified(text) or otherwise
    short = whole if len(whole) <= longest else whole[:longest].rpartition("-")[0] or whole[:longest]
    return next(
        name
        for number in range(1, len(taken) + 2)
        if (name := short if number == 1 else f"{short}-{number}") not in taken
    )


def _lines(part: Part) -> Iterable[str]:
    option = f"--{part.name}"
    yield f"  {part.name}:"
    yield f"    phrases: {_listed([part.phrase])}"
    yield f"    default: {part.default}"
    yield "    kinds:"
    if part.default == AS_IT_IS:
        yield f"      {AS_IT_IS}: {{arguments: []}}    # the model as it is"
    if part.default == NONE:
        yield f"      {NONE}: {{arguments: []}}    # the model as it is, without this part"
    elif part.removed:
        yield f"      {NONE}: {{arguments: {_listed([option, f'{FILL_IN} {NONE}'])}}}    # what removes the part"
    for name, text in part.kinds.items():
        yield f"      {json.dumps(name)}:"
        yield f"        arguments: {_listed([option, f'{FILL_IN} {name}'])}"
        yield f"        phrases: {_listed([text])}"
        yield f"        arm: {json.dumps(part.arms[name])}"


def _listed(words: Sequence[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)
