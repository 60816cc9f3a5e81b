"""Plans whose arms are known, written in random forms: every one is read, or refused; none loses or invents an arm."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from ablation.plan.arms import expand
from ablation.plan.plan import parse_plan
from model.config import CATALOGUE

Ablation = tuple[str, str, list[tuple[str, str]]]
# Part, action, and replacements with the names of their arms.
ABLATIONS: list[Ablation] = [
    ("dynamic scaling factor", "REPLACE", [("static scaling factor (0.3)", "static-scale-0.3"), ("no scaling factor", "no-scale")]),
    ("masking strategy", "REPLACE", [("uniform masking rate and length", "uniform-masking")]),
    ("audio-visual adapter", "REMOVE", []),
    ("input modalities", "REPLACE", [("audio-only", "audio-only"), ("video-only", "video-only")]),
    ("layer weights", "MODIFY", [("mean of the layers", "mean-layers"), ("last layer only", "last-layer")]),
    ("siamese strategy", "Replaced", [("EMA", "ema")]),
]  # fmt: skip
REMOVED = "no-adapter"
ASIDE = ["", "We ask whether it matters.\n", "<!-- - **Action**: ADD -->\n", "```\n- **Action**: ADD\n```\n"]


def marked(draw: random.Random, text: str) -> str:
    return draw.choice(["{}", "{}", "**{}**", "`{}`", "*{}*"]).format(text)


def field(draw: random.Random, name: str, value: str) -> str:
    return (
        draw.choice(["**{}**: {}", "**{}:** {}", "{}: {}", "__{}__ — {}", "**{}** - {}"]).format(name, value).rstrip()
    )


def values(draw: random.Random, phrases: list[str], indent: str) -> str:
    """Return the value of a field: on the line, or as items below it."""
    if len(phrases) < 2 and draw.random() < 0.5:
        return "".join(phrases)
    if draw.random() < 0.3:
        return draw.choice(["; ", ", ", " or ", " / "]).join(phrases)
    mark = draw.choice(["- ", "* ", "1. ", "• "])
    return "".join(f"\n{indent}{mark}{marked(draw, phrase)}" for phrase in phrases)


def fields_of(draw: random.Random, ablation: Ablation, indent: str) -> list[tuple[str, str]]:
    part, action, replacements = ablation
    found = [
        (draw.choice(["Ablated Part", "Ablated part", "Ablated Component"]), marked(draw, part)),
        ("Action", marked(draw, action)),
    ]
    if replacements or draw.random() < 0.5:
        nothing = draw.choice(["N/A", "None", "-", ""])
        found.append(
            ("Replacement", values(draw, [phrase for phrase, _ in replacements], indent) if replacements else nothing)
        )
    return [*found, ("Metrics", draw.choice(["WER", "Word Error Rate", "WER (%)"]))]


def as_bullets(draw: random.Random, ablations: list[Ablation]) -> str:
    mark, title = (
        draw.choice(["- ", "* ", "+ "]),
        draw.choice(["### Ablation {}\n", "**Ablation {}**\n\n", "## {}. Masks\n", "Part {}\n------\n"]),
    )
    lines = []
    for number, each in enumerate(ablations, 1):
        found = fields_of(draw, each, draw.choice(["  ", "    ", "\t"]))
        lines += [title.format(number), *(f"{mark}{field(draw, *pair)}\n" for pair in found), "\n"]
    return "".join(lines)


def as_nested_items(draw: random.Random, ablations: list[Ablation]) -> str:
    text = ""
    for number, each in enumerate(ablations, 1):
        text += f"{number}. {marked(draw, f'Ablation {number}')}\n"
        text += "".join(f"   - {field(draw, *pair)}\n" for pair in fields_of(draw, each, "      "))
    return text


def as_lines(draw: random.Random, ablations: list[Ablation]) -> str:
    return "\n".join(
        f"### Ablation {number}\n" + "".join(f"{field(draw, *pair)}  \n" for pair in fields_of(draw, each, "  "))
        for number, each in enumerate(ablations, 1)
    )


def as_table(draw: random.Random, ablations: list[Ablation]) -> str:
    rows = [
        f"| {number} | {part} | {action} | {draw.choice(['<br>', ', ', '; ']).join(phrase for phrase, _ in found)} | WER |\n"
        for number, (part, action, found) in enumerate(ablations, 1)
    ]
    return "| # | Ablated Part | Action | Replacement | Metrics |\n|---|:--|---|---|---|\n" + "".join(rows)


def as_columns(draw: random.Random, ablations: list[Ablation]) -> str:
    text = ""
    for number, (part, action, found) in enumerate(ablations, 1):
        pairs = [("Ablated Part", part), ("Action", action), ("Replacement", "; ".join(phrase for phrase, _ in found))]
        text += f"### Ablation {number}\n| {marked(draw, 'Field')} | Value |\n|---|---|\n"
        text += "".join(f"| {marked(draw, name)} | {value} |\n" for name, value in pairs) + "\n"
    return text


FORMS: list[Callable[[random.Random, list[Ablation]], str]] = [
    as_bullets,
    as_nested_items,
    as_lines,
    as_table,
    as_columns,
]


def expected(ablations: list[Ablation]) -> list[str]:
    return [arm for _, action, found in ablations for arm in ([name for _, name in found] if found else [REMOVED])]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_plan_in_any_form_gives_its_arms(form: Any, seed: int) -> None:
    draw = random.Random(seed)
    ablations = draw.sample(ABLATIONS, draw.randint(1, 4))
    text = f"# Which parts matter?\n\n{draw.choice(ASIDE)}\n{form(draw, ablations)}\n## Notes\n{draw.choice(ASIDE)}"
    if draw.random() < 0.3:
        text = text.replace("\n", "\r\n")
    arms = [arm.arm for arm in expand(parse_plan(text, CATALOGUE, name="plan.txt"), CATALOGUE)[1:]]
    assert arms == expected(ablations), text
