"""A study folder of an older version, as it was written: `old_study` is from before verdicts were enums."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from ablation.report.build import FORMATS, build, build_changes
from ablation.report.content import load
from ablation.stats.verdict import Verdict

OLD = Path(__file__).parent / "old_study"
VERDICTS = {
    "earns its place": Verdict.WORSE,
    "harmful": Verdict.BETTER,
    "no difference shown": Verdict.INCONCLUSIVE,
    "not judged": Verdict.NOT_TESTED,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old study with the reports of this version."""
    copied = tmp_path_factory.mktemp("old") / "study"
    shutil.copytree(OLD, copied)
    (copied / "report.csv").unlink()
    build(copied)
    return copied


def test_an_old_study_has_all_reports(folder: Path) -> None:
    assert all((folder / f"report.{name}").stat().st_size > 0 for name in FORMATS)


def test_an_old_study_keeps_its_numbers(folder: Path) -> None:
    before, now = (pd.read_csv(path / "report.csv") for path in (OLD, folder))
    numbers = [column for column in before if column != "verdict"]
    pd.testing.assert_frame_equal(before[numbers], now[numbers], check_exact=False, rtol=1e-12)
    expected = [VERDICTS[text.partition(" (")[0]] for text in before["verdict"].dropna()]
    assert now["verdict"].dropna().tolist() == expected


def test_an_old_study_names_arms_by_what_it_stores(folder: Path) -> None:
    words = {arm: found.text for arm, found in load(folder).sentences.items()}
    assert words["audio-only"].startswith(
        "audio-only in place of the baseline's fusion.tokens makes it worse: WER rises by "
    )
    assert words["huge"].startswith(
        "huge in place of the baseline's training.learning_rate was not tested: trials failed"
    )


def test_an_old_study_is_compared_with_a_later_one(folder: Path, tmp_path: Path) -> None:
    later = shutil.copytree(folder, tmp_path / "later")
    [path] = build_changes(OLD, later, ["md"])
    assert "Of 6 pairs of arm and condition: 6 the same trials." in path.read_text("utf-8")
