"""Register the baseline's checkpoint, decide on the champion, and close the study."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp.dsl import Artifact, Dataset, Input

from components._image import component
from components.trial import Status, plan_of

SERVED = Path(__file__).with_name("served_model.py")


class TooManyFailed(RuntimeError):
    """More trials failed than the plan allows; the study is a failed one, its report stands."""


@dataclass(frozen=True)
class Decision:
    """Whose checkpoint is to be the champion, or None to leave it as it is, and why; `evidence` has the numbers."""

    arm: str | None
    why: str
    evidence: str = ""


def register_best(plan: Mapping[str, Any], study: Path, *, tracking_uri: str) -> str:
    """Set the aliases `baseline` and `champion` of the registered model that is named as the study.

    Returns what was decided, in a sentence. Raises TooManyFailed at the end, when all else is done.
    """
    from ablation.gate import too_many_failed
    from tracking.lease import lease
    from tracking.studies import end_run, note_decision

    checked = plan_of(plan)
    record = json.loads((study / "study.json").read_text())
    trials = [Status(**trial) for trial in record["trials"]]
    run_id = record["mlflow"]["study_run_id"]
    with lease(tracking_uri, run_id, f"register {checked.study}"):  # or two studies could both find no version yet
        decision = _register(checked.study, record, trials, study, tracking_uri)
    note_decision(tracking_uri, run_id, decision)
    failed = sum(trial.failed for trial in trials)
    if reason := too_many_failed(failed, len(trials), checked.max_failed_trials):
        end_run(tracking_uri, run_id, "FAILED", reason)
        raise TooManyFailed(reason)
    end_run(tracking_uri, run_id, "FINISHED")
    return decision


def _register(name: str, record: Mapping[str, Any], trials: list[Status], study: Path, uri: str) -> str:
    from ablation.results import read_counts, read_curves
    from ablation.scoring import trial_metrics
    from tracking.checkpoints import alias_tags, register
    from tracking.registry import promote
    from tracking.served import make_servable

    counts, best = read_counts(study), best_trials(trials, read_curves(study))
    corpus = record["corpus"]["fingerprint"]

    def put(arm: str, *aliases: str) -> str:
        trial = best[arm]
        rows = counts[(counts["arm"] == arm) & (counts["seed"] == trial.seed)]
        wers = trial_metrics(rows)
        tags = {
            "arm": arm,
            "seed": trial.seed,
            "wer": f"{wers['wer/overall']:.4f}",
            **{key: f"{wer:.4f}" for key, wer in wers.items() if key.startswith("wer/")},
            "fingerprint": trial.fingerprint,
            "corpus": corpus,
            "git_revision": record["provenance"]["git_revision"],
            "study_run": record["mlflow"]["study_run_id"],
        }
        make_servable(uri, str(trial.model_id), SERVED)
        return register(uri, name, str(trial.model_id), {key: str(value) for key, value in tags.items()}, aliases)

    if record["baseline"] in best:
        put(record["baseline"], "baseline")
    decision = decide(counts[counts["arm"].isin(best)], record["baseline"], alias_tags(uri, name, "champion"), corpus)
    if candidate := _candidate(counts[counts["arm"].isin(best)], record["baseline"]):
        put(candidate, "candidate")
    if decision.arm:
        promote(uri, name, put(decision.arm), f"{decision.why}. {decision.evidence}".strip())
    return decision.why


def best_trials(trials: list[Status], curves: Any) -> dict[str, Status]:
    """Per arm the finished trial with the lowest WER on the *validation* split at its end; the test split chooses none.

    Without validation utterances, the first seed.
    """
    valid = (
        curves[curves["metric"] == "wer/valid"].sort_values("step").groupby(["arm", "seed"])["value"].last().to_dict()
    )
    found: dict[str, Status] = {}
    for trial in trials:
        if trial.status != "finished" or trial.model_id is None:
            continue
        mine, other = (valid.get((trial.arm, seed)) for seed in (trial.seed, found.get(trial.arm, trial).seed))
        if trial.arm not in found or (mine is not None and other is not None and mine < other):
            found[trial.arm] = trial
    return found


def decide(counts: Any, baseline: str, champion: Mapping[str, str] | None, corpus: str) -> Decision:
    """The champion moves only to an arm that beats its arm on the same utterances and noise, by the primary test.

    To beat is to be significantly better under some condition and significantly worse under none. `champion` holds the
    version tags of the present one; None where there is none yet.
    """
    arms = list(dict.fromkeys(counts["arm"]))
    holder = champion["arm"] if champion else baseline
    if champion and champion.get("corpus") != corpus:
        return Decision(None, f"champion stays {holder}: it was scored on another corpus")
    if holder not in arms:
        return Decision(None, f"no champion: {holder} has no finished trial in this study")
    winners = _beating(counts, holder)
    if winners:
        arm, evidence = winners[0]
        return Decision(arm, f"champion is {arm}: significantly better than {holder}", evidence)
    if champion is None:
        return Decision(holder, f"champion is {holder}: no arm is significantly better")
    return Decision(None, f"champion stays {holder}: no arm is significantly better")


def _candidate(counts: Any, baseline: str) -> str | None:
    """The arm beside the baseline with the fewest errors over all conditions and seeds, whether chance or not."""
    from ablation.scoring import pool

    others = counts[counts["arm"] != baseline]
    return str(pool(others, ["arm"]).sort_values("wer", kind="stable")["arm"].iloc[0]) if len(others) else None


def _beating(counts: Any, holder: str) -> list[tuple[str, str]]:
    """Arms that beat the holder, each with its numbers; the lowest mean difference over the conditions first."""
    from ablation.significance import EARNS, HARMFUL, compare

    table = compare(counts, holder)
    found = {}
    for arm, rows in table[table["arm"] != holder].groupby("arm", sort=False):
        verdicts = set(rows["verdict"])
        if HARMFUL in verdicts and EARNS not in verdicts:
            found[str(arm)] = float(rows["difference"].mean())
    best = sorted(found, key=lambda arm: found[arm])
    return [(arm, _evidence(table[table["arm"] == arm], counts)) for arm in best]


def _evidence(rows: Any, counts: Any) -> str:
    """The test, its numbers per condition, and what they were counted on."""
    numbers = [
        f"{row['condition']} {100 * row['difference']:+.2f} points (p = {row['p_adjusted']:.2g})"
        for row in rows.to_dict("records")
    ]
    test = "Dunnett's test over seeds, Holm over conditions"
    return (
        f"{test}: {', '.join(numbers)}; {int(rows['seeds'].max())} seeds, {counts['utterance_id'].nunique()} utterances"
    )


@component
def register_checkpoint(tracking_uri: str, resolved: Input[Artifact], study: Input[Dataset]) -> str:
    """The step of the pipeline; returns what was decided on the champion."""
    from pathlib import Path

    from components.inputs import store_of
    from components.register_checkpoint import register_best
    from components.trial import Resolved

    return register_best(Resolved.read(resolved.path).plan, Path(study.path), tracking_uri=store_of(tracking_uri))
