"""Find the trials that were finished before, by their fingerprints, and return those that are left."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfp.dsl import Artifact, Dataset, Input, Output

from ablation.plan.arms import expand
from components.shared.fingerprints import fingerprints
from components.shared.image import component
from components.shared.reuse import forced_arms
from components.shared.trial import Trial, plan_of
from components.workers.isolation import exit_on_sigterm
from recipes.smile import CATALOGUE


def find(
    plan: Mapping[str, Any], trials: Sequence[str], corpus: Path, out: Path, *, tracking_uri: str, force: str = ""
) -> list[str]:
    """Return the trials to train or to score, each as the JSON of a `components.shared.trial.Trial`; at least one.

    `trials` are all trials, as `resolve_plan` opened them. `out` gets a folder for each finished one, which has an earlier
    trial with the same fingerprints in the store. `force` names arms, separated by commas, that are trained in any case; `*`
    names all. Raises UserError.
    """
    exit_on_sigterm()
    checked = plan_of(plan)
    arms = expand(checked, CATALOGUE)
    forced = forced_arms(force, arms)
    out.mkdir(parents=True, exist_ok=True)
    items = []
    for text, prints in zip(trials, fingerprints(checked, arms, corpus), strict=True):
        item = Trial.from_json(text)
        _announce(tracking_uri, item.run_id, prints.trained, prints.inputs)
        items.append(replace(item, fingerprint=prints.trained, evaluation=prints.scored, forced=item.arm in forced))
    left = [item for item in items if item.forced or not _reused(item, out, tracking_uri)]
    for turn, item in enumerate(left):
        _note_turn(tracking_uri, item.run_id, turn)
    # Kubeflow cannot collect from an empty loop, so one trial passes through it that needs no work.
    return [item.to_json() for item in left] or [replace(items[0], done=True).to_json()]


def _announce(uri: str, run_id: str, fingerprint: str, inputs: Mapping[str, Any]) -> None:
    from components.shared.history import attempt
    from tracking.reuse import announce

    attempt(lambda: announce(uri, run_id, fingerprint, inputs))


def _note_turn(uri: str, run_id: str, turn: int) -> None:
    from components.shared.history import attempt
    from tracking.reuse import note_turn

    attempt(lambda: note_turn(uri, run_id, turn))


def _reused(item: Trial, out: Path, uri: str) -> bool:
    """Return True if this trial was finished before. Its folder is in `out` then, and its run in MLflow is finished."""
    from components.shared.history import attempt
    from components.shared.reuse import log_reused, take_scored

    folder = out / f"{item.arm}-{item.seed}"
    status = take_scored(uri, item, folder)
    if status is None:
        return False
    error = attempt(lambda: log_reused(uri, status, folder))
    replace(status, untracked=error).write(folder)
    return True


@component
def find_finished(
    tracking_uri: str, force: str, resolved: Input[Artifact], corpus: Input[Dataset], finished: Output[Dataset]
) -> list[str]:
    """Find the trials that an earlier study finished, by their fingerprints, and return the trials that are left.

    MLflow: searches all experiments for earlier trials and downloads their counts and curves; sets the fingerprint of every
    trial of this study on its run; ends the runs of the finished trials, with the WERs and curves of the earlier ones.

    Args:
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        force: Arms that are trained even if earlier trials have the same fingerprints, separated by commas; * for all.
        resolved: Input. The plan and its trials, as resolve_plan wrote them.
        corpus: Input. The prepared corpus, whose content is part of each fingerprint.
        finished: Output. A folder with one folder per finished trial, which has its counts, curves and status as
            evaluate_trial writes them.

    Returns:
        The trials that are left to train or to score, each as JSON of `components.shared.trial.Trial`. If none is left, one
        trial that is marked as done, since Kubeflow cannot collect the results of an empty loop.
    """
    from pathlib import Path

    from components.find_finished import find
    from components.shared.inputs import store_of
    from components.shared.problem import reporting
    from components.shared.trial import Resolved

    with reporting("find-finished"):
        given = Resolved.read(resolved.path)
        return find(
            given.plan,
            given.trials,
            Path(corpus.path),
            Path(finished.path),
            tracking_uri=store_of(tracking_uri),
            force=force,
        )
