"""What the trials of a plan come to, before any is trained: the fingerprint of its checkpoint and that of its counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.plan.arms import Arm, trials
from ablation.plan.plan import Plan


@dataclass(frozen=True)
class Prints:
    """A trial with its fingerprints; `inputs` is what `trained` was made from."""

    arm: str
    seed: int
    trained: str
    scored: str
    inputs: dict[str, Any]


def fingerprints(plan: Plan, arms: Sequence[Arm], corpus: Path) -> list[Prints]:
    """Of every trial, in the plan's order; `corpus` is a prepared one."""
    from corpora.store import Corpus
    from tracking.fingerprint import fingerprint, scoring_inputs, trial_inputs

    by_name, content = {arm.arm: arm for arm in arms}, Corpus.open(corpus).fingerprint
    found = []
    for trial in trials(plan, list(arms)):
        inputs = trial_inputs(
            by_name[trial.arm].settings, trial.seed, content, plan.noise.get("babble"), plan.init_from
        )
        trained = fingerprint(inputs)
        scored = fingerprint(scoring_inputs(trained, plan.conditions, plan.noise))
        found.append(Prints(trial.arm, trial.seed, trained, scored, inputs))
    return found
