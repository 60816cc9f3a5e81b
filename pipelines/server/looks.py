"""The look that comes next for a study on a server, by the results of its earlier looks in MLflow."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ablation.plan.looks import first_look, may_stop
from ablation.plan.plan import Plan
from common.errors import UserError
from common.store_address import VARIABLE
from components.shared.designs import design_tag
from pipelines.local.looks import following, judged_folder, lines, reached
from pipelines.server.trials import store
from recipes.plans import arms_of


def is_whole(plan: Plan) -> bool:
    """Return True for a plan whose looks are to be carried out, False for the plan of one look and for one without looks."""
    return bool(plan.looks) and len(plan.seeds) == plan.looks[-1] and not plan.stopped


def next_submission(plan: Plan, code_rev: str, *, futility: bool = True) -> tuple[Plan, bool, list[str]]:
    """Return the plan of the look to carry out, False if all looks are done, and lines about the look before.

    If all are done, the plan is that of the last one. Only looks of the revision `code_rev` count: after a change of the code, the
    first look takes what is still valid of the earlier trials. Raises UserError if MLflow cannot be read from here.
    """
    from tracking.designs import newest_of_design
    from tracking.probe import check_answers
    from tracking.registry import fetch_study
    from tracking.store import is_missing

    uri = store()
    if uri is None:
        raise UserError(
            f"the results of a look decide on the next one, so set {VARIABLE} to the server that the pods write to"
        )
    check_answers(uri)
    arms = arms_of(plan)
    run_id = None if is_missing(uri) else newest_of_design(uri, plan.study, design_tag(plan, arms), code_rev)
    if run_id is None:
        return first_look(plan), True, []
    names = may_stop(plan, [arm.arm for arm in arms])
    with TemporaryDirectory(prefix="ablate-") as folder:
        fetch_study(uri, run_id, Path(folder))
        return look_after(plan, names, Path(folder), futility=futility)


def look_after(plan: Plan, arms: Sequence[str], folder: Path, *, futility: bool = True) -> tuple[Plan, bool, list[str]]:
    """Return what `next_submission` does, for the results in a folder. `arms` are those that looks may stop."""
    done, judged = reached(plan, arms, folder), judged_folder(folder)
    look = following(plan, done, arms, judged, futility=futility)
    return look or done, look is not None, list(lines(judged))
