"""A ladder and a factorial in the report: first, in words, in every format."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from ablation.plan.arms import expand
from ablation.plan.families import contrasts
from ablation.plan.plan import plan_from_mapping
from ablation.report.blocks import Table, Verdicts, cell
from ablation.report.build import build
from ablation.report.content import Content, load
from ablation.report.contrasts import sections
from ablation.report.figures.contrasts import pictures
from ablation.report.figures.plots import pages
from ablation.report.figures.spec import Forest, Row
from ablation.report.figures.svg import to_svg
from ablation.report.formats.kubeflow import metrics, summary_markdown
from ablation.report.headline import headline
from model.config import CATALOGUE

WriteStudy = Callable[..., Path]
LADDER = {"ladder": [{"fusion.tokens": {"channel-tokens": "channel"}}, "adapter", "siamese"]}
FACTORIAL = {"factorial": [{"masking": {"uniform-masking": "uniform"}}, "siamese"]}
RATES = {"ladder-0-bare": 2.0, "ladder-1-fusion-tokens": 1.3, "ladder-2-adapter": 1.0, "baseline": 1.0}
TOGETHER = {"baseline": 1.0, "uniform-masking": 1.5, "no-siamese": 1.5, "uniform-masking-and-no-siamese": 1.5}


def written(write_study: WriteStudy, folder: Path, shorthand: dict[str, object], rates: dict[str, float]) -> Path:
    """A drawn study of a plan."""
    plan = plan_from_mapping({"study": "s", **shorthand})
    arms = expand(plan, CATALOGUE)
    assert {arm.arm for arm in arms} == {*rates}
    return write_study(
        folder,
        arms={arm.arm: (arm.part, "x", rates[arm.arm]) for arm in arms},
        failed=set(),
        conditions=("clean", "babble_0db"),
        utterances=200,
        contrasts=[asdict(each) for each in contrasts(plan, arms, CATALOGUE)],
    )


@pytest.fixture(scope="module")
def ladder(write_study: WriteStudy, tmp_path_factory: pytest.TempPathFactory) -> Content:
    return load(written(write_study, tmp_path_factory.mktemp("ladder"), LADDER, RATES))


@pytest.fixture(scope="module")
def factorial_folder(write_study: WriteStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(write_study, tmp_path_factory.mktemp("factorial"), FACTORIAL, TOGETHER)


def test_the_headline_of_a_ladder_says_what_each_rung_adds(ladder: Content) -> None:
    said = headline(ladder)[0]
    assert said.startswith("Rung by rung: ")
    assert "in place of" in said
    assert "adding the adapter helps (by " in said
    assert "Open: adding the Siamese" in said
    assert "seeds" in said


def test_the_headline_of_a_factorial_says_if_parts_need_each_other(factorial_folder: Path) -> None:
    content = load(factorial_folder)
    verdicts = {each.contrast.name: each.verdict for each in content.contrast_verdicts}
    assert verdicts["uniform-masking x no-siamese"] == "better"
    said = headline(content)[0]
    assert said.index("need each other (an interaction of ") < said.index("; on average over the other parts, ")


def test_an_interaction_is_neither_better_nor_worse(factorial_folder: Path) -> None:
    [section] = sections(load(factorial_folder))
    verdicts, table = section.blocks[:2]
    assert isinstance(verdicts, Verdicts)
    assert isinstance(table, Table)
    assert verdicts.cards[-1].tone == "mixed"
    cells = [cell(value) for value in table.rows[-1][1:]]
    assert "need each other" in [note for each in cells for note in each.notes]
    assert {each.tone for each in cells} <= {"mixed", "none"}
    assert not any("better" in note for each in cells for note in each.notes)


def test_contrasts_come_first_in_every_format(factorial_folder: Path) -> None:
    build(factorial_folder)
    name = "uniform-masking x no-siamese"
    for suffix, later in (("html", ">Verdicts</h2>"), ("md", "## Verdicts"), ("tex", "{Verdicts}")):
        text = (factorial_folder / f"report.{suffix}").read_text()
        assert text.index("Findings") < text.index("need each other") < text.index(later)
    found = json.loads((factorial_folder / "report.json").read_text())
    assert list(found).index("contrasts") < list(found).index("verdicts")
    assert {row["contrast"] for row in found["contrasts"]} == {"uniform-masking", "no-siamese", name}
    assert found["contrast_verdicts"][0]["verdict"] == "worse"
    table = pd.read_csv(factorial_folder / "report.csv")
    assert table["contrast"].notna().sum() == 3 * 2
    assert table.loc[table["contrast"].isna(), "arm"].nunique() == 4


def test_kubeflow_shows_contrasts_first(ladder: Content) -> None:
    page = summary_markdown(ladder)
    assert page.index("What each rung adds") < page.index("## Verdicts")
    assert "rung_difference_clean.adapter" in metrics(ladder)


def test_a_study_without_them_has_no_word_of_them(study_dir: Path) -> None:
    text = (study_dir / "report.csv").read_text()
    assert text.startswith("arm,condition,")
    assert "rung" not in (study_dir / "report.md").read_text().lower()


def drawn(content: Content, family: str) -> list[Forest]:
    found = [picture.figure for block in pictures(content, family) for picture in block.pictures]
    return [figure for figure in found if isinstance(figure, Forest)]


def test_the_figure_of_a_ladder_holds_the_table_in_points(ladder: Content) -> None:
    [forest] = drawn(ladder, "ladder")
    rows = [row for _, rows in forest.groups for row in rows]
    table = ladder.contrasts
    assert [name for name, _ in forest.groups] == list(dict.fromkeys(table["contrast"]))
    assert [row.value for row in rows] == pytest.approx((100 * table["difference"]).tolist())
    assert [row.interval for row in rows] == [
        pytest.approx(tuple(ends)) for ends in (100 * table[["diff_low", "diff_high"]]).to_numpy()
    ]
    assert [row.significant for row in rows] == table["verdict"].isin(["worse", "better"]).tolist()
    assert {row.significant for row in rows} == {True, False}
    assert forest.sides == ("rung helps", "rung harms")


def test_interactions_have_a_figure_of_their_own(factorial_folder: Path) -> None:
    main, interaction = drawn(load(factorial_folder), "factorial")
    assert [name for name, _ in main.groups] == ["uniform-masking", "no-siamese"]
    assert [name for name, _ in interaction.groups] == ["uniform-masking x no-siamese"]
    assert "← need each other" in to_svg(interaction)
    assert "worse" not in to_svg(interaction)


def test_the_figure_is_in_the_page_and_the_latex(factorial_folder: Path, tmp_path: Path) -> None:
    build(factorial_folder, ["html", "tex"], tmp_path)
    page = (tmp_path / "report.html").read_text()
    [section] = [part for part in page.split("<section")[1:] if ">Main effects and interactions</h2>" in part]
    assert section.count("<figure>") == 2
    assert "simultaneous over all main effects and interactions" in (tmp_path / "report.tex").read_text()


@pytest.mark.parametrize("values", [[-3.0, -2.0], [3.0, 2.0], [-0.1, 9.0]])
def test_the_words_above_a_forest_have_room(ladder: Content, values: list[float]) -> None:
    rows = [Row("clean", value, "", (value - 0.1, value + 0.1)) for value in values]
    [forest] = pages(ladder, [("arm", rows)], "", "", ("better", "arm is worse"))
    letter = 6  # pixels, on average
    assert forest.across(0) + letter * len("arm is worse →") <= forest.width
    assert forest.across(0) - letter * len("← better") >= 0
