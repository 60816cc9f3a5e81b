"""A study's folder: damage of any file is said in one sentence, and folders of earlier versions stay readable."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from damage import DAMAGES, Damage, damaged

from ablation.records import ArmRecord, Study, TrialRecord, unusable_results
from ablation.results import (
    COUNTS_COLUMNS,
    COUNTS_FILE,
    CURVES_COLUMNS,
    CURVES_FILE,
    STUDY,
    read_counts,
    read_curves,
    read_study,
    read_texts,
    write_study,
)
from common.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study as small as can be, with keys and numbers that JSON writes in its own way."""
    counts = [("baseline", 1, "clean", f"u{number}", "s", 1, 0, 0, 4, "a b c d", "a b c") for number in range(50)]
    pd.DataFrame(counts, columns=COUNTS_COLUMNS).to_parquet(tmp_path / COUNTS_FILE, index=False)
    curves = [("baseline", 1, step, "loss", 1 / (step + 1)) for step in range(50)]
    pd.DataFrame(curves, columns=CURVES_COLUMNS).to_parquet(tmp_path / CURVES_FILE, index=False)
    trial = TrialRecord(
        arm="baseline", seed=1, status="finished", wer={"wer/clean": 0.1 + 0.2, "wer/valid": float("nan")}
    )
    study = Study(
        study="small",
        preset="tiny",
        corpus={"fingerprint": "f", "sizes": {10: "ten", 9: "nine"}},
        seeds=[1],
        conditions=["clean"],
        arms=[ArmRecord(arm="baseline")],
        trials=[trial],
    )
    write_study(study, tmp_path)
    return tmp_path


def read(folder: Path) -> None:
    read_study(folder)
    read_counts(folder)
    read_texts(folder, ["u1"])
    read_curves(folder)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [STUDY, COUNTS_FILE, CURVES_FILE])
def test_a_damaged_file_is_named_with_the_remedy(folder: Path, name: str, damage: Damage) -> None:
    read(folder)
    with damaged([folder / name], damage), pytest.raises(UserError, match=name) as raised:
        read(folder)
    assert "\n" not in str(raised.value)
    assert "`ablate run`" in str(raised.value)
    read(folder)


@pytest.mark.parametrize("name", [COUNTS_FILE, CURVES_FILE])
def test_a_table_of_another_study_is_refused(folder: Path, name: str) -> None:
    table = pd.read_parquet(folder / name)
    table.assign(seed=2).to_parquet(folder / name, index=False)
    with pytest.raises(UserError, match=f"{name} was damaged or replaced"):
        read(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["trials"][0].update(status="failed"),
        lambda record: record["trials"].clear(),
        lambda record: record["sha256"].update({COUNTS_FILE: "0" * 64}),
        lambda record: record.update(later="key"),
    ],
)
def test_any_change_of_the_record_is_found(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    record = json.loads((folder / STUDY).read_text())
    change(record)
    (folder / STUDY).write_text(json.dumps(record))
    with pytest.raises(UserError, match="its SHA-256 differs; run the study again: the same `ablate run` command"):
        read_study(folder)


def test_the_layout_of_the_record_does_not_count(folder: Path) -> None:
    record = json.loads((folder / STUDY).read_text())
    (folder / STUDY).write_text(json.dumps(dict(reversed(record.items()))))
    read(folder)


def test_a_folder_of_an_earlier_version_has_no_sums_and_is_read(folder: Path) -> None:
    record = json.loads((folder / STUDY).read_text())
    del record["sha256"]
    (folder / STUDY).write_text(json.dumps(record))
    read(folder)


def test_results_that_were_not_used_are_counted_with_a_reason() -> None:
    trials = [
        TrialRecord(arm="a", seed=seed, status="finished", unusable=reason)
        for seed, reason in enumerate([None, "the results of run 7 cannot be used (502)", "another"])
    ]
    assert unusable_results(trials[:1]) is None
    assert str(unusable_results(trials[:2])).startswith("1 stored result could not be used, so its trial was trained")
    assert str(unusable_results(trials)).startswith("2 stored results could not be used, so their trials were trained")
    assert str(unusable_results(trials)).endswith("the results of run 7 cannot be used (502)")
