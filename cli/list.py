"""`ablate list`: the studies on this machine."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.folders import check_folder
from pipelines.local import paths

if TYPE_CHECKING:
    from pipelines.local.listing import Listed

HEADS = ("study", "state", "date", "arms", "seeds", "trials", "corpus")
NUMBERS = ("arms", "seeds", "trials")


def list_(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of the studies.", show_default=True)
    ] = paths.STUDIES,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List the studies on this machine, the newest first.

    The state is finished, imported, running, unfinished (the last run was interrupted, or failed without a report; the same
    `ablate run` continues it), or damaged. An unfinished study with trials still has the result of an earlier run.

    Example: ablate list
    """
    from pipelines.local.listing import listed

    check_folder(folder, paths.STUDIES, "of studies")
    found = listed(folder)
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=1))
    elif found:
        _print(found)
    else:
        print(f"no study in {folder}/; run one: ablate run plans/smoke.yaml")


def _print(found: Sequence["Listed"]) -> None:
    console = Console()
    if console.is_terminal:
        table = Table(box=None, pad_edge=False)
        for head in HEADS:
            table.add_column(head, justify="right" if head in NUMBERS else "left", overflow="fold")
        rows = [_cells(each) for each in found]
        widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
        room = max(console.width - sum(widths[:-1]) - 2 * (len(HEADS) - 1), len(HEADS[-1]))
        for *others, corpus in rows:  # a study has one line, whatever the length of its corpus's address
            table.add_row(*others, corpus if len(corpus) <= room else f"{corpus[: room - 1]}…")
        console.print(table)
        return
    for cells in [HEADS, *map(_cells, found)]:  # for `cut` and `awk`
        print("\t".join(cells))


def _cells(each: "Listed") -> tuple[str, ...]:
    known = each.planned > 0
    counts = (str(each.arms), str(each.seeds), f"{each.trials} of {each.planned}") if known else ("", "", "")
    return (each.study, each.state, each.created[:16].replace("T", " "), *counts, each.corpus)
