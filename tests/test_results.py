"""The committed studies in results/: documents state their numbers, and the report can be rebuilt from them anywhere."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from generators import generator

import ablate
from common.conditions import label

ROOT = Path(__file__).parents[1]
STUDIES = sorted(path.parent for path in (ROOT / "results").glob("*/study.json"))
MOST_BYTES = 2_000_000


@pytest.mark.parametrize("document", ["README.md", "docs/results.md"])
def test_tables_of_documents_are_those_of_the_studies(document: str) -> None:
    path = ROOT / document
    written = path.read_text(encoding="utf-8")
    assert "<!-- generated: wer" in written
    assert generator("generate_results").document(path) == written, (
        f"{document} is stale; run `python docs/generate_results.py`"
    )


def test_the_readmes_table_has_the_means_of_the_counts() -> None:
    """Means of the seeds' error rates, by pandas alone."""
    counts = pd.read_parquet(ROOT / "results" / "founding" / "counts.parquet")
    trials = counts.groupby(["arm", "seed", "condition"]).sum(numeric_only=True)
    errors = trials["substitutions"] + trials["deletions"] + trials["insertions"]
    means = (100 * errors / trials["reference_words"]).groupby(["arm", "condition"]).mean()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = readme.split("<!-- generated: wer founding -->")[1].split("<!-- end -->")[0].strip().splitlines()
    head, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line)
    assert len(rows) == counts["arm"].nunique()
    for name in counts["condition"].unique():
        place = head.index(label(name))
        for row in rows:
            arm = "baseline" if row[0].startswith("baseline") else row[0]
            assert float(row[place]) == pytest.approx(means[arm, name], abs=0.051)


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_a_report_is_rebuilt_from_what_is_committed(study: Path, tmp_path: Path) -> None:
    files = {path.name for path in study.iterdir()}
    assert {"study.json", "counts.parquet"} <= files <= {"study.json", "counts.parquet", "curves.parquet"}
    assert sum(path.stat().st_size for path in study.iterdir()) <= MOST_BYTES
    copy = tmp_path / "anywhere"
    shutil.copytree(study, copy)
    page, text = ablate.write_report(copy, ["html", "md"])
    said = re.sub(r"\s+", " ", text.read_text(encoding="utf-8"))
    assert page.stat().st_size > 10_000
    for paragraph in generator("generate_results").headline(ablate.load_study(copy)):
        assert paragraph.split(".")[0] in said


def test_at_least_the_studies_of_the_document_are_there() -> None:
    named = set(
        re.findall(r"<!-- generated: \w+ ([\w-]+) -->", (ROOT / "docs" / "results.md").read_text(encoding="utf-8"))
    )
    assert len(STUDIES) >= 2
    assert named == {path.name for path in STUDIES}
