"""The plans of the looks of a study: each look is a run of its own, which takes the trials of earlier looks again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ablation.plan.plan import BASELINE, Plan


def may_stop(plan: Plan, arms: Sequence[str]) -> list[str]:
    """Return the arms that looks may stop: all but the baseline, and the baseline as well where it is a cell of contrasts."""
    return [arm for arm in arms if arm != BASELINE or plan.ladder or plan.factorial]


def plan_of_look(plan: Plan, seeds: int, stopped: Mapping[str, int]) -> Plan:
    """Return the plan of the look with that number of seeds. Arms in `stopped` keep their own numbers of seeds."""
    return replace(plan, seeds=plan.seeds[:seeds], stopped=dict(stopped))


def first_look(plan: Plan) -> Plan:
    """Return the plan of the first look, with all arms."""
    return plan_of_look(plan, plan.looks[0], {})


def next_look(plan: Plan, done: Plan, arms: Sequence[str], stopped: Mapping[str, int]) -> Plan | None:
    """Return the plan of the look after `done`, whose results stop the arms in `stopped`; None if nothing is left to do.

    `arms` are those of `may_stop`. If an arm was stopped before and is not any more, as after a change of the code, the
    same look is carried out again with it.
    """
    going = [arm for arm in arms if arm not in stopped]
    if any(arm in done.stopped for arm in going):
        return plan_of_look(plan, len(done.seeds), stopped)
    later = [number for number in plan.looks if len(done.seeds) < number <= len(plan.seeds)]
    return plan_of_look(plan, later[0], stopped) if going and later else None
