"""Fingerprints of the trials of a plan before any is trained: one of the checkpoint, one of the word-error counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablation.plan.arms import Arm, trials
from ablation.plan.plan import Plan


@dataclass(frozen=True)
class Prints:
    """A trial with its fingerprints: `trained` of the checkpoint, `scored` of the counts. `inputs` is hashed to `trained`."""

    arm: str
    seed: int
    trained: str
    scored: str
    inputs: dict[str, Any]


def fingerprints(plan: Plan, arms: Sequence[Arm], content: str) -> list[Prints]:
    """Return the fingerprints of every trial in the plan's order. `content` is the fingerprint of the prepared corpus."""
    from tracking.fingerprint import fingerprint, scoring_inputs, trial_inputs

    by_name = {arm.arm: arm for arm in arms}
    found = []
    for trial in trials(plan, list(arms)):
        inputs = trial_inputs(
            by_name[trial.arm].settings, trial.seed, content, plan.noise.get("babble"), plan.init_from
        )
        trained = fingerprint(inputs)
        scored = fingerprint(scoring_inputs(trained, plan.conditions, plan.noise, plan.normalise))
        found.append(Prints(trial.arm, trial.seed, trained, scored, inputs))
    return found
