"""Register the baseline's checkpoint, decide on the champion, and close the study."""

import contextlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp.dsl import Artifact, Dataset, Input

from ablation.decisions.comparable import Scored
from ablation.plan.plan import RECIPE, Plan
from common.errors import UserError
from components.shared.image import component
from components.shared.problem import TooManyFailed
from components.shared.trial import plan_of
from recipes.optional import can_serve, packages
from recipes.plans import of

if TYPE_CHECKING:
    import pandas as pd

    from ablation.decisions.promotion import Decision
    from ablation.records import Study, TrialRecord

SERVED = Path(__file__).parent / "shared" / "served_model.py"


def register_best(plan: Mapping[str, Any], folder: Path, *, tracking_uri: str) -> str:
    """Set the aliases `baseline`, `candidate` and `champion` of the registered model that has the study's name.

    Return the decision on the champion in one sentence. Raises TooManyFailed at the end, when everything else is done.
    """
    from ablation.decisions.gate import too_many_failed
    from ablation.results import read_study
    from tracking.creating import patiently
    from tracking.lease import lease
    from tracking.runs import end_run, note_decision

    checked, study = plan_of(plan), read_study(folder)
    run_id = _run_of(study)
    with lease(tracking_uri, run_id, f"register {checked.study}"):  # else two studies could both find no version yet
        decision = _register(checked, study, folder, tracking_uri)
    patiently(tracking_uri, lambda: note_decision(tracking_uri, run_id, decision))
    if reason := too_many_failed(len(study.failed()), len(study.trials), checked.max_failed_trials):
        patiently(tracking_uri, lambda: end_run(tracking_uri, run_id, "FAILED", reason))
        raise TooManyFailed(reason)
    patiently(tracking_uri, lambda: end_run(tracking_uri, run_id, "FINISHED"))
    return decision


def _run_of(study: "Study") -> str:
    """Return the id of the study's run in MLflow."""
    if study.mlflow is None:
        raise UserError(f"study {study.study!r} names no MLflow run; run it again with an MLflow store")
    return str(study.mlflow["study_run_id"])


def _register(plan: Plan, study: "Study", folder: Path, uri: str) -> str:
    from ablation.decisions.promotion import candidate
    from ablation.results import read_counts, read_curves
    from components.shared.champion import link_widest_study
    from tracking.registry import promote

    name = plan.study
    if not can_serve(of(plan)):
        print(
            f"recipe {of(plan).name} has no transcriber: its checkpoints are registered, but MLflow cannot serve them",
            flush=True,
        )
    counts, best = read_counts(folder), best_trials(study.trials, read_curves(folder))

    def put(arm: str, *aliases: str) -> str:
        return _put(uri, plan, study, best[arm], counts, aliases)

    if study.baseline in best:
        put(study.baseline, "baseline")
    able = counts[counts["arm"].isin(best)]
    prints = {str(trial.fingerprint) for trial in study.trials if trial.status == "finished"}
    decision = decide(uri, study, able, prints)
    if runner_up := candidate(able, study.baseline):
        put(runner_up, "candidate")
    if decision.arm:
        promote(uri, name, put(decision.arm), f"{decision.why}. {decision.evidence}".strip())
    with contextlib.suppress(UserError):  # the decision says that the alias belongs to others
        link_widest_study(uri, name, _run_of(study), able, prints, promoted=bool(decision.arm))
    return decision.why


