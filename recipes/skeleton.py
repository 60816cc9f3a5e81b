"""A command recipe for a Markdown plan of any model, in which the commands have still to be filled in."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ablation.plan.fields import slugified
from ablation.plan.markdown.by_content import BRACKET, EXPLANATION
from ablation.plan.markdown.phrases import SMALL, in_order, words
from ablation.plan.markdown.structure import Stated, Structure
from recipes.command.document import FILL_IN

LONGEST_NAME = 40
NONE, AS_IT_IS, ADDED = "none", "default", "added"
ARTICLE = re.compile(r"\s*(?:the|a|an|use of|using)\s+", re.IGNORECASE)
NEGATED = re.compile(r"\W*(?:no|none|without|w/o|remove[ds]?|disabled?)\b(?!-)", re.IGNORECASE)
VALUE = re.compile(r"[\w.+-]+")
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
    """A part of the skeleton: its name, the phrase that names it in the plan, its default kind, and texts by kind.

    `without` is the replacement that means its removal, such as `None`.
    """

    name: str
    phrase: str
    default: str = AS_IT_IS
    removed: bool = False
    without: str = ""
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
        part = parts.setdefault(key, Part(_name(each.part, names, "part", short=_without_explanation), each.part))
        _take(each, part, arms)
    return list(parts.values())


def _take(each: Stated, part: Part, arms: set[str]) -> None:
    """Add to a part what an ablation asks for."""
    actions = each.action.split("/")
    if "remove" in actions:
        part.removed = True
        arms.add(f"no-{part.name}")
    if actions == ["add"]:
        part.default = NONE
    for text in each.replacements or ([f"with {each.part}"] if actions == ["add"] else []):
        if text in part.kinds.values() or text == part.without:
            continue
        if part.default != NONE and not part.without and _is_removal(text, part.phrase):
            part.removed, part.without = True, text
            arms.add(f"no-{part.name}")
            continue
        word = _name(text, {*part.kinds, NONE, AS_IT_IS}, "kind") if each.replacements else ADDED
        part.kinds[word] = text
        clear = word not in arms and re.search(r"[a-z]{3}", word)
        arm = word if clear else _name(f"{part.name} {word}", arms, "arm", 60)
        arms.add(arm)
        part.arms[word] = arm


def _is_removal(text: str, part: str) -> bool:
    """Return True for a replacement that only negates the part: `None`, or `no pooling` for `mean pooling`."""
    return bool(NEGATED.match(text)) and words(text) - {"no"} <= words(part)


def _name(
    text: str, taken: Collection[str], otherwise: str, longest: int = LONGEST_NAME, short: Callable[[str], str] = str
) -> str:
    """Return a name for a phrase that is not taken yet. `short` shortens a phrase that makes too long a name."""
    whole = slugified(text) or otherwise
    name = whole if len(whole) <= longest else _cut(slugified(short(text)) or whole, longest)
    return next(
        each
        for number in range(1, len(taken) + 2)
        if (each := name if number == 1 else f"{name}-{number}") not in taken
    )


def _without_explanation(phrase: str) -> str:
    """Return what stands in front of the explanation in a phrase, without its article; the whole phrase if that is one word."""
    head = ARTICLE.sub("", EXPLANATION.split(BRACKET.sub("", phrase), maxsplit=1)[0])
    return head if len(in_order(head)) > 1 else phrase


def _cut(name: str, longest: int) -> str:
    """Return a name of whole words, of which the last one is a content word if there is any."""
    steps = (name if len(name) <= longest else name[: longest + 1].rpartition("-")[0] or name[:longest]).split("-")
    while len(steps) > 1 and steps[-1] in SMALL:
        steps.pop()
    return "-".join(steps)


def _value(name: str, text: str) -> str:
    """Return what is proposed as the value of an option: the replacement itself if it is one word or a number."""
    return text if VALUE.fullmatch(text) else name


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
        phrases = f", phrases: {_listed([part.without])}" if part.without else ""
        yield f"      {NONE}: {{arguments: {_listed([option, f'{FILL_IN} {NONE}'])}{phrases}}}    # what removes the part"
    for name, text in part.kinds.items():
        yield f"      {json.dumps(name)}:"
        yield f"        arguments: {_listed([option, f'{FILL_IN} {_value(name, text)}'])}"
        yield f"        phrases: {_listed([text])}"
        yield f"        arm: {json.dumps(part.arms[name])}"


def _listed(words: Sequence[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)
