"""Registering: aliases, one version per fingerprint, and a champion that only moves for a reason."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablation.decisions.comparable import Scored
from ablation.decisions.promotion import Decision, challenge, first
from ablation.records import TrialRecord
from ablation.results import COUNTS_COLUMNS, CURVES_COLUMNS
from common.errors import UserError
from components.register_checkpoint import best_trials, register_best
from components.resolve_plan import resolve
from components.shared.problem import TooManyFailed
from components.shared.trial import Trial
from tracking.registry import champion, rollback
from tracking.store import client

ROOT = Path(__file__).parents[2]
SEEDS = (1, 2, 3)
WORDS = 1000


def counts(errors: dict[str, list[int]], seeds: tuple[int, ...] = SEEDS) -> pd.DataFrame:
    """Errors per seed in a thousand words, the same clean and in noise."""
    rows = [
        (arm, seed, condition, "u", "s", wrong, 0, 0, WORDS, "", "")
        for arm, each in errors.items()
        for seed, wrong in zip(seeds, each, strict=True)
        for condition in ("clean", "babble_0db")
    ]
    return pd.DataFrame(rows, columns=COUNTS_COLUMNS)


GOOD, SAME, BAD = [101, 102, 97], [199, 203, 201], [301, 302, 297]
BASE = {"baseline": [200, 202, 198]}


def scored(errors: dict[str, list[int]], corpus: str = "x", seeds: tuple[int, ...] = SEEDS) -> Scored:
    return Scored(counts(errors, seeds), corpus, {})


@pytest.mark.parametrize(
    ("errors", "arm", "why"),
    [
        (BASE | {"a": SAME}, "baseline", "no arm is significantly better"),
        (BASE | {"a": BASE["baseline"]}, "baseline", "no arm is significantly better"),  # a tie
        (BASE | {"a": BAD}, "baseline", "no arm is significantly better"),
        (BASE | {"a": SAME, "b": GOOD}, "b", "significantly better than baseline"),
        (BASE | {"a": [90, 92, 88], "b": GOOD}, "a", "champion is a"),
        ({"a": GOOD}, None, "baseline has no finished trial"),
    ],
)
def test_the_first_champion_is_the_baseline_or_an_arm_above_it(
    errors: dict[str, list[int]], arm: str | None, why: str
) -> None:
    decision = first(scored(errors), "baseline")
    assert decision.arm == arm
    assert why in decision.why


@pytest.mark.parametrize(
    ("errors", "champion", "arm", "why"),
    [
        (BASE | {"a": SAME}, None, None, "champion stays baseline: no arm"),
        (BASE | {"a": GOOD}, None, "a", "champion is a: significantly better than baseline"),
        (BASE | {"a": GOOD}, scored({"baseline": BAD}), "a", "significantly better than the champion, baseline"),
        (BASE | {"a": GOOD}, scored({"baseline": GOOD}), None, "champion stays baseline: no arm"),
        (
            BASE | {"a": GOOD},
            scored({"baseline": BAD}, corpus="y"),
            None,
            "scored on another corpus, y, and this study",
        ),
    ],
)
def test_a_champion_is_replaced_only_by_an_arm_that_beats_it(
    errors: dict[str, list[int]], champion: Scored | None, arm: str | None, why: str
) -> None:
    decision = challenge(scored(errors), "baseline", champion)
    assert decision.arm == arm
    assert why in decision.why


def test_better_here_and_worse_there_beats_nothing() -> None:
    found = scored(BASE | {"a": GOOD})
    table = found.counts
    table.loc[(table["arm"] == "a") & (table["condition"] == "clean"), "substitutions"] = BAD
    assert first(found, "baseline").arm == "baseline"


def test_one_seed_beats_nothing_however_many_the_champion_has() -> None:
    found = scored({"baseline": [200], "a": [1]}, seeds=(1,))
    assert first(found, "baseline") == Decision("baseline", "champion is baseline: one seed gives no verdict")
    nobody = Decision(None, "champion stays baseline: one seed gives no verdict")
    for present in (None, scored({"baseline": [999]}, seeds=(1,)), scored(BASE)):
        assert challenge(found, "baseline", present) == nobody


def test_the_validation_split_chooses_the_seed() -> None:
    trials = [
        TrialRecord(arm="a", seed=1, status="finished", model_id="m1", wer={"wer/clean": 0.1}),
        TrialRecord(arm="a", seed=2, status="finished", model_id="m2", wer={"wer/clean": 0.9}),
        TrialRecord(arm="a", seed=3, status="failed", model_id="m3"),
        TrialRecord(arm="a", seed=4, status="finished"),
        TrialRecord(arm="b", seed=1, status="failed"),
    ]
    rows = [("a", seed, 9, "wer/valid", wer) for seed, wer in ((1, 0.5), (2, 0.4), (3, 0.0), (4, 0.0))]
    curves = pd.DataFrame([("a", 1, 5, "wer/valid", 0.0), *rows], columns=CURVES_COLUMNS)
    assert {arm: trial.seed for arm, trial in best_trials(trials, curves).items()} == {"a": 2}
    assert best_trials(trials, curves[:0])["a"].seed == 1


def versions(uri: str, name: str) -> dict[str, dict[str, str]]:
    return {version.version: version.tags for version in client(uri).search_model_versions(f"name = '{name}'")}


def test_registering_twice_gives_one_version_with_both_aliases(done: Any, plan: dict[str, Any]) -> None:
    for _ in range(2):
        said = register_best(plan, done.study, tracking_uri=done.uri)
    assert said.startswith("champion")
    assert len(versions(done.uri, "demo")) == 2  # the baseline, and the candidate
    baseline = done.status("baseline")
    for alias in ("baseline", "champion"):
        version = client(done.uri).get_model_version_by_alias("demo", alias)
        assert version.run_id == baseline.run_id
        assert version.tags["fingerprint"] == baseline.fingerprint
        assert version.tags["wer"] == f"{baseline.wer['wer/overall']:.4f}"
    run = client(done.uri).get_run(done.trials[0].study_run_id)
    assert (run.info.status, run.data.tags["ablation.champion"]) == ("FINISHED", said)


def test_too_many_failures_fail_the_study_at_the_end(done: Any, plan: dict[str, Any]) -> None:
    with pytest.raises(TooManyFailed, match="1 of 3 trials failed; the plan allows 0"):
        register_best(plan | {"max_failed_trials": 0}, done.study, tracking_uri=done.uri)
    run = client(done.uri).get_run(done.trials[0].study_run_id)
    assert (run.info.status, run.data.tags["ablation.reason"]) == (
        "FAILED",
        "1 of 3 trials failed; the plan allows 0",
    )
    assert client(done.uri).get_model_version_by_alias("demo", "champion").tags["arm"] == "baseline"


def test_a_winning_arm_becomes_champion_and_baseline_stays(done: Any, plan: dict[str, Any], tmp_path: Path) -> None:
    record = json.loads((done.study / "study.json").read_text()) | {"sha256": {}}  # which the changes below would break
    real = {trial["arm"]: trial for trial in record["trials"] if trial["status"] == "finished"}
    record["trials"] = [real[arm] | {"seed": seed, "fingerprint": f"{arm}-{seed}"} for arm in real for seed in SEEDS]
    record["study"] = "won"
    (tmp_path / "study.json").write_text(json.dumps(record))
    counts(BASE | {"no-scale": GOOD}).to_parquet(tmp_path / "counts.parquet")
    pd.read_parquet(done.study / "curves.parquet")[:0].to_parquet(tmp_path / "curves.parquet")
    winning = plan | {"study": "won"}
    assert register_best(winning, tmp_path, tracking_uri=done.uri) == (
        "champion is no-scale: significantly better than baseline"
    )
    assert {tags["arm"] for tags in versions(done.uri, "won").values()} == {"baseline", "no-scale"}
    champion = client(done.uri).get_model_version_by_alias("won", "champion")
    assert champion.run_id == real["no-scale"]["run_id"]
    again = register_best(winning, tmp_path, tracking_uri=done.uri)
    assert again == "champion stays no-scale: no arm is significantly better"
    assert len(versions(done.uri, "won")) == 2


def test_a_champion_has_evidence_and_can_be_rolled_back(done: Any, plan: dict[str, Any], tmp_path: Path) -> None:
    record = json.loads((done.study / "study.json").read_text()) | {"sha256": {}}  # which the changes below would break
    real = {trial["arm"]: trial for trial in record["trials"] if trial["status"] == "finished"}
    record["trials"] = [real[arm] | {"seed": seed, "fingerprint": f"{arm}-{seed}"} for arm in real for seed in SEEDS]
    record["study"] = "back"
    (tmp_path / "study.json").write_text(json.dumps(record))
    pd.read_parquet(done.study / "curves.parquet")[:0].to_parquet(tmp_path / "curves.parquet")
    for errors in (SAME, GOOD):
        counts(BASE | {"no-scale": errors}).to_parquet(tmp_path / "counts.parquet")
        register_best(plan | {"study": "back"}, tmp_path, tracking_uri=done.uri)
    now = champion(done.uri, "back")
    assert now is not None
    assert now.tags["arm"] == "no-scale"
    assert now.tags["evidence"].startswith("champion is no-scale: significantly better than baseline. Dunnett's test")
    assert "clean -10.00 points (p = " in now.tags["evidence"]
    assert "3 seeds, 1 utterances" in now.tags["evidence"]
    assert {"wer/clean", "wer/babble_0db", "git_revision", "study_run"} <= set(now.tags)
    assert client(done.uri).get_model_version_by_alias("back", "candidate").tags["arm"] == "no-scale"
    lost, again = rollback(done.uri, "back")
    assert (lost.version, again.tags["arm"]) == (now.version, "baseline")
    assert champion(done.uri, "back") == again
    with pytest.raises(UserError, match="the first champion of 'back': there is none to go back to"):
        rollback(done.uri, "back")
    with pytest.raises(UserError, match="'nobody' has none"):
        rollback(done.uri, "nobody")


def test_two_studies_that_register_at_once_make_one_version(done: Any, plan: dict[str, Any], tmp_path: Path) -> None:
    code = "import sys, json; from pathlib import Path; from components.register_checkpoint import register_best; "
    code += "register_best(json.loads(sys.argv[1]), Path(sys.argv[2]), tracking_uri=sys.argv[3])"
    record = json.loads((done.study / "study.json").read_text()) | {"sha256": {}}  # which the changes below would break
    processes = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        for file in ("counts.parquet", "curves.parquet"):
            (folder / file).write_bytes((done.study / file).read_bytes())
        opened = Trial.from_json(resolve(plan | {"study": "crowd"}, done.uri, "")[0])
        record["mlflow"] = {"study_run_id": opened.study_run_id}
        (folder / "study.json").write_text(json.dumps(record))
        command = [sys.executable, "-c", code, json.dumps(plan | {"study": "crowd"}), str(folder), done.uri]
        processes.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}))
    assert [process.wait(250) for process in processes] == [0, 0]
    prints = [tags["fingerprint"] for tags in versions(done.uri, "crowd").values()]
    assert sorted(prints) == sorted(set(prints))
    assert len(prints) == 2  # the baseline and the candidate
