"""Arguments that every command takes which reads a plan, and the plan that they come to."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ablation.plan.plan import Plan, adapted, plan_from_mapping, read_plan
from common.yaml_text import load_yaml
from corpora.readers.registry import examples
from recipes.smile import CATALOGUE

PlanArgument = Annotated[
    str,
    typer.Argument(
        metavar="PLAN",
        help="A plan in YAML, JSON or Markdown: a file, or its http(s) or s3 address.",
        show_default=False,
    ),
]
Corpus = Annotated[str | None, typer.Option("--corpus", metavar="URI", help=f"Another corpus: {examples()}.")]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="LIST", help="Other seeds, e.g. 1,2,3.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A key of the plan, or a setting of all arms (training.steps); repeatable."
    ),
]
Store = Annotated[
    str | None, typer.Option("--tracking-uri", metavar="URI", help="MLflow's store; MLFLOW_TRACKING_URI by default.")
]


def chosen_plan(path: str, corpus: str | None, seeds: str | None, settings: Iterable[str]) -> Plan:
    """The plan with the command line's changes; `--set` takes the plan's own keys, and settings of all arms."""
    checked = _read(path)
    known, mine, rest = set(Plan.__dataclass_fields__), {}, []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if equals and key.strip() in known:
            mine[key.strip()] = load_yaml(value)
        else:
            rest.append(setting)
    checked = plan_from_mapping({**checked.as_mapping(), **mine})
    return adapted(checked, corpus=corpus, seeds=seeds, settings=rest)


def _read(path: str) -> Plan:
    if "://" in path:
        from components.shared.inputs import read_plan_from

        return read_plan_from(path)
    return read_plan(Path(path), CATALOGUE)