def _put(
    uri: str, plan: Plan, study: "Study", trial: "TrialRecord", counts: "pd.DataFrame", aliases: Sequence[str]
) -> str:
    """Register a trial's checkpoint with tags that say where it comes from and how good it is. Return the version."""
    from ablation.stats.scoring import trial_metrics
    from tracking.checkpoints import register
    from tracking.served import make_servable

    wers = trial_metrics(counts[(counts["arm"] == trial.arm) & (counts["seed"] == trial.seed)])
    tags = {
        "arm": trial.arm,
        "seed": trial.seed,
        "wer": f"{wers['wer/overall']:.4f}",
        **{key: f"{wer:.4f}" for key, wer in wers.items() if key.startswith("wer/")},
        "fingerprint": trial.fingerprint,
        "corpus": study.corpus["fingerprint"],
        "git_revision": study.provenance["git_revision"],
        "study_run": _run_of(study),
    }
    recipe = of(plan)
    tags |= {} if plan.recipe == RECIPE else {"recipe": plan.recipe}
    if can_serve(recipe):
        make_servable(uri, str(trial.model_id), SERVED.name, served_script(plan.recipe), packages(recipe))
    about = f"{trial.arm}, seed {trial.seed}, of the study {study.study}: {', '.join(_rates(wers))}."
    texts = {key: str(value) for key, value in tags.items()}
    return register(uri, plan.study, str(trial.model_id), texts, aliases, about)


def _rates(errors: Mapping[str, float]) -> list[str]:
    """Return error rates in percent, e.g. `wer/clean 12.5 %`."""
    return [f"{key} {100 * rate:.1f} %" for key, rate in errors.items()]


def served_script(recipe: str) -> str:
    """Return the script of a served model whose checkpoint is of a recipe."""
    return SERVED.read_text(encoding="utf-8").replace(f'RECIPE = "{RECIPE}"', f"RECIPE = {json.dumps(recipe)}")


def best_trials(trials: Sequence["TrialRecord"], curves: "pd.DataFrame") -> dict[str, "TrialRecord"]:
    """Return per arm the finished trial with the lowest final WER on the *validation* split.

    The test split takes no part in the choice. Without validation utterances, it is the trial with the first seed.
    """
    valid = (
        curves[curves["metric"] == "wer/valid"].sort_values("step").groupby(["arm", "seed"])["value"].last().to_dict()
    )
    found: dict[str, TrialRecord] = {}
    for trial in trials:
        if trial.status != "finished" or trial.model_id is None:
            continue
        mine, other = (valid.get((trial.arm, seed)) for seed in (trial.seed, found.get(trial.arm, trial).seed))
        if trial.arm not in found or (mine is not None and other is not None and mine < other):
            found[trial.arm] = trial
    return found


def decide(uri: str, study: "Study", counts: "pd.DataFrame", prints: Collection[str]) -> "Decision":
    """Decide on the champion.

    `counts` are those of the arms that can become champion, `prints` the fingerprints of the study's finished trials.
    """
    from ablation.decisions.promotion import Decision, challenge, first
    from components.shared.champion import stored
    from tracking.registry import champion

    scored = Scored.of(study, counts)
    try:
        holder = champion(uri, study.study)
    except UserError as error:
        return Decision(None, f"no champion was chosen: {error}")
    if holder is None:
        return first(scored, study.baseline)
    arm = holder.tags["arm"]
    if holder.tags.get("fingerprint") in prints and arm in set(counts["arm"]):
        return challenge(scored, arm)
    try:
        return challenge(scored, arm, stored(uri, study.study, holder))
    except UserError as error:
        return Decision(None, f"champion stays {arm}: {error}")


@component
def register_checkpoint(tracking_uri: str, resolved: Input[Artifact], study: Input[Dataset]) -> str:
    """Register the best checkpoints of the study, decide on the champion, and close the study.

    MLflow: makes the checkpoints of the baseline, of the arm with the fewest errors and of a new champion versions of the
    registered model that has the study's name, and sets the aliases `baseline`, `candidate` and `champion`; writes the decision
    to the study's run; ends that run as FINISHED, or as FAILED if more trials failed than the plan allows. Then the step fails
    as well.

    Args:
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        resolved: Input. The plan and its trials, as resolve_plan wrote them.
        study: Input. The study folder that compare_arms wrote.

    Returns:
        The decision on the champion in one sentence.
    """
    from pathlib import Path

    from components.register_checkpoint import register_best
    from components.shared.inputs import store_of
    from components.shared.problem import reporting
    from components.shared.trial import Resolved

    with reporting("register-checkpoint"):
        return register_best(Resolved.read(resolved.path).plan, Path(study.path), tracking_uri=store_of(tracking_uri))
