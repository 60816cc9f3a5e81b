"""The section of a report on how the phrases of a Markdown plan were read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.plan.plan import Plan, parse_plan
from ablation.report.blocks import Table
from ablation.report.build import build
from ablation.report.content import load
from ablation.report.document import document
from model.config import CATALOGUE

WriteStudy = Callable[..., Path]
TITLE = "How the plan was read"
PLAN = """\
# Which parts?

### Fusion & more
- **Ablated Part**: Adaptive dynamic multimodal fusion strategy
- **Action**: REPLACE
- **Replacement**:
  - Fixed weighted sum
  - Attention-based fusion
- **Metrics**: WER

### Adapter
- **Ablated Part**: Audio-Visual Adapter module placed before the <b>encoder</b> layers
- **Action**: REMOVE
- **Metrics**: WER
"""
ROWS = [
    ["4", "Adaptive dynamic multimodal fusion strategy", "fusion"],
    ["7", "Fixed weighted sum", "fusion: fixed"],
    ["8", "Attention-based fusion", "fusion: attention"],
    ["12", "Audio-Visual Adapter module placed before the encoder layers", "adapter: none"],
]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return parse_plan(PLAN, CATALOGUE, name="plan.md")


@pytest.fixture(scope="module")
def folder(plan: Plan, write_study: WriteStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_study(tmp_path_factory.mktemp("read"), readings=[str(reading) for reading in plan.readings])
    build(made)
    return made


def test_the_section_has_a_row_for_every_phrase(folder: Path) -> None:
    [section] = [each for each in document(load(folder)).sections if each.title == TITLE]
    [table] = section.blocks
    assert isinstance(table, Table)
    assert [list(row) for row in table.rows] == ROWS


@pytest.mark.parametrize("form", ["html", "md", "tex"])
def test_every_format_shows_what_was_read(folder: Path, form: str) -> None:
    text = (folder / f"report.{form}").read_text(encoding="utf-8")
    after = text[text.index(TITLE) :]
    for _, _, meaning in ROWS:
        assert meaning in after or meaning.replace(": ", ":~") in after
    assert "Adaptive dynamic multimodal fusion strategy" in after


def test_a_study_of_another_plan_has_no_such_section(write_study: WriteStudy, tmp_path: Path) -> None:
    assert TITLE not in [each.title for each in document(load(write_study(tmp_path / "study"))).sections]


def test_phrases_of_a_page_cannot_become_markup(write_study: WriteStudy, tmp_path: Path) -> None:
    evil = "line 1: '<script>alert(1)</script> [x](javascript:y) $\\\\input{z}$' read as `adapter: none`"
    made = write_study(tmp_path / "study", readings=[evil])
    build(made, ["html", "md", "tex"])
    html, markdown, latex = ((made / f"report.{form}").read_text(encoding="utf-8") for form in ("html", "md", "tex"))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "[x](javascript" not in markdown
    assert "\\input{z}" not in latex
