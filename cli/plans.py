"""Several plans at once: the files of a folder, and one line for each plan."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ablation.plan.arms import trials
from ablation.plan.plan import Plan
from cli.options import chosen_plan
from common.errors import Unavailable, UserError
from recipes.plans import arms_of


def listed(given: Sequence[str]) -> list[str]:
    """Return the named plans: a folder stands for its files, without hidden ones and README. Raises UserError."""
    found = []
    for path in given:
        if "://" in path or not Path(path).is_dir():
            found.append(path)
            continue
        inside = sorted(str(file) for file in Path(path).iterdir() if file.is_file() and not _is_other(file.name))
        if not inside:
            raise UserError(f"the folder {path} has no files; give a folder of plans, or a plan")
        found += inside
    return found


def _is_other(name: str) -> bool:
    return name.startswith(".") or name.upper().startswith("README")


def show(
    paths: Sequence[str], corpus: str | None, seeds: str | None, settings: Iterable[str], *, as_json: bool
) -> None:
    """Print one line for each plan, or a list in JSON.

    After the last plan, raises UserError if any of them is not valid, and Unavailable if some are only out of reach.
    """
    changes = list(settings)
    errors = list[UserError]()
    outcomes = [_outcome(path, corpus, seeds, changes, errors) for path in paths]
    if as_json:
        print(json.dumps(outcomes, indent=1))
    else:
        for outcome in outcomes:
            print(_line(outcome))
    wrong = f"{len(errors)} of {len(outcomes)} plans"
    if errors and all(isinstance(error, Unavailable) for error in errors):
        raise Unavailable(f"{wrong} cannot be read now; try again later")
    if errors:
        raise UserError(f"{wrong} are not valid; correct what their lines say")


def _outcome(
    path: str, corpus: str | None, seeds: str | None, settings: list[str], errors: list[UserError]
) -> dict[str, Any]:
    """Return what a plan makes, or its error with every problem, which is appended to `errors`."""
    try:
        plan = chosen_plan(path, corpus, seeds, settings)
        return {"plan": path, **_made(plan)}
    except UserError as error:
        errors.append(error)
        return {"plan": path, "error": str(error).removeprefix(f"{path}: ")}


def _made(plan: Plan) -> dict[str, Any]:
    arms = arms_of(plan)
    return {
        "study": plan.study,
        "arms": [arm.arm for arm in arms],
        "seeds": list(plan.seeds),
        "trials": len(trials(plan, arms)),
    }


def _line(outcome: dict[str, Any]) -> str:
    if "error" in outcome:
        return f"{outcome['plan']}: error: {'; '.join(line.strip() for line in outcome['error'].splitlines())}"
    arms, seeds = outcome["arms"], outcome["seeds"]
    size = f"{len(arms)} arms x {len(seeds)} seeds = {outcome['trials']} trials"
    return f"{outcome['plan']}: {outcome['study']}: {', '.join(arms)}; {size}"
