"""The cost of a study, arm by arm."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ablation.records import Study, TrialRecord


@dataclass(frozen=True)
class ArmCost:
    """Times in seconds, None if nothing is recorded.

    `train` and `evaluate` are means over finished trials. `device` is the sum of the computing times of all trials in this study,
    failed ones included. `wall` is the sum of their times from start to end, with imports and waiting.
    """

    arm: str
    trials: int
    finished: int
    parameters: int | None
    steps: int | None
    train: float | None
    evaluate: float | None
    device: float | None
    wall: float | None


def costs(study: Study) -> list[ArmCost]:
    """Return one entry per arm in the study's order."""
    return [_cost(arm.arm, study.of(arm.arm)) for arm in study.arms]


def total(study: Study) -> ArmCost:
    """Return the cost of all trials of the study together."""
    return _cost("all", study.trials)


def _cost(name: str, trials: Sequence[TrialRecord]) -> ArmCost:
    done = [trial for trial in trials if trial.status == "finished"]
    return ArmCost(
        name,
        len(trials),
        len(done),
        next((trial.parameters for trial in done if trial.parameters is not None), None),
        next((trial.steps for trial in done if trial.steps is not None), None),
        _mean(map(_training, done)),
        _mean(map(_scoring, done)),
        _sum(map(_computed, trials)),
        _sum(map(_wall, trials)),
    )


def _computed(trial: TrialRecord) -> float | None:
    """Measured training and evaluation time; for a trial that failed before a measurement, the time from start to end."""
    measured = _known([_training(trial), _scoring(trial)])
    return sum(measured) if measured else _wall(trial)


def _training(trial: TrialRecord) -> float | None:
    """Training time; None for a trial of an earlier study that is reused, as this study did not spend it."""
    return trial.train_seconds if trial.reused_from is None else None


def _scoring(trial: TrialRecord) -> float | None:
    return trial.evaluate_seconds if trial.scored_by is None else None


def _wall(trial: TrialRecord) -> float | None:
    return None if trial.started is None or trial.ended is None else trial.ended - trial.started


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _sum(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return sum(known) if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return sum(known) / len(known) if known else None
