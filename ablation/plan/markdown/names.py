"""The names of fields in Markdown plans, as people and language models write them."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from ablation.plan.markdown.blocks import Line

PART, ACTION, REPLACEMENT, METRICS, WHY = "ablated part", "action", "replacement", "metrics", "why"
TITLE = "title"  # a column of a table
SHOWN = ("Ablated Part", "Action", "Replacement", "Metrics", "Why")
# Names that mean a field wherever they stand. Plurals need not be listed.
NAMES: dict[str, tuple[str, ...]] = {
    PART: (
        "ablated part", "ablated component", "ablated module", "ablated element", "ablated setting", "ablation part",
        "ablation target", "part", "part ablated", "part to ablate", "component to ablate", "part to be ablated",
    ),
    ACTION: ("action", "ablation action", "action type", "operation"),
    REPLACEMENT: (
        "replacement", "replace with", "replaced by", "replaced with", "replacement option", "replacement value", "substitute",
        "replacement part", "replacement component", "proposed replacement",
    ),
    METRICS: ("metric", "evaluation metric", "performance metric", "measured by", "evaluated by", "evaluation"),
    WHY: (
        "why", "rationale", "hypothesis", "expected outcome", "expected result", "expected effect", "expected impact",
        "expected behavior", "expected behaviour", "expectation", "motivation", "reason", "reasoning", "justification",
        "purpose", "goal", "question", "research question", "description", "explanation", "note", "comment", "objective",
        "insight", "discussion", "impact", "importance", "detail", "remark", "prediction",
    ),
}  # fmt: skip
# Names that mean a field only in a section that has others, or whose title speaks of an ablation.
WEAK: dict[str, tuple[str, ...]] = {
    PART: ("component", "module", "target", "element", "what", "feature"),
    ACTION: ("change", "intervention", "modification"),
    REPLACEMENT: ("alternative", "variant", "option", "replace", "new value", "value"),
    TITLE: ("ablation", "name", "title", "id", "no", "number", "study", "section", "ablation study", "experiment", ""),
}
OF_THE_PLAN = ("seed", "corpus", "corpora", "preset", "condition", "snr", "dataset", "init from", "margin point")
NUMBERED = re.compile(r"(replacement|alternative|variant|option)s? ?(\d{1,2}|[a-z])")
SEPARATOR = re.compile(r"\s*(?::|：|[-=]>|[→⇒]|\s[-–—=]\s|[—–])\s*")
LABEL = re.compile(
    r"(?P<label>[^\W\d_](?:[\w /#&'’()-]{0,48}?[\w)])?)\s*(?::|：|[-=]>|[→⇒]|\s[-–—=]|[—–])(?:\s+(?P<value>.*)|$)"
)


@dataclass(frozen=True)
class Field:
    """The name of a field on a line, and the rest of the line. `name` is None for a label that is no known name.

    `marked` says that the label is bold. `weak` says that the name is one of `WEAK`; `numbered`, that it is `Option 2` or similar.
    """

    label: str
    value: str
    name: str | None
    marked: bool
    weak: bool = False
    numbered: bool = False


def field_of(line: Line) -> Field | None:
    """Return the field that a line states, or None for a line without a label."""
    if line.strong:
        label, value = _bold(line)
        if label:
            return _named(label, value, marked=True)
    if match := LABEL.match(line.text):
        return _named(match["label"], (match["value"] or "").strip(), marked=False)
    known = known_name(line.text)
    return Field(line.text, "", known, marked=False) if known in (PART, ACTION, REPLACEMENT, METRICS) else None


def _bold(line: Line) -> tuple[str, str]:
    """Return label and value of a line that starts in bold, or an empty label if the bold words are only stressed."""
    rest = line.text[len(line.strong) :]
    inside = SEPARATOR.split(line.strong, maxsplit=1)
    if len(inside) == 2 and (inside[1] == "" or known_name(inside[0])):
        return inside[0], f"{inside[1]}{rest}".strip()
    if separator := SEPARATOR.match(rest):
        return line.strong, rest[separator.end() :].strip()
    known = known_name(line.strong) or weak_name(line.strong)
    return (line.strong, rest.strip()) if known and (not rest or known_name(line.strong)) else ("", "")


def _named(label: str, value: str, *, marked: bool) -> Field:
    if NUMBERED.fullmatch(plain(label)):
        return Field(label, value, REPLACEMENT, marked, weak=True, numbered=True)
    name = known_name(label)
    return Field(label, value, name or weak_name(label), marked, weak=name is None)


def plain(label: str) -> str:
    """Return a label in lower case without its number, brackets and punctuation."""
    words = re.sub(r"^\W*\d+[.):]\s*|\([^)]*\)", " ", label.lower())
    return " ".join(re.findall(r"[^\W_]+", words))


def _listed(label: str, names: dict[str, tuple[str, ...]]) -> str | None:
    word = plain(label)
    known = {form: name for name, forms in names.items() for form in forms}
    return known.get(word) or (known.get(word[:-1]) if word.endswith("s") else None)


def known_name(label: str) -> str | None:
    """Return the field that a label means anywhere."""
    word = plain(label).replace("hypotheses", "hypothesis")
    return _listed(word, NAMES)


def weak_name(label: str) -> str | None:
    """Return the field that a label means among other fields; `title` for the name of an ablation."""
    return _listed(label, WEAK)


def nearly(label: str) -> str | None:
    """Return the field whose name a label probably misspells."""
    forms = {form: name for name in (PART, ACTION, REPLACEMENT, METRICS) for form in (name, *NAMES[name])}
    close = get_close_matches(plain(label), list(forms), n=1, cutoff=0.8)
    return forms[close[0]] if close else None


def of_the_plan(label: str) -> bool:
    """Return True for a label that names a key of the plan, which Markdown states in its front matter."""
    word = plain(label)
    return word in OF_THE_PLAN or word.removesuffix("s") in OF_THE_PLAN


def unknown(label: str, title: str = "") -> str:
    """Return the sentence on an unknown field: with the nearest name, the names, or where the key of a plan is written."""
    said = f"unknown field {label!r}{f' in {title!r}' if title else ''}"
    if of_the_plan(label):
        return f"{said}; write keys of the plan, such as seeds and corpus, between two lines of --- at the top"
    near = nearly(label)
    known = f"Known: {', '.join(SHOWN)}"
    return f"{said}: did you mean {near!r}? {known}" if near else f"{said}. {known}"
