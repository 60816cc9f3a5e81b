"""Results of earlier studies in the store: error rates of their finished trials, and the time that those took."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlflow.entities import Run

from tracking.runs import trial_runs
from tracking.search import all_experiments, search_runs

STUDIES_READ = 20  # the newest ones; an estimate does not need the whole of an old store


@dataclass(frozen=True)
class EarlierTrial:
    """A finished trial of the study run `study`.

    `rates` maps conditions to error rates as fractions. `seconds` is the time of training and scoring; None if not recorded.
    """

    study: str
    arm: str
    seed: int
    rates: Mapping[str, float]
    seconds: float | None


def earlier_trials(
    uri: str, *, corpus: str, preset: str, settings: Mapping[str, str], metric: str = "wer"
) -> list[EarlierTrial]:
    """Return finished trials on the same corpus and preset whose parameters equal `settings`, e.g. training.steps.

    They come from the newest studies of any name, the newest first. `metric` is `wer` or `cer`. A trial that several studies
    share, which its fingerprint shows, is returned once, because it is one observation.
    """
    studies = reversed(search_runs(uri, all_experiments(uri), "tags.`ablation.role` = 'study'"))
    alike = [
        run for run in studies if (run.data.params.get("corpus"), run.data.params.get("preset")) == (corpus, preset)
    ]
    found: dict[str, EarlierTrial] = {}
    for study in alike[:STUDIES_READ]:
        for run in trial_runs(uri, study.info.experiment_id, study.info.run_id):
            params, tags = run.data.params, run.data.tags
            if run.info.status != "FINISHED" or any(params.get(key) != value for key, value in settings.items()):
                continue
            fingerprint, trial = (
                tags.get("ablation.fingerprint", run.info.run_id),
                _trial(run, study.info.run_id, metric),
            )
            known = found.setdefault(fingerprint, trial)
            if known.seconds is None:  # it was reused, which took no time; an older study trained it
                found[fingerprint] = replace(known, seconds=trial.seconds)
    return list(found.values())


def _trial(run: Run, study: str, metric: str) -> EarlierTrial:
    metrics, tags = run.data.metrics, run.data.tags
    rates = {key.removeprefix(f"{metric}/"): value for key, value in metrics.items() if key.startswith(f"{metric}/")}
    times = [metrics.get("seconds/train"), metrics.get("seconds/evaluate")]
    seconds = None if None in times else sum(time for time in times if time is not None)
    return EarlierTrial(study, tags["ablation.arm"], int(tags["ablation.seed"]), rates, seconds)
