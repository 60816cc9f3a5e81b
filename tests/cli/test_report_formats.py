"""`ablate report --format`: a list, several options, or both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.report import names_of

RESULTS = Path(__file__).resolve().parents[2] / "results"
Ablate = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["csv", "json"], ["csv", "json"]),
        (["csv, json", "csv"], ["csv", "json"]),
        (["tex"], ["tex"]),
        (None, ["html", "md", "tex", "csv", "json"]),
    ],
)
def test_every_format_that_is_named_is_taken_once(options: list[str] | None, expected: list[str]) -> None:
    assert names_of(options) == expected


def test_two_options_write_two_formats(ablate: Ablate, tmp_path: Path) -> None:
    answer = ablate("report", RESULTS / "ladder", "--out", tmp_path, "--format", "csv", "--format", "json")
    assert answer.code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"report.csv", "report.json"}


@pytest.mark.parametrize("study", [".", "README.md", "nowhere"])
def test_a_folder_without_a_study_gets_one_sentence(
    ablate: Ablate, study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_bytes(b"\xff")
    answer = ablate("report", study)
    assert answer.code == 2
    assert answer.err.startswith(f"error: no study {study!r}: neither a folder with study.json nor a name in ")
    assert len(answer.err.splitlines()) == 1
