"""Looks at contrasts in a report: their history, verdicts and intervals that allow for them."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from ablation.plan.arms import expand
from ablation.plan.families import contrasts
from ablation.plan.plan import plan_from_mapping
from ablation.report.build import build
from ablation.report.content import Content, load
from ablation.report.headline import headline
from components.shared.designs import looks_record
from recipes.smile import CATALOGUE

SHORTHANDS = {"ladder": ["fusion", "masking", "siamese"], "leave_one_out": ["adapter"]}
RATES = {
    "baseline": 1.0, "ladder-0-bare": 6.0, "ladder-1-fusion": 3.0, "ladder-2-masking": 1.0, "no-adapter": 6.0
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(write_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study at its second look; two rungs and an arm were decided at the first one."""
    whole = {"study": "s", "looks": [3, 4, 6], "margin_points": 1.0, "conditions": {}, **SHORTHANDS}
    plan = plan_from_mapping(whole | {"seeds": [1, 2, 3, 4], "stopped": {"ladder-0-bare": 3, "no-adapter": 3}})
    arms = expand(plan, CATALOGUE)
    assert {arm.arm for arm in arms} == {*RATES}
    planned = contrasts(plan, arms, CATALOGUE)
    record = looks_record(plan, arms, planned)
    assert record is not None
    return write_study(
        tmp_path_factory.mktemp("contrast-looks"),
        seeds=(1, 2, 3, 4),
        failed={("ladder-0-bare", 4), ("no-adapter", 4)},
        arms={arm: (None if arm == "baseline" else "x", "x", rate) for arm, rate in RATES.items()},
        conditions=("clean",),
        margin_points=1.0,
        contrasts=[asdict(each) for each in planned],
        looks=record.model_dump(),
    )


@pytest.fixture(scope="module")
def content(folder: Path) -> Content:
    return load(folder)


def test_a_report_shows_the_decisions_on_contrasts_and_other_arms(folder: Path, content: Content) -> None:
    [markdown, data] = [path.read_text() for path in build(folder, ("md", "json"))]
    found = json.loads(data)["contrast_look_decisions"]
    assert found[0]["decisions"]["ladder/masking"] == "better"
    assert {*found[1]["decisions"]} == {"ladder/siamese"}
    assert "| fusion | better, decided |" in markdown
    assert "| siamese | not decided, goes on |" in markdown
    assert "| no-adapter | worse, stopped |" in markdown
    assert "| ladder-0-bare | worse, stopped |" not in markdown
    record = content.study.looks
    assert record is not None
    assert f"{100 * record.contrast_levels['ladder'][0]:.2g} % at 3 seeds" in markdown
    assert "hold over all looks" in markdown


def test_the_verdict_on_a_contrast_is_that_of_its_look(content: Content) -> None:
    rows = content.contrasts.set_index("contrast")
    assert rows["trials"].to_dict() == {"fusion": 6, "masking": 6, "siamese": 8}
    record = content.study.looks
    assert record is not None
    scaled = min(1.0, rows.loc["masking", "p"] * 0.05 / record.contrast_levels["ladder"][0])
    assert rows.loc["masking", "p_adjusted"] == pytest.approx(scaled)
    assert {each.contrast.name: each.verdict for each in content.contrast_verdicts}["masking"] == "better"


def test_rungs_are_shown_with_all_of_their_seeds(content: Content) -> None:
    row = content.row("ladder-1-fusion", "clean")
    assert row is not None
    assert row["seeds"] == 4


def test_the_headline_names_what_is_found_and_what_is_open(content: Content) -> None:
    said = headline(content)[0]
    assert said.startswith("Rung by rung: ")
    assert "Open: " in said
