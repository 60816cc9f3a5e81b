"""Register the baseline's checkpoint, decide on the champion, and close the study."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp.dsl import Artifact, Dataset, Input

from ablation.decisions.comparable import Scored
from common.errors import UserError
from components.shared.image import component
from components.shared.problem import TooManyFailed as TooManyFailed
from components.shared.trial import Status, plan_of

if TYPE_CHECKING:
    import pandas as pd

    from ablation.decisions.promotion import Decision
    from ablation.results import Study

SERVED = Path(__file__).parent / "shared" / "served_model.py"


def register_best(plan: Mapping[str, Any], study: Path, *, tracking_uri: str) -> str:
    """Set the aliases `baseline` and `champion` of the registered model that is named as the study.

    Returns what was decided, in a sentence. Raises TooManyFailed at the end, when all else is done.
    """
    from ablation.decisions.gate import too_many_failed
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
    from ablation.decisions.promotion import candidate
    from ablation.results import read_counts, read_curves, read_study
    from ablation.stats.scoring import trial_metrics
    from components.shared.champion import keep_widest
    from tracking.checkpoints import register
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
    able = counts[counts["arm"].isin(best)]
    prints = {str(trial.fingerprint) for trial in trials if trial.status == "finished"}
    decision = decide(uri, read_study(study), able, prints)
    if runner_up := candidate(able, record["baseline"]):
        put(runner_up, "candidate")
    if decision.arm:
        promote(uri, name, put(decision.arm), f"{decision.why}. {decision.evidence}".strip())
    keep_widest(uri, name, record["mlflow"]["study_run_id"], able, prints, promoted=bool(decision.arm))
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


def decide(uri: str, record: "Study", counts: "pd.DataFrame", prints: Collection[str]) -> "Decision":
    """Who is to be the champion. `counts` are of the arms that could be, `prints` the fingerprints of the study's trials."""
    from ablation.decisions.promotion import Decision, challenge, first
    from components.shared.champion import stored
    from tracking.registry import champion

    study, holder = Scored.of(record, counts), champion(uri, record.study)
    if holder is None:
        return first(study, record.baseline)
    arm = holder.tags["arm"]
    if holder.tags.get("fingerprint") in prints and arm in set(counts["arm"]):
        return challenge(study, arm)
    try:
        return challenge(study, arm, stored(uri, record.study, holder))
    except UserError as error:
        return Decision(None, f"champion stays {arm}: {error}")


@component
def register_checkpoint(tracking_uri: str, resolved: Input[Artifact], study: Input[Dataset]) -> str:
    """The step of the pipeline; returns what was decided on the champion."""
    from pathlib import Path

    from components.register_checkpoint import register_best
    from components.shared.inputs import store_of
    from components.shared.trial import Resolved

    return register_best(Resolved.read(resolved.path).plan, Path(study.path), tracking_uri=store_of(tracking_uri))
