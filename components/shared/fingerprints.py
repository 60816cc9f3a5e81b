"""Fingerprints of the trials of a plan before any is trained: one of the checkpoint, one of the word-error counts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablation.plan.arms import Arm, trials
from ablation.plan.plan import RECIPE, Plan
from common.errors import UserError
from recipes import optional
from recipes.base import Recipe
from recipes.plans import of


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

    recipe, by_name = of(plan), {arm.arm: arm for arm in arms}
    noise = optional.training_noise(recipe, plan.noise)
    identities = {arm.arm: identity(recipe, arm) for arm in arms}
    found = []
    for trial in trials(plan, list(arms)):
        settings = by_name[trial.arm].settings
        inputs = trial_inputs(settings, trial.seed, content, noise, identities[trial.arm])
        trained = fingerprint(inputs)
        how = optional.transcription_identity(recipe, settings)
        scored = fingerprint(scoring_inputs(trained, plan.conditions, plan.noise, plan.normalise, how))
        found.append(Prints(trial.arm, trial.seed, trained, scored, inputs))
    return found


def identity(recipe: Recipe, arm: Arm) -> dict[str, Any]:
    """Return what a recipe adds to the fingerprint of an arm, with its name unless it is that of plans that name none."""
    named = {} if recipe.name == RECIPE else {"recipe": recipe.name}
    try:
        found = {**recipe.identity(arm.settings), **named}
        json.dumps(found)
    except UserError:
        raise
    except Exception as error:  # the code of the recipe
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(
            f"`identity` returns JSON types, and that of recipe {recipe.name!r} fails for arm {arm.arm!r} ({reason}): correct it"
        ) from error
    return found
