"""Arguments and options that several commands take, and the plan that a command line selects."""

import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from ablation.plan import fields
from ablation.plan.plan import Plan, adapted, plan_from_mapping
from common.errors import UserError
from common.text_file import LONGEST_BYTES, decoded
from common.yaml_text import load_yaml
from corpora.address import check
from corpora.readers.registry import examples
from recipes import plans

PlanArgument = Annotated[
    str,
    typer.Argument(
        metavar="PLAN",
        help="A plan in YAML, JSON or Markdown: a file, its http(s) or s3 address, or - for standard input.",
        show_default=False,
    ),
]
StudyArgument = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="The folder of a study, or its name in studies/.", show_default=False),
]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="The name of the study.", show_default=False)]
Corpus = Annotated[
    str | None,
    typer.Option("--corpus", metavar="URI", help=f"Use another corpus: {examples()}."),
]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="LIST", help="Use other seeds, e.g. 1,2,3.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the plan, or a setting of all arms (e.g. training.steps); repeatable.",
    ),
]
Store = Annotated[
    str | None,
    typer.Option("--tracking-uri", metavar="URI", help="The MLflow store; MLFLOW_TRACKING_URI by default."),
]
NoFutility = Annotated[
    bool,
    typer.Option(
        "--no-futility",
        help="With looks, go on with arms for which a difference of the margin is unlikely, until equivalence is shown.",
    ),
]
StepImage = Annotated[
    str | None,
    typer.Option(
        "--image",
        metavar="REF",
        help="The container image of the steps, with a git revision as its tag, or with a digest; not `latest`.",
    ),
]
ClusterFile = Annotated[
    Path | None,
    typer.Option(
        "--cluster", metavar="FILE", help="Settings of the cluster (GPUs, memory, secrets), see deploy/cluster.yaml."
    ),
]


def listed(values: Iterable[str]) -> tuple[str, ...]:
    """Return the items of an option that is a list with commas and may be repeated."""
    return tuple(item.strip() for value in values for item in value.split(","))


def chosen_plan(path: str, corpus: str | None, seeds: str | None, settings: Iterable[str]) -> Plan:
    """Return the plan with the changes of the command line. `--set` takes keys of the plan, and settings of all arms.

    Raises UserError, also for the address of a corpus that is not valid. Files of a corpus are not looked for.
    """
    known, mine, rest = set(Plan.__dataclass_fields__), {}, []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if equals and key.strip() in known:
            mine[key.strip()] = load_yaml(value)
            continue
        rest.append(setting)
    recipe = fields.filled_text("recipe", mine.pop("recipe")) if "recipe" in mine else None
    checked = read_given_plan(path, recipe)
    parts = plans.of(checked).catalogue.parts
    for key, equals, _ in (setting.partition("=") for setting in rest):
        if equals and key.strip() not in parts and (near := get_close_matches(key.strip(), known, 1, 0.75)):
            raise UserError(f"the plan has no key {key.strip()!r}: did you mean {near[0]!r}?")
    checked = plan_from_mapping({**checked.as_mapping(), **mine})
    changed = adapted(checked, corpus=corpus, seeds=seeds, settings=rest)
    check(changed.corpus, here=False, needs_video=plans.of(changed).needs_video)
    return changed


def read_given_plan(path: str, recipe: str | None = None) -> Plan:
    """Return the plan of a file, of an address, or of standard input, for its own recipe or another one. Raises UserError.

    A plan at an address can only name an installed recipe.
    """
    if path == "-":
        return _read_standard_input(recipe)
    if "://" in path:
        from components.shared.inputs import read_plan_from

        return read_plan_from(path, recipe)
    return plans.read_plan(Path(path), recipe)


def _read_standard_input(recipe: str | None) -> Plan:
    data = sys.stdin.buffer.read(LONGEST_BYTES + 1)
    try:
        text = decoded(data, "standard input", "plan", "give a plan in YAML, JSON or Markdown")
        return plans.parse(text, folder=Path(), recipe=recipe)
    except UserError as error:
        raise UserError(f"standard input: {error}") from error
