"""`ablate plan`: the arms and trials of a plan, and the differences that it can detect."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ablation.plan.arms import Arm, trials, warnings
from ablation.plan.families import check_distinct, contrasts
from ablation.plan.plan import Plan
from ablation.plan.schema import schema
from cli import plans
from cli.options import Corpus, Seeds, Settings, chosen_plan
from cli.structure import left_out_of, show_structures
from common.errors import UserError
from common.external import UNSEEN, is_external
from pipelines.local import paths
from pipelines.local.fits import check_batches
from pipelines.local.outlook import outlook
from pipelines.local.outlook_wording import Outlook
from recipes.base import PlanFacts
from recipes.plans import arms_of, of

NOT_PROBED = "not probed: --probe finds arms that compute the same, and measures their parameters and masks"


def plan(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PLAN...",
            help="Plans in YAML, JSON or Markdown: files, folders, http(s) or s3 addresses, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs: arms, seeds, trials, warnings.")
    ] = False,
    structure: Annotated[
        bool, typer.Option("--structure", help="Print as JSON what Markdown plans say, without any model's catalogue.")
    ] = False,
    as_schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of plans, and nothing else.")
    ] = False,
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help="Train small versions of the arms for two steps, to compare them; by default for ladders and factorials.",
            show_default=False,
        ),
    ] = None,
    corpus: Corpus = None,
    seeds: Seeds = None,
    settings: Settings = None,
) -> None:
    """Check a plan; show its arms and what it can detect.

    Checks parts, kinds and values against the model's settings, and that no two arms are the same. The time of a trial and
    the spread between seeds come from earlier studies in MLflow on the same corpus, preset and steps, else the spread from
    measurements of the preset. Recordings of noise are decoded, and batches that this machine cannot hold are refused.

    With --probe, arms that compute the same under different names are found, and the parameters and masks of each arm are
    measured, in some seconds. A ladder or a factorial is always probed, as such arms make it meaningless, unless --no-probe
    is given. Several plans, or a folder, give one line each, without the probe.

    Example: ablate plan plans/smile.yaml
    """
    if as_schema:
        print(json.dumps(schema(), indent=1))
        return
    if not given:
        raise UserError("no plan is given; write e.g. `ablate plan plans/smile.yaml`")
    named = plans.listed(given)
    if structure:
        show_structures(named)
        return
    if named != given or len(named) > 1:
        plans.show(named, corpus, seeds, settings or [], as_json=as_json)
        return
    checked = chosen_plan(named[0], corpus, seeds, settings or [])
    recipe, arms = of(checked), arms_of(checked)
    check_batches(recipe, arms)
    seen = outlook(checked, arms, paths.tracking_uri(), recipe.catalogue)
    asked = contrasts(checked, arms, recipe.catalogue)
    probed = (bool(asked) if probe is None else probe) or not recipe.preload
    measured = recipe.check({arm.arm: arm.settings for arm in arms}) if probed else PlanFacts()
    check_distinct(checked, asked, measured.same)
    said = [*warnings(checked), *_noise_warnings(checked), *measured.warnings]
    if as_json:
        print(json.dumps(_as_json(checked, arms, seen, measured, said), indent=1))
    else:
        _show(checked, arms, seen, measured, said, Console())
        if not probed:
            print(NOT_PROBED)
        if left := left_out_of(named[0]):
            print(f"{left}; --structure shows them")


def _noise_warnings(checked: Plan) -> list[str]:
    """Return warnings about recordings. Only plans that name some import what decodes them."""
    if not checked.noise:
        return []
    from corpora import recordings

    return recordings.check(checked.noise, here=False)


def _as_json(
    checked: Plan, arms: list[Arm], seen: Outlook | None, measured: PlanFacts, said: list[str]
) -> dict[str, Any]:
    keys = ("arm", "part", "action", "why", "overrides")
    return {
        "study": checked.study,
        "question": checked.question,
        "arms": [{key: getattr(arm, key) for key in keys} for arm in arms],
        "seeds": list(checked.seeds),
        "trials": [{"arm": trial.arm, "seed": trial.seed} for trial in trials(checked, arms)],
        "contrasts": [asdict(each) for each in contrasts(checked, arms, of(checked).catalogue)],
        "conditions": checked.condition_names(),
        "power": seen.as_json() if seen else None,
        "measured": _measured(measured),
        "readings": [asdict(reading) for reading in checked.readings],
        "warnings": said,
    }


def _measured(facts: PlanFacts) -> dict[str, Any]:
    return {
        arm: {"parameters": number, "masked": dict(facts.masked.get(arm, {}))}
        for arm, number in facts.parameters.items()
    }


def _show(
    checked: Plan, arms: list[Arm], seen: Outlook | None, measured: PlanFacts, said: list[str], console: Console
) -> None:
    """Print the arms as a table, then the number of trials, what they can detect, what was measured, and warnings."""
    table = Table(title=checked.question or checked.study, title_justify="left")
    for column in ("arm", "change to the baseline", "why"):
        table.add_column(column, overflow="fold", no_wrap=column == "arm")
    for arm in arms:
        change = ", ".join(f"{part}: {json.dumps(spec)}" for part, spec in arm.overrides.items())
        table.add_row(arm.arm, change or "–", arm.why)
    console.print(table, markup=False)
    for reading in checked.readings:
        console.print(str(reading), highlight=False, markup=False, soft_wrap=True)
    number = len(trials(checked, arms))
    console.print(f"{len(arms)} arms x {len(checked.seeds)} seeds = {number} trials", highlight=False)
    unseen = f" ({UNSEEN})" if is_external(checked.corpus) else ""
    console.print(f"corpus: {checked.corpus}{unseen}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"scored: {', '.join(checked.condition_names())}", highlight=False)
    for line in [*(seen.lines() if seen else ()), *measured.lines]:
        console.print(line, highlight=False, soft_wrap=True)
    for warning in said:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
