"""`ablate plan`: the arms and trials of a plan, and the differences that it can detect."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ablation.plan.arms import Arm, expand, trials, warnings
from ablation.plan.families import check_distinct, contrasts
from ablation.plan.plan import Plan
from cli import plans
from cli.options import Corpus, Seeds, Settings, chosen_plan
from corpora import recordings
from pipelines.local import paths
from pipelines.local.fits import check_batches
from pipelines.local.outlook import Outlook, outlook
from recipes.smile import CATALOGUE

if TYPE_CHECKING:
    from recipes.smile import Hygiene


def plan(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="PLAN...",
            help="Plans in YAML, JSON or Markdown: files, folders, http(s) or s3 addresses, or - for standard input.",
            show_default=False,
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs: arms, seeds, trials, warnings.")
    ] = False,
    corpus: Corpus = None,
    seeds: Seeds = None,
    settings: Settings = None,
) -> None:
    """Check a plan; show its arms and what it can detect.

    Checks parts, kinds and values against the model's settings, and that no two arms are the same. A probe finds arms that
    compute the same under different names, and measures the parameters and masks of each arm. The time of a trial and the
    spread between seeds come from earlier studies in MLflow on the same corpus, preset and steps, else the spread from
    measurements of the preset. Recordings of noise are decoded, and batches that this machine cannot hold are refused.

    Several plans, or a folder, give one line each, without the probe.

    Example: ablate plan plans/smile.yaml
    """
    from recipes.smile import examine

    named = plans.listed(given)
    if named != given or len(named) > 1:
        plans.show(named, corpus, seeds, settings or [], as_json=as_json)
        return
    checked = chosen_plan(named[0], corpus, seeds, settings or [])
    arms = expand(checked, CATALOGUE)
    check_batches(arms)
    seen = outlook(checked, arms, paths.tracking_uri(), CATALOGUE)
    measured = examine({arm.arm: arm.settings for arm in arms})
    check_distinct(checked, contrasts(checked, arms, CATALOGUE), measured.same)
    said = [*warnings(checked), *recordings.check(checked.noise, here=False), *measured.warnings]
    if as_json:
        print(json.dumps(_as_json(checked, arms, seen, measured, said), indent=1))
    else:
        _show(checked, arms, seen, measured, said, Console())


def _as_json(
    checked: Plan, arms: list[Arm], seen: Outlook | None, measured: "Hygiene", said: list[str]
) -> dict[str, Any]:
    keys = ("arm", "part", "action", "why", "overrides")
    return {
        "study": checked.study,
        "question": checked.question,
        "arms": [{key: getattr(arm, key) for key in keys} for arm in arms],
        "seeds": list(checked.seeds),
        "trials": [{"arm": trial.arm, "seed": trial.seed} for trial in trials(checked, arms)],
        "contrasts": [asdict(each) for each in contrasts(checked, arms, CATALOGUE)],
        "conditions": checked.condition_names(),
        "power": seen.as_json() if seen else None,
        "measured": measured.as_json()["arms"],
        "warnings": said,
    }


def _show(
    checked: Plan, arms: list[Arm], seen: Outlook | None, measured: "Hygiene", said: list[str], console: Console
) -> None:
    """Print the arms as a table, then the number of trials, what they can detect, what was measured, and warnings."""
    table = Table(title=checked.question or checked.study, title_justify="left")
    for column in ("arm", "change to the baseline", "why"):
        table.add_column(column, overflow="fold", no_wrap=column == "arm")
    for arm in arms:
        change = ", ".join(f"{part}: {json.dumps(spec)}" for part, spec in arm.overrides.items())
        table.add_row(arm.arm, change or "–", arm.why)
    console.print(table, markup=False)
    number = len(trials(checked, arms))
    console.print(f"{len(arms)} arms x {len(checked.seeds)} seeds = {number} trials", highlight=False)
    console.print(f"corpus: {checked.corpus}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"scored: {', '.join(checked.condition_names())}", highlight=False)
    for line in [*(seen.lines() if seen else ()), *measured.lines()]:
        console.print(line, highlight=False, soft_wrap=True)
    for warning in said:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
