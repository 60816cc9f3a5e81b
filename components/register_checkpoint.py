"""Register the baseline's checkpoint, decide on the champion, and close the study."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp.dsl import Artifact, Dataset, Input

from components._image import component
from components.trial import Status, plan_of


class TooManyFailed(RuntimeError):
    """More trials failed than the plan allows; the study is a failed one, its report stands."""


@dataclass(frozen=True)
class Decision:
    """Whose checkpoint is to be the champion, or None to leave it as it is, and why."""

    arm: str | None
    why: str


def register_best(plan: Mapping[str, Any], study: Path, *, tracking_uri: str) -> str:
    """Set the aliases `baseline` and `champion` of the registered model that is named as the study.

    Returns what was decided, in a sentence. Raises TooManyFailed at the end, when all else is done.
    """
    from tracking.studies import end_run, note_decision

    checked = plan_of(plan)
    record = json.loads((study / "study.json").read_text())
    trials = [Status(**trial) for trial in record["trials"]]
    decision = _register(checked.study, record, trials, study, tracking_uri)
    run_id = record["mlflow"]["study_run_id"]
    note_decision(tracking_uri, run_id, decision)
    failed = [trial for trial in trials if trial.failed]
    if len(failed) > checked.max_failed_trials:
        reason = f"{len(failed)} of {len(trials)} trials failed; the plan allows {checked.max_failed_trials}"
        end_run(tracking_uri, run_id, "FAILED", reason)
        raise TooManyFailed(reason)
    end_run(tracking_uri, run_id, "FINISHED")
    return decision


def _register(name: str, record: Mapping[str, Any], trials: list[Status], study: Path, uri: str) -> str:
    from ablation.results import read_counts, read_curves
    from ablation.scoring import trial_metrics
    from tracking.checkpoints import alias_tags, register

    counts, best = read_counts(study), best_trials(trials, read_curves(study))
    corpus = record["corpus"]["fingerprint"]

    def put(arm: str, *aliases: str) -> None:
        trial = best[arm]
        rows = counts[(counts["arm"] == arm) & (counts["seed"] == trial.seed)]
        wer = trial_metrics(rows)["wer/overall"]
        tags = {"arm": arm, "seed": trial.seed, "wer": f"{wer:.4f}", "fingerprint": trial.fingerprint, "corpus": corpus}
        register(uri, name, str(trial.model_id), {key: str(value) for key, value in tags.items()}, aliases)

    if record["baseline"] in best:
        put(record["baseline"], "baseline")
    decision = decide(counts[counts["arm"].isin(best)], record["baseline"], alias_tags(uri, name, "champion"), corpus)
    if decision.arm:
        put(decision.arm, "champion")
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
        return Decision(winners[0], f"champion is {winners[0]}: significantly better than {holder}")
    if champion is None:
        return Decision(holder, f"champion is {holder}: no arm is significantly better")
    return Decision(None, f"champion stays {holder}: no arm is significantly better")


def _beating(counts: Any, holder: str) -> list[str]:
    """Arms that beat the holder, the lowest mean WER over conditions' differences first."""
    from ablation.significance import EARNS, HARMFUL, compare

    table = compare(counts, holder)
    found = {}
    for arm, rows in table[table["arm"] != holder].groupby("arm", sort=False):
        verdicts = set(rows["verdict"])
        if HARMFUL in verdicts and EARNS not in verdicts:
            found[str(arm)] = float(rows["difference"].mean())
    return sorted(found, key=lambda arm: found[arm])


@component
def register_checkpoint(tracking_uri: str, resolved: Input[Artifact], study: Input[Dataset]) -> str:
    """The step of the pipeline; returns what was decided on the champion."""
    from pathlib import Path

    from components.inputs import store_of
    from components.register_checkpoint import register_best
    from components.trial import Resolved

    return register_best(Resolved.read(resolved.path).plan, Path(study.path), tracking_uri=store_of(tracking_uri))
