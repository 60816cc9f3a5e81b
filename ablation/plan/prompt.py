"""A short text with which a language model can write a plan: parts, kinds, rules and one example."""

from collections.abc import Iterator, Sequence

from ablation.plan.catalogue import Catalogue, Kind, Number, Part
from ablation.stats.metrics import METRICS

LONGEST_WORDS = 2000
RULES = """\
Write an ablation plan for the model `{recipe}` in Markdown: one section per ablation, each with these fields.

### Title that says what is tested
- **Ablated Part**: the name of one part from the list below
- **Action**: REPLACE, REMOVE or ADD
- **Replacement**:
  - one kind of that part per line, with a value in brackets if it has one
- **Metrics**: {metrics}
- **Why**: one sentence: what the result would tell

Rules:
1. Use only parts and kinds of the list, by their names. Do not invent others.
2. REMOVE has no Replacement, and needs a part with the kind `none`. ADD needs a baseline without the part.
3. REPLACE has one or more replacements. The first kind of a part is the model's own: it is the baseline and no replacement.
4. Each ablation changes one part. Do not ask for the same arm twice.
5. A value is within the limits of the list and is written as `kind (0.5)`, or with its name as `kind (rate 0.15, length 4)`. Write
   one line for each value; no ranges.
6. Reasoning stands above the first section, below the heading `## Reasoning`. Write nothing else.
"""


def prompt(recipe: str, catalogue: Catalogue) -> str:
    """Return the text for a language model, of fewer than `LONGEST_WORDS` words.

    Descriptions of kinds are left out if the text would be longer, so that all names stay.
    """
    texts = ["\n".join(_text(recipe, catalogue, described=described)) for described in (True, False)]
    return next((text for text in texts if len(text.split()) < LONGEST_WORDS), texts[-1])


def _text(recipe: str, catalogue: Catalogue, *, described: bool) -> Iterator[str]:
    yield RULES.format(recipe=recipe, metrics=" or ".join(metric.short for metric in METRICS.values()))
    yield "Parts and their kinds (values with their limits in brackets):\n"
    for name, part in catalogue.parts.items():
        yield f"- {name}: {part.description}" if part.description else f"- {name}"
        for kind, each in part.kinds.items():
            said = f": {each.description}" if described and each.description else ""
            yield f"  - {kind}{_values(each)}{said}"
    if example := list(_example(catalogue)):
        yield "\nExample:\n"
        yield from example


def _values(kind: Kind) -> str:
    values = ", ".join(f"{key} {limits(number)}" for key, number in kind.numbers.items())
    return f" ({values})" if values else ""


def limits(number: Number) -> str:
    """Return the limits of a number in words."""
    return f"{number.least:g} to {number.most:g}"


def _example(catalogue: Catalogue) -> Iterator[str]:
    """Yield a plan of two ablations with the first parts that can be replaced and removed."""
    metric = next(iter(METRICS.values())).short
    parts = {name: part for name, part in catalogue.parts.items() if len(part.kinds) > 1}
    for name, part in list(parts.items())[:1]:
        yield from _section(f"Is {name} needed as it is?", name, "REPLACE", _replacements(part), metric)
    for name in [name for name, part in parts.items() if "none" in list(part.kinds)[1:]][-1:]:
        yield from _section(f"Is {name} needed at all?", name, "REMOVE", [], metric)


def _replacements(part: Part) -> list[str]:
    """Return up to two kinds besides the first, the first of them with a value if it has one that is between 0 and 1."""
    return [f"{name}{_value(kind)}" for name, kind in list(part.kinds.items())[1:3]]


def _value(kind: Kind) -> str:
    fitting = [key for key, number in kind.numbers.items() if not number.whole and number.least <= 0.5 <= number.most]
    return " (0.5)" if len(fitting) == 1 == len(kind.numbers) else ""


def _section(title: str, part: str, action: str, replacements: Sequence[str], metric: str) -> Iterator[str]:
    yield f"### {title}"
    yield f"- **Ablated Part**: {part}"
    yield f"- **Action**: {action}"
    if replacements:
        yield "- **Replacement**:"
        yield from (f"  - {replacement}" for replacement in replacements)
    yield f"- **Metrics**: {metric}"
    yield "- **Why**: No difference would mean that a simpler model does as well.\n"
