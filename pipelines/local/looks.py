"""The looks of a study on this machine, one run of the pipeline after the other."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.plan.looks import first_look, next_look, plan_of_look
from ablation.plan.plan import Plan
from common.errors import UserError

if TYPE_CHECKING:
    from ablation.decisions.looks import JudgedStudy
    from ablation.records import LooksRecord
    from ablation.stats.sequential_judge import Look
    from pipelines.local.study import Result


def run_looks(
    plan: Plan,
    arms: Sequence[str],
    folder: Path,
    run: "Callable[[Plan], Result]",
    say: Callable[[str], None],
    *,
    futility: bool = True,
) -> "Result":
    """Carry out the looks of a plan until all arms are decided; return the last result. Without looks, there is one run.

    `run` runs one plan into `folder` and takes the finished trials of earlier looks again. `arms` are those that looks may stop
    (`plan.looks.may_stop`). A run that counts as failed ends the looks. The next call goes on from the results in the folder.
    Without `futility`, arms go on until they are decided.
    """
    look: Plan | None = reached(plan, arms, folder)
    while look is not None:
        result = run(look)
        if result.problem or not plan.looks:
            return result
        judged = judged_folder(result.folder)
        for line in lines(judged):
            say(line)
        look = following(plan, look, arms, judged, futility=futility)
    return result


def reached(plan: Plan, arms: Sequence[str], folder: Path) -> Plan:
    """Return the plan of the look whose results are in the folder, else that of the first look; the plan itself without looks."""
    if not plan.looks:
        return plan
    record = _record(folder)
    if record is None or (tuple(record.looks), record.margin_points) != (plan.looks, plan.margin_points):
        return first_look(plan)
    number = len(record.seeds)
    if number not in plan.looks or record.seeds != list(plan.seeds[:number]):
        return first_look(plan)
    return plan_of_look(plan, number, {arm: seeds for arm, seeds in record.stopped.items() if arm in arms})


def _record(folder: Path) -> "LooksRecord | None":
    from ablation.results import STUDY, read_study

    try:
        return read_study(folder).looks if (folder / STUDY).is_file() else None
    except UserError:  # a new run replaces it
        return None


def judged_folder(folder: Path) -> "JudgedStudy":
    """Judge the looks of a study's folder. Raises UserError for a study without looks."""
    from ablation.decisions.looks import judged_study  # imports pandas, which the start of a command does not need
    from ablation.results import read_counts, read_study

    study = read_study(folder)
    if study.looks is None:
        raise UserError(f"the study in {folder} has no looks; add e.g. `looks: [3, 5, 8]` to a plan before it is run")
    return judged_study(study, read_counts(folder))


def following(
    plan: Plan, done: Plan, arms: Sequence[str], judged: "JudgedStudy", *, futility: bool = True
) -> Plan | None:
    """Return the plan of the look after `done`; None if there is none. `judged` are the results so far."""
    return next_look(plan, done, arms, judged.stopped if futility else judged.decided)


def lines(judged: "JudgedStudy") -> Iterable[str]:
    """Yield the outcome of the newest look, a line for each contrast and for each other arm that was judged."""
    newest = max((look.seeds for each in (judged.contrasts, judged.arms) for look in each.looks[-1:]), default=0)
    for look in _of(judged.contrasts.looks, newest):
        for key, decision in look.decisions.items():
            family, _, name = key.partition("/")
            yield f"look at {look.seeds} seeds: {name} of the {family}: {decision}"
    for look in _of(judged.arms.looks, newest):
        for arm, decision in look.decisions.items():
            if arm not in judged.cells:
                yield f"look at {look.seeds} seeds: {arm}: {decision}"


def _of(looks: "Sequence[Look]", seeds: int) -> "list[Look]":
    return [look for look in looks if look.seeds == seeds]
