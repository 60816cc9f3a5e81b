"""An archive of a study: small, without traces of its machine, and its report is the study's own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablation.report import archive as archives
from ablation.report.archive import archive
from ablation.report.build import build
from ablation.results import COUNTS_FILE, CURVES_FILE, STUDY, read_study
from common.errors import UserError

PLACES = {
    "corpus": {"uri": "grid:///home/me/data/grid?held_out=3", "fingerprint": "ab12" * 16},
    "settings": {"init_from": {"checkpoint": "/models/large.pt"}, "text": "a/b", "web": "https://h/a/b"},
}


@pytest.fixture(scope="module")
def folder(write_study: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the drawn study, whose corpus was at an absolute path."""
    root = tmp_path_factory.mktemp("archive")
    study = write_study(root / "study", **PLACES)
    archive(study, root / "results" / "made-up")
    build(study, ["md", "csv"])
    return root / "results" / "made-up"


def test_an_archive_has_the_report_of_its_study(folder: Path, tmp_path: Path) -> None:
    build(folder, ["md", "csv"], tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [COUNTS_FILE, CURVES_FILE, STUDY]
    study = folder.parent.parent / "study"
    assert (tmp_path / "report.csv").read_bytes() == (study / "report.csv").read_bytes()
    theirs, mine = ((path / "report.md").read_text("utf-8").partition("## Provenance")[0] for path in (study, tmp_path))
    theirs = re.sub(r"\[Open the study in MLflow.*\n\n", "", theirs).replace("grid:///home/me/data/", "grid://.../")
    assert mine == theirs
    assert "## Examples" in mine


def test_an_archive_keeps_few_texts_and_no_traces_of_its_machine(folder: Path) -> None:
    counts, study = pd.read_parquet(folder / COUNTS_FILE), (folder / STUDY).read_text("utf-8")
    assert 0 < counts["reference"].notna().sum() < 60
    assert (counts["reference"].isna() == counts["hypothesis"].isna()).all()
    assert not re.search("home/me|/models|localhost|mlflow.db", study)
    written = json.loads(study)
    assert written["corpus"]["uri"] == "grid://.../grid?held_out=3"
    assert written["settings"] == {
        "init_from": {"checkpoint": ".../large.pt"}, "text": "a/b", "web": "https://h/a/b",
    }  # fmt: skip


@pytest.mark.parametrize("name", [COUNTS_FILE, CURVES_FILE])
def test_a_changed_archive_is_refused_with_its_own_remedy(folder: Path, tmp_path: Path, name: str) -> None:
    copied = shutil.copytree(folder, tmp_path / "copy")
    pd.read_parquet(copied / name).assign(seed=9).to_parquet(copied / name)
    with pytest.raises(UserError, match=f"{name} was damaged or replaced .* restore the folder from version control"):
        build(copied, ["csv"])
    (copied / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        build(copied, ["csv"])


def test_counts_without_columns_of_texts_have_no_examples(folder: Path, tmp_path: Path) -> None:
    counts = pd.read_parquet(folder / COUNTS_FILE).drop(columns=["reference", "hypothesis"])
    written = json.loads((folder / STUDY).read_text("utf-8"))
    del written["sha256"]
    (tmp_path / STUDY).write_text(json.dumps(written))
    counts.to_parquet(tmp_path / COUNTS_FILE)
    build(tmp_path, ["md"])
    assert "## Examples" not in (tmp_path / "report.md").read_text("utf-8")
    assert "Training curves were left out" in (tmp_path / "report.md").read_text("utf-8")


def test_large_curves_are_left_out_and_the_report_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_CURVES_BYTES", 1000)
    first = shutil.copytree(folder, tmp_path / "first")
    assert [path.name for path in archive(folder, first)] == [COUNTS_FILE, STUDY]
    assert sorted(path.name for path in first.iterdir()) == [COUNTS_FILE, STUDY]
    assert read_study(first).archived == read_study(folder).archived
    build(first, ["html", "md", "tex"])
    for name in ("html", "md", "tex"):
        assert "Training curves were left out" in (first / f"report.{name}").read_text("utf-8")


def test_an_archive_replaces_no_study(folder: Path) -> None:
    study = folder.parent.parent / "study"
    for target in (study, Path(f"{study}/../study")):
        with pytest.raises(UserError, match="never replaces a study"):
            archive(folder, target)
    with pytest.raises(UserError, match="never replaces a study"):
        archive(folder, folder)


def test_the_command_reports_an_archive_without_the_tracker_and_the_model(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from cli.main import app\n"
        f"done = CliRunner().invoke(app, ['report', {str(folder)!r}, '--format', 'html', '--out', 'there'])\n"
        "print(done.output, [name for name in ('mlflow', 'torch', 'kfp') if name in sys.modules])\n"
        "raise SystemExit(done.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["there/report.html", "[]"]
    assert sorted(path.name for path in folder.iterdir()) == [COUNTS_FILE, CURVES_FILE, STUDY]


def test_a_report_goes_where_it_can_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="give another folder by --out"):
        build(folder, ["csv"], tmp_path / "file" / "under")


@pytest.mark.parametrize("place", ["file", "file/under"])
def test_an_archive_goes_where_it_can_be_written(folder: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"an archive goes to a folder .* give another folder by --archive"):
        archive(folder, tmp_path / place)
    assert (tmp_path / "file").read_text() == ""
