"""Looks in a report: their history, verdicts that allow for them, and designs that were not planned."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablation.decisions.looks import design_of, recorded
from ablation.records import Study
from ablation.report.blocks import Table, Text
from ablation.report.build import build
from ablation.report.content import load
from ablation.report.looks import history
from ablation.stats.sequential_judge import Decision, Judged, Look

ARMS: dict[str, tuple[str | None, Any, float]] = {
    "baseline": (None, None, 1.0),
    "audio-only": ("fusion.tokens", {"kind": "audio_only"}, 4.0),
    "flaky": ("siamese", {"kind": "none"}, 1.0),
}
LOOKS, MARGIN = (3, 4, 6), 6.0


@pytest.fixture(scope="module")
def folder(write_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study at its second look; one arm was decided at the first one."""
    record = recorded(design_of(LOOKS, 2, 1, MARGIN), [1, 2, 3, 4], {"audio-only": 3})
    earlier = [{"seeds": [1, 2], "looks": [], "margin_points": None, "opened": "2026-01-01 10:00+00:00"}]
    return write_study(
        tmp_path_factory.mktemp("looks"),
        seeds=(1, 2, 3, 4),
        failed={("audio-only", 4)},
        arms=ARMS,
        conditions=("clean",),
        margin_points=MARGIN,
        looks=record.model_dump(),
        earlier_designs=earlier,
    )


def test_a_report_shows_the_decision_of_every_look(folder: Path) -> None:
    [markdown, data, page] = [path.read_text() for path in build(folder, ("md", "json", "html"))]
    found = json.loads(data)
    assert found["look_decisions"][0]["seeds"] == 3
    assert found["look_decisions"][0]["decisions"]["audio-only"] == "worse"
    assert "| audio-only | worse, stopped |" in markdown
    assert "repeated confidence intervals" in markdown
    assert "Looks at 3, 4 and 6 seeds" in page


def test_a_verdict_is_that_of_the_look_that_stopped_the_arm(folder: Path) -> None:
    content = load(folder)
    row = content.row("audio-only", "clean")
    assert row is not None
    assert (row["seeds"], row["verdict"]) == (3, "worse")
    assert content.verdicts["audio-only"].verdict == "worse"
    record = content.study.looks
    assert record is not None
    assert row["p_adjusted"] == pytest.approx(min(1.0, row["p"] * 0.05 / record.levels[0]))


def test_another_design_before_this_one_is_reported(folder: Path) -> None:
    [markdown] = [path.read_text() for path in build(folder, ("md",))]
    assert "Not planned: the same arms were judged on 2026-01-01 10:00" in markdown
    assert "with 2 seeds (1, 2) and no margin; this study has looks at 3, 4 and 6 seeds" in markdown


def test_a_study_without_looks_says_nothing_of_them(study_dir: Path) -> None:
    text = (study_dir / "report.md").read_text()
    assert "Not planned" not in text
    assert "## Looks" not in text
    assert json.loads((study_dir / "report.json").read_text())["looks"] is None


def test_records_of_earlier_versions_have_no_looks() -> None:
    assert Study.model_fields["looks"].default is None
    assert Study.model_fields["earlier_designs"].default == []


def test_an_arm_that_goes_on_in_spite_of_a_decision_is_said_to_do_so(folder: Path) -> None:
    study = load(folder).study
    looks = [
        Look(3, {"audio-only": Decision.WORSE, "flaky": Decision.FUTILE}),
        Look(4, {"flaky": Decision.FUTILE}),
    ]
    [table, used] = history(study, Judged(looks, {"audio-only": 3}, {"flaky": 4}, pd.DataFrame()))
    assert isinstance(table, Table)
    assert table.rows == [
        ["audio-only", "worse, stopped", "–", "3"],
        [
            "flaky",
            "a relevant difference is unlikely, goes on all the same",
            "a relevant difference is unlikely, stopped",
            "4",
        ],
    ]
    assert used == Text(["The study took 12 of at most 18 trials."])
    looks[1] = Look(4, {"flaky": Decision.CONTINUE})
    [_, used] = history(study, Judged(looks, {"audio-only": 3}, {}, pd.DataFrame()))
    assert used == Text(["The study took 12 of at most 18 trials so far: the same command goes on with the next look."])
