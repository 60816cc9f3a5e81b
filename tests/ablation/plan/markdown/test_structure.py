"""The structure of Markdown plans: every form of a field is read, and nothing that looks like one is lost."""

import pytest

from ablation.plan.arms import expand
from ablation.plan.plan import parse_plan
from common.errors import UserError
from model.config import CATALOGUE

SCALE = """\
- **Ablated Part**: dynamic scaling factor
- **Action**: REPLACE
- **Replacement**: static scaling factor
- **Metrics**: WER
"""
MASKING = """\
- **Ablated Part**: masking
- **Action**: REPLACE
- **Replacement**: uniform masking
- **Metrics**: WER
"""
REMOVED = "- **Ablated Part**: masking\n- **Action**: REMOVE\n"
BELOW = REMOVED[2:].replace("\n-", "\n   -")  # the item of a list, with the second field below it
TWO = "- **Ablated Part**: scaling factor\n- **Action**: REPLACE\n- **Replacement**:\n"


def arms(text: str) -> list[str]:
    return [arm.arm for arm in expand(parse_plan(text, CATALOGUE, name="plan.md"), CATALOGUE)[1:]]


BOTH, SCALES, MASKS = (
    ["static-scale", "uniform-masking"],
    ["static-scale", "no-scale"],
    ["uniform-masking", "no-masking"],
)
GONE = ["no-masking"]
# Text -> its arms.
FORMS: dict[str, tuple[str, list[str]]] = {
    "repeated part": (f"{SCALE}\n{MASKING}", BOTH),
    "underlined headings": (f"A\n---\n{SCALE}\nB\n===\n{MASKING}", BOTH),
    "rule after a paragraph": (
        f"### A\n**Ablated Part**: masking\n**Action**: REMOVE\n---\n### B\n{SCALE}",
        ["no-masking", "static-scale"],
    ),
    "rules around": (f"---\n### A\n{SCALE}---\n### B\n{MASKING}---\n", BOTH),
    "headings as fields": (
        "## One\n### Ablated Part\nscaling factor\n### Action\nREPLACE\n### Replacement\n- static\n- none\n### Metrics\nWER\n",
        SCALES,
    ),
    "headings with values": ("## One\n#### Ablated Part: masking\n#### Action: REMOVE\n", GONE),
    "items at the level of fields": (f"{TWO}- static\n- none\n- **Metrics**: WER\n", SCALES),
    "deep items": (f"{TWO}        - static\n        - none\n", SCALES),
    "items like code": (f"{TWO}\n        - static\n        - none\n", SCALES),
    "tabs": (f"{TWO}\t-\tstatic\n\t-\tnone\n", SCALES),
    "typed bullets": (
        "• **Ablated Part**: masking\n• **Action**: REPLACE\n• **Replacement**:\n  ◦ uniform\n  ◦ none\n",
        MASKS,
    ),
    "numbered from two": (f"{TWO.rstrip()} static\n  2. none\n  3) zero\n", ["static-scale", "no-scale", "zero-scale"]),
    "lettered": (f"{TWO}  - a) static\n  - b) none\n", SCALES),
    "numbered fields": (f"{TWO[:-19]}- **Replacement 1**: static\n- **Replacement 2**: none\n", SCALES),
    "options": (f"{TWO}  - Option 1: static\n  - Option 2: none\n", SCALES),
    "bold items": (f"{TWO}  - **Static scaling factor**: constant throughout\n  - **none**\n", SCALES),
    "check boxes": ("- [ ] **Ablated Part**: masking\n- [x] **Action**: REMOVE\n", GONE),
    "emoji": ("- 🎯 **Ablated Part**: masking\n- ⚙️ Action: REMOVE\n", GONE),
    "arrows": ("- Ablated Part -> masking\n- **Action** → REMOVE\n", GONE),
    "definitions": ("Ablated Part\n: masking\n\nAction\n: REMOVE\n", GONE),
    "other spaces": ("-\u00a0**Ablated\u200b Part**:\u00a0masking\u2028-\u00a0**Action**：REMOVE\n", GONE),
    "titles in lines": (f"Ablation 1: the scale\n{SCALE}\nAblation 2: the masks\n{MASKING}", BOTH),
    "underscores": ("__Ablated Part__: masking\n__Action__: REMOVE\n", GONE),
    "colon in bold": ("- **Ablated Part:** masking\n- **Action:** REMOVE\n", GONE),
    "all bold": ("- **Ablated Part: masking**\n- **Action: REMOVE**\n", GONE),
    "bold values": ("- **Ablated Part**: **masking**\n- **Action**: *REMOVE*\n", GONE),
    "italics": ("- *Ablated Part*: masking\n- *Action*: `REMOVE`\n", GONE),
    "line breaks": ("**Ablated Part**: masking  \n**Action**: REMOVE<br>\n**Metrics**: WER\\\n", GONE),
    "bold in HTML": ("<b>Ablated Part</b>: masking<br/>\n<strong>Action</strong>: REMOVE\n", GONE),
    "entities and links": ("- **Ablated&nbsp;Part**: [masking](https://x.example)\n- **Action**: REMOVE\n", GONE),
    "quoted": ("".join(f"> {line}\n" for line in SCALE.splitlines()), ["static-scale"]),
    "box without a blank line": (f"<div>\n### A\n{SCALE}</div>\n", ["static-scale"]),
    "box of a plan": (f"<details>\n<summary>Ablation plan</summary>\n### A\n{SCALE}</details>\n", ["static-scale"]),
    "items with fields": (
        "1. The masks\n   - Ablated Part: masking\n   - Action: REMOVE\n2. The adapter\n   - Part: adapter\n   - Action: REMOVE\n",
        ["no-masking", "no-adapter"],
    ),
    "table": (
        "| # | Ablated Part | Action | Replacement |\n|---|---|---|---|\n| 1 | masking | REPLACE | uniform<br>none |\n"
        "| 2 | adapter | REMOVE | N/A |\n",
        ["uniform-masking", "no-masking", "no-adapter"],
    ),
    "table of fields": ("| Field | Value |\n|:--|:--|\n| **Ablated Part** | masking |\n| **Action** | REMOVE |\n", GONE),
    "table without header": ("| Ablated Part | masking |\n|---|---|\n| Action | REMOVE |\n", GONE),
    "table with a column each": (
        "| Field | One | Two |\n|---|---|---|\n| Ablated Part | masking | adapter |\n| Action | REPLACE | REMOVE |\n"
        "| Replacement | uniform | - |\n",
        ["uniform-masking", "no-adapter"],
    ),
    "prose around": (
        f"# Title\n\nWe ask. Note: later.\n\n### A\n{SCALE}\nThanks.\n\n### Conclusion\nThese ablations matter.\n",
        ["static-scale"],
    ),
    "a fence around it all": (f"```markdown\n### A\n{SCALE}```\n", ["static-scale"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FORMS.values(), ids=FORMS)
def test_every_form_of_a_field_is_read(text: str, expected: list[str]) -> None:
    assert arms(text) == expected
    assert arms(text.replace("\n", "\r\n")) == expected


HIDDEN = {
    "thoughts": f"<think>\n### Draft\n{REMOVED}</think>\n",
    "thoughts whose start is missing": f"Perhaps this:\n{REMOVED}</think>\n",
    "box of reasoning": f"<div>\n<h2>Reasoning Trace</h2>\n\n### Draft\n{REMOVED}\n</div>\n",
    "folded reasoning": f"<details>\n<summary>My reasoning</summary>\n\n### Draft\n{REMOVED}\n</details>\n",
    "reasoning that its box outlasts": f"<div>\n<h2>Reasoning</h2>\n{REMOVED}\n<h2>Ablation Plan</h2>\n</div>\n",
    "comment": f"<!-- ### Old\n{REMOVED}-->\n",
    "fence": f"~~~text\n{REMOVED}~~~\n",
    "long fence": f"````\n```\n{REMOVED}```\n````\n",
    "fence in a list": f"As here:\n\n1. so\n   ```\n   {REMOVED}   ```\n",
    "style": "<style>\n- **Ablated Part** { color: red }\n</style>\n",
    "bullets of reasoning": "## Reasoning\n- **Observation**: the scale is interesting\n- **Components**: many\n\n",
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_what_is_not_plan_text_makes_no_arm(text: str) -> None:
    assert arms(f"{text}\n### A\n{SCALE}") == ["static-scale"]
    if "Plan</h2>" not in text and "</think>" not in text:
        assert arms(f"### A\n{SCALE}\n## Notes\n{text}") == ["static-scale"]


# Text -> the line and the words of its only error.
LOST: dict[str, tuple[str, int, str]] = {
    "ablation in prose": (f"### Ablation of A\n{SCALE}\n### Ablation of the adapter\nWe remove it.\n", 7, "has no fields"),
    "item without fields": (f"1. **Masks**\n   - {BELOW}2. **Ablation of the adapter**: remove\n", 4, "with fields"),
    "replacement after the fields": (f"### A\n{SCALE}\nno scaling factor\n", 7, "names a replacement"),
    "misspelt replacement": (f"### A\n{REMOVED}- **Replacment**: static\n", 4, "did you mean 'replacement'"),
    "unknown field": (f"### A\n{SCALE}- **Priority**: high\n", 6, "unknown field 'Priority' in 'A'"),
    "unknown field before the others": (f"### A\n- **Priority**: high\n{SCALE}", 2, "unknown field 'Priority'"),
    "unknown field without bold": (f"### A\n{REMOVED}- Runs: 3\n", 4, "unknown field 'Runs'"),
    "key of the plan": (f"- **Seeds**: 1, 2, 3\n\n### A\n{SCALE}", 1, "between two lines of ---"),
    "column of a table": ("| Ablated Part | Action | Runs |\n|---|---|---|\n| masking | REMOVE | 3 |\n", 1, "unknown field 'Runs'"),
    "table without a rule": (f"### A\n{SCALE}\n### B\n| Ablated Part | Action |\n| masking | REMOVE |\n", 8, r"\|---\|---\|"),
    "draft": (f"## Reasoning\n### Draft\n{REMOVED}\n## Plan\n### A\n{SCALE}", 2, "below the title 'Reasoning'"),
    "draft in bold": (f"## Reasoning\n**Draft**\n{REMOVED}\n## Plan\n### A\n{SCALE}", 2, "below the title 'Reasoning'"),
    "title of a part": (f"### Scale\n{SCALE}\n### The masking strategy\nMake it uniform.\n", 7, "names masking"),
    "items with actions": (f"### A\n{SCALE}\n## Further ablations\n- remove the adapter\n", 8, "looks like an ablation"),
    "other table": (f"### A\n{SCALE}\n| Option | Value |\n|---|---|\n| static | 0.5 |\n", 7, "a table without names"),
    "table in HTML": (f"### A\n{SCALE}\n<table><tr><td>masking</td></tr></table>\n", 7, "a table in HTML"),
    "open fence": (f"### A\n{SCALE}\n```\n### B\n{MASKING}", 7, "never closed"),
    "open comment": (f"### A\n{SCALE}\n<!-- ### B\n{MASKING}", 7, "never closed"),
    "open box": (f"### A\n{SCALE}\n<div>\n<h2>Reasoning</h2>\n### B\n{MASKING}", 7, "box of reasoning"),
    "fields below reasoning": (f"## Reasoning\n{REMOVED}\n## Plan\n### A\n{SCALE}", 1, "a heading of the same level"),
    "value of another item": (f"### A\n{REMOVED}- twice\n", 4, "is not a field"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "words"), LOST.values(), ids=LOST)
def test_what_looks_like_a_field_and_is_not_read_is_an_error(text: str, line: int, words: str) -> None:
    with pytest.raises(UserError, match=rf"^line {line}: [^\n]*{words}[^\n]*$"):
        arms(text)


def test_all_errors_come_at_once_in_the_order_of_their_lines() -> None:
    text = (
        "---\nseed: [1]\n---\n### A\n"
        + SCALE.replace("static scaling", "banana").replace("WER", "BLEU")
        + "### B\n- **Action**: x\n"
    )
    with pytest.raises(UserError) as caught:
        arms(text)
    head, *lines = str(caught.value).split("\n  ")
    assert head == "5 problems"
    assert [line.partition(": ")[0] for line in lines[1:]] == ["line 7", "line 8", "line 9", "line 10"] or len(
        lines
    ) == 6
    for words in (
        "unknown key 'seed'",
        "line 7: no kind of fusion.scale",
        "line 8: unknown metrics 'bleu'",
        "line 9: 'B' needs one field",
    ):
        assert words in str(caught.value)


def test_title_reasoning_and_reasons_are_kept() -> None:
    text = (
        "# Does the scale matter? 🧠\n<div>\n<h2>Reasoning</h2>\n\n1. **Scale**: learned {{S}}\n</div>\n\n"
        f"### 1. The scale\n{SCALE}- **Rationale**: it adapts\n  to noise.\n- **Expected Outcome**: WER rises\n"
    )
    plan = parse_plan(text, CATALOGUE, name="My plan.txt")
    assert (plan.study, plan.question) == ("my-plan", "Does the scale matter?")
    assert plan.reasoning == "Reasoning\n1. Scale: learned { {S} }"
    assert plan.ablations[0].why == "The scale: it adapts to noise. Expected Outcome: WER rises"


@pytest.mark.parametrize(
    ("name", "text", "study"),
    [
        ("plan.md", "study: s\nablations: []\n", "s"),
        ("plan.txt", '{"study": "s"}', "s"),
        ("plan.md", "\ufeffstudy: s\r\nseeds: [1]\r\n", "s"),
        ("plan", "```yaml\nstudy: s\n```\n", "s"),
        ("plan.md", "# A comment\nstudy: s\nablations:\n  - part: masking\n    action: remove\n", "s"),
        ("plan.yaml", f"### A\n{SCALE}", "plan"),
        ("plan.json", "Ablated Part: masking\nAction: REMOVE\n", "plan"),
        ("计划.md", f"### A\n{SCALE}", "study"),
        ("plan.yaml", f"---\nstudy: s\n---\n### A\n{SCALE}", "s"),
        ("plan.md", "study: s\nquestion: |\n  - **Ablated Part**: masking\n", "s"),
    ],
)  # fmt: skip
def test_the_content_decides_the_format(name: str, text: str, study: str) -> None:
    assert parse_plan(text, CATALOGUE, name=name).study == study


@pytest.mark.parametrize("text", [f"Use this:\n\n```\n{REMOVED}```\n", "Just prose.", "", "# Notes\n"])
def test_a_text_without_an_ablation_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_plan(text, CATALOGUE, name="notes.md")
