"""Damaged files: found and said before they are used, and a rerun gives the numbers of a study that nothing disturbed."""

import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from injection.damage import FORGED, KINDS, damage
from injection.facts import Reference, litter, numbers, store
from injection.study import PLAN, STUDY, Place, Run

FULL = bool(os.environ.get("ABLATE_FAULT_FULL"))
FOUND = r"(SHA-256|damaged|cannot be (read|used)|differ|not the|has not|is missing|no valid|not valid)"
IN_CI = {("counts", FORGED), ("checkpoint", FORGED), ("shard", FORGED)}
SOME_KINDS = KINDS if FULL else (FORGED,)  # what is forged reads well, so it is the hardest to find
WHERE = {
    "counts": ("artifacts/{study}/*/artifacts/trial/counts.parquet", r"counts\.parquet"),
    "curves": ("artifacts/{study}/*/artifacts/trial/history.jsonl", r"history\.jsonl"),
    "status": ("artifacts/{study}/*/artifacts/trial/status.json", r"status\.json"),
    "checkpoint": ("artifacts/{study}/models/*/artifacts/model.safetensors", r"model\.safetensors"),
}
PREPARED = {
    "shard": "shards/video-00000.u8",
    "sound": "shards/audio-00000.i16",
    "manifest": "manifest.parquet",
}
TIMES = ("train_seconds", "evaluate_seconds", "started", "ended")


def _chosen(names: object) -> list[tuple[str, str]]:
    return [(name, kind) for name in names for kind in KINDS if FULL or (name, kind) in IN_CI]  # type: ignore[attr-defined]


def _stored(place: Place, name: str) -> list[Path]:
    return sorted((place.root / "studies").glob(WHERE[name][0].format(study=STUDY)))


def _is_right(place: Place, run: Run, reference: Reference) -> None:
    assert (run.code, "Traceback" in run.said) == (0, False), run.said
    assert numbers(place) == reference.numbers
    assert store(place.database).faults() == []
    assert litter(place) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), _chosen(("counts", "curves", "checkpoint")))
def test_what_mlflow_stores_of_a_trial_is_checked(name: str, kind: str, copied: Place, reference: Reference) -> None:
    """A checkpoint is used again when the plan has got another condition."""
    files = _stored(copied, name)
    assert len(files) == 2
    for file in files:
        damage(file, kind)
    if name == "checkpoint":
        (copied.root / "plan.yaml").write_text(yaml.safe_dump(PLAN | {"conditions": {"babble": [0, 5]}}))
    run = copied.finish()
    _is_right(copied, run, reference)
    assert re.search(f"{WHERE[name][1]}.*{FOUND}|{FOUND}.*{WHERE[name][1]}", run.said + run.log), run.log


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), _chosen(PREPARED))
def test_a_damaged_corpus_is_prepared_again(name: str, kind: str, copied: Place, reference: Reference) -> None:
    """Its results are not taken for those of the sound corpus, and are made from the sound corpus."""
    sound = (copied.cache / PREPARED[name]).read_bytes()
    damage(copied.cache / PREPARED[name], kind)
    run = copied.finish("run", "plan.yaml", "--force-arm", "baseline")
    _is_right(copied, run, reference)
    assert (copied.cache / PREPARED[name]).read_bytes() == sound
    assert re.search(f"{copied.cache.name}.*{FOUND}|{FOUND}.*{copied.cache.name}", run.said + run.log), run.log


@pytest.mark.parametrize("kind", SOME_KINDS)
@pytest.mark.parametrize("name", PREPARED)
def test_verify_finds_a_damaged_corpus(name: str, kind: str, copied: Place) -> None:
    damage(copied.cache / PREPARED[name], kind)
    run = copied.finish("corpus", "verify", str(copied.cache))
    assert run.code == 1, run.said
    assert "Traceback" not in run.said
    assert re.search(rf"{Path(PREPARED[name]).name}|manifest|(video|audio) differs", run.said), run.said


@pytest.mark.parametrize("kind", SOME_KINDS)
@pytest.mark.parametrize("file", ["study.json", "counts.parquet", "curves.parquet"])
def test_a_damaged_study_is_not_reported(file: str, kind: str, copied: Place) -> None:
    """One sentence names the file, and the reports stay as they are."""
    before = (copied.study / "report.csv").read_bytes()
    damage(copied.study / file, kind)
    run = copied.finish("report", STUDY)
    assert run.code == 2, run.said
    assert len(run.said.strip().splitlines()) == 1, run.said
    assert file in run.said
    assert (copied.study / "report.csv").read_bytes() == before


@pytest.mark.parametrize("kind", SOME_KINDS)
@pytest.mark.parametrize("file", ["study.json", "counts.parquet"])
def test_a_damaged_study_in_mlflow_passes_no_gate(file: str, kind: str, copied: Place) -> None:
    [stored] = (copied.artifacts).glob(f"*/artifacts/{file}")
    damage(stored, kind)
    run = copied.finish("gate", STUDY, "--from-mlflow", "--out", str(copied.root / "gate"))
    assert run.code == 2, run.said
    assert file in run.last
    assert "Traceback" not in run.said


@pytest.mark.parametrize("kind", SOME_KINDS)
def test_a_damaged_checkpoint_transcribes_nothing(kind: str, copied: Place) -> None:
    for file in _stored(copied, "checkpoint"):
        damage(file, kind)
    clip = f"{copied.cache}#{pd.read_parquet(copied.cache / 'manifest.parquet')['id'].iloc[0]}"
    run = copied.finish("transcribe", clip, "--model", f"models:/{STUDY}@baseline")
    assert run.code == 2, run.said
    assert "model.safetensors" in run.last
    assert "Traceback" not in run.said


def test_times_are_the_only_difference_of_a_rerun(copied: Place, reference: Reference) -> None:
    """The comparison of numbers is strict: it notices one forged word."""
    table = pd.read_parquet(copied.study / "counts.parquet")
    table.loc[0, "substitutions"] += 1
    table.to_parquet(copied.study / "counts.parquet", index=False)
    assert numbers(copied) != reference.numbers
    assert json.loads((copied.study / "study.json").read_text())["study"] == STUDY
