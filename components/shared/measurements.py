"""Measurements of the arms, by their recipe: taken again from the study before, if neither the arms nor the code have changed.

To measure the arms of SMILE, torch is imported and each of them trained for two steps. A rerun with nothing changed needs neither.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from ablation.plan.arms import Arm
from ablation.records import ArmFacts, Measured
from common.source_code import computed_by
from components.shared.history import attempt
from components.shared.outcome import sentence
from recipes.base import Recipe
from recipes.optional import preload_check, transcription_identity


def measured(recipe: Recipe, arms: Sequence[Arm]) -> Measured:
    """Return what the recipe measures of the arms. An error of the recipe becomes a warning: the trials have ended already."""
    try:
        facts = recipe.check({arm.arm: arm.settings for arm in arms})
    except Exception as error:
        return Measured(warnings=[f"the arms could not be measured: {sentence(error)}"])
    known = {
        arm: ArmFacts(parameters=number, masked=_plain(facts.masked.get(arm, {})))
        for arm, number in facts.parameters.items()
    }
    return Measured(arms=known, same=[list(group) for group in facts.same], warnings=list(facts.warnings))


def _plain(masked: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {name: dict(values) for name, values in masked.items()}


def measured_once(recipe: Recipe, arms: Sequence[Arm], uri: str, experiment_id: str, study_run_id: str) -> Measured:
    """Return the measurements of an earlier study of the experiment with the same arms, else new ones.

    Only recipes whose check imports modules of ours are looked up: of others, nobody knows on what their measurements depend.
    """
    if not preload_check(recipe):
        return measured(recipe, arms)
    from tracking.measured import earlier_report, note_measured

    key, found = key_of(recipe, arms), list[Measured]()

    def look() -> None:
        if earlier := earlier_report(uri, experiment_id, key):
            found.append(Measured.model_validate(earlier["hygiene"]))

    attempt(look)
    known = found[0] if found and found[0].arms else measured(recipe, arms)
    if known.arms:
        attempt(lambda: note_measured(uri, study_run_id, key))
    return known


def key_of(recipe: Recipe, arms: Sequence[Arm]) -> str:
    """Return a hash of all that decides the measurements: the settings of the arms in order, the code, and its libraries."""
    code = [computed_by(preload_check(recipe)), transcription_identity(recipe, arms[0].settings)]
    settings = [[arm.arm, arm.settings] for arm in arms]
    return hashlib.sha256(json.dumps([code, settings], sort_keys=True).encode()).hexdigest()[:16]
