"""Find the trials that were finished before, by their fingerprints, and divide those that are left into tasks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kfp.dsl import Artifact, Input, Output

from components.shared.fingerprints import Prints, fingerprints
from components.shared.image import component
from components.shared.reuse import forced_arms
from components.shared.trial import CORPUS_FILE, Status, Todo, Trial, plan_of
from components.workers.signals import exit_on_sigterm
from recipes.plans import arms_of

if TYPE_CHECKING:
    from tracking.reused import Known


def find(plan: Mapping[str, Any], trials: Sequence[str], content: str, *, tracking_uri: str, force: str = "") -> Todo:
    """Return the trials that are left to train or to score, and the statuses of those that were finished before.

    `trials` are all trials, as `resolve_plan` opened them; `content` is the fingerprint of the corpus. `force` names arms,
    separated by commas, that are trained in any case; `*` names all. Raises UserError.
    """
    from components.shared.history import attempt
    from tracking.reuse import announce, announcement
    from tracking.several import each

    exit_on_sigterm()
    checked = plan_of(plan)
    arms = arms_of(checked)
    forced = forced_arms(force, arms)
    pairs = list(zip(map(Trial.from_json, trials), fingerprints(checked, arms, content), strict=True))

    known = _known(tracking_uri, [item for item, _ in pairs])

    def look(pair: tuple[Trial, Prints]) -> tuple[Trial, Status | None]:
        item, prints = pair
        item = replace(item, fingerprint=prints.trained, evaluation=prints.scored, forced=item.arm in forced)
        tags = announcement(prints.trained, prints.inputs)
        item, status = (item, None) if item.forced else _reused(item, tracking_uri, tags, known)
        if status is None:
            attempt(lambda: announce(tracking_uri, item.run_id, tags))
        return item, status

    found = each(tracking_uri, look, pairs)
    left = [item.to_json() for item, status in found if status is None]
    return Todo(dict(plan), left, [asdict(status) for _, status in found if status is not None])


def _known(uri: str, items: Sequence[Trial]) -> "Known":
    """Return what MLflow knows of all trials; nothing if it does not answer, after which every trial asks for itself."""
    from components.shared.history import attempt
    from tracking.reused import Known, known_trials

    found: list[Known] = []
    if items:
        study = items[0].experiment_id, items[0].study_run_id
        attempt(lambda: found.append(known_trials(uri, *study, len(items))))
    return found[0] if found else Known()


def _reused(item: Trial, uri: str, tags: Mapping[str, str], known: "Known") -> tuple[Trial, Status | None]:
    """Return the trial, and its status if it was finished before. Its run in MLflow then has all results, and the tags.

    The trial says why a result that MLflow has cannot be used.
    """
    from components.shared.history import attempt_patiently
    from components.shared.reuse import log_reused, take_scored

    with TemporaryDirectory(prefix="ablate-") as name:
        folder = Path(name)
        taken = take_scored(uri, item, folder, known.earlier.get(str(item.evaluation), ()))
        status = taken.status
        if status is None:
            return replace(item, unusable=taken.unusable), None
        if attempt_patiently(lambda: log_reused(uri, status, folder, tags=tags, known=known)):
            return item, None
        return item, status


def store_corpus(uri: str, study_run_id: str, summary: Mapping[str, Any]) -> None:
    """Store the corpus's summary for the report. Raises MlflowException, without which the study could not be reported."""
    from tracking.results import keep_input

    keep_input(uri, study_run_id, CORPUS_FILE, json.dumps(summary))


def log_corpus(uri: str, trials: Sequence[str], summary: Mapping[str, Any]) -> None:
    """Log the corpus as the dataset of the study's run and of all trials. MLflow's pages show it; no step needs it."""
    from components.shared.history import attempt
    from tracking.datasets import log_corpus as log

    items = [Trial.from_json(trial) for trial in trials]
    attempt(lambda: log(uri, [items[0].study_run_id, *(item.run_id for item in items)], summary))


@component
def find_finished(
    tracking_uri: str,
    force: str,
    trials_per_task: str,
    resolved: Input[Artifact],
    reference: Input[Artifact],
    todo: Output[Artifact],
) -> list[str]:
    """Find the trials that an earlier study finished, by their fingerprints, and divide the others into the turns of the loop.

    MLflow: searches all experiments for earlier trials and downloads their counts and curves; sets the fingerprint of every
    trial of this study on its run, and the corpus as its dataset; stores the results of the finished trials with their runs, and
    ends these runs.

    Args:
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        force: Arms that are trained even if earlier trials have the same fingerprints, separated by commas; * for all.
        trials_per_task: Trials of each turn, a whole number as text. Empty: one, or as many as give 48 turns.
        resolved: Input. The plan and its trials, as resolve_plan wrote them.
        reference: Input. The reference to the prepared corpus, whose content is part of each fingerprint.
        todo: Output. A JSON file with the plan, the trials that are left, with their fingerprints, and the statuses of the
            finished ones.

    Returns:
        One text per turn of the loop, e.g. `4-6`: the positions of its trials in `todo`. Empty if every trial is finished.
    """
    from pathlib import Path

    from components.find_finished import find, log_corpus, store_corpus
    from components.shared.chunks import chunks
    from components.shared.chunks import trials_per_task as per_task
    from components.shared.corpus_reference import CorpusReference
    from components.shared.inputs import store_of
    from components.shared.problem import reporting
    from components.shared.trial import Resolved, Trial, plan_of
    from recipes.plans import check_prepared, of

    with reporting("find-finished"):
        given, corpus = Resolved.read(resolved.path), CorpusReference.read(Path(reference.path))
        uri, plan = store_of(tracking_uri), plan_of(given.plan)
        check_prepared(plan, of(plan), {**corpus.summary, "uri": corpus.uri})
        store_corpus(uri, Trial.from_json(given.trials[0]).study_run_id, corpus.summary)
        log_corpus(uri, given.trials, corpus.summary)
        found = find(given.plan, given.trials, corpus.fingerprint, tracking_uri=uri, force=force)
        found.write(Path(todo.path))
        print(f"{len(found.finished)} of {len(given.trials)} trials were finished before", flush=True)
        return chunks(len(found.trials), per_task(trials_per_task))
