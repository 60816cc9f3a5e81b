"""Plans with their recipes: a plan names its recipe, whose catalogue is needed to read it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablation.plan.arms import Arm, expand
from ablation.plan.plan import PRESET, Plan, parse_plan, recipe_of
from common.errors import UserError
from common.external import external
from common.text_file import read_text_file
from recipes import optional
from recipes.base import Recipe
from recipes.registry import find, is_file, trusted


def read_plan(path: Path, recipe: str | None = None) -> Plan:
    """Read a plan file of this machine, and trust the recipe that it names, or `recipe` in its place. Raises UserError."""
    text = read_text_file(path, "plan", "give the path of a plan in YAML, JSON or Markdown")
    try:
        return parse(text, name=path.name, folder=path.parent, recipe=recipe)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def parse(text: str, *, name: str = "study", folder: Path | None = None, recipe: str | None = None) -> Plan:
    """Read the text of a plan, of which a file is called `name`. Raises UserError.

    `folder` is that of a plan on this machine: its recipe is trusted, and a recipe file is sought there. None is for plans of
    others, which name installed recipes only. A `recipe` of the command line is trusted in any case, and replaces the plan's.
    """
    if recipe is not None:
        chosen = trusted(recipe, Path())
    else:
        stated = recipe_of(text, name=name)
        chosen = stated if folder is None else trusted(stated, folder)
    plan = parse_plan(text, find(chosen).catalogue, name=name)
    preset = "" if plan.preset == PRESET and PRESET not in find(chosen).presets else plan.preset
    return settled(replace(plan, recipe=chosen, preset=preset))


def settled(plan: Plan) -> Plan:
    """Return the plan with the first preset of its recipe if it names none. Raises UserError for an unknown recipe."""
    return plan if plan.preset else replace(plan, preset=find(plan.recipe).presets[0])


def of(plan: Plan) -> Recipe:
    """Return the recipe of a plan. Raises UserError."""
    return find(plan.recipe)


def arms_of(plan: Plan) -> list[Arm]:
    """Return all arms of a plan, checked by its recipe as its corpus is, the baseline first. Raises UserError."""
    check_corpus(plan, of(plan))
    return expand(plan, of(plan).catalogue)


def check_corpus(plan: Plan, recipe: Recipe) -> None:
    """Raise UserError for an external corpus that this recipe cannot use. Nothing is read."""
    found = external(plan.corpus)
    if found and plan.noise:
        raise UserError(
            f"`noise` gives recordings for the service to mix, and of {found.uri} it has no sound; remove `noise`, and let the "
            "recipe make the noise of its conditions"
        )
    optional.check_corpus(recipe, found, list(plan.conditions))


def check_prepared(plan: Plan, recipe: Recipe, summary: Mapping[str, Any]) -> None:
    """Raise UserError for a prepared corpus without the pictures or the training utterances that a study of the plan needs.

    `summary` is `Corpus.summary()`, or that of an external corpus, of which neither is known.
    """
    from corpora.address import check_babble, check_video

    if recipe.needs_video:
        check_video(str(summary["uri"]), has_video=summary.get("video", True))
    mixed = optional.mixed_noise(recipe, list(plan.conditions))
    if "babble" in mixed and "babble" not in plan.noise and "train" in summary:
        check_babble(str(summary["uri"]), utterances=int(summary["train"]))


def for_pods(plan: Plan) -> Plan:
    """Return the plan as pods of a cluster read it: a recipe file is named as in the image's folder of recipes."""
    return replace(plan, recipe=of(plan).name) if is_file(plan.recipe) else plan
