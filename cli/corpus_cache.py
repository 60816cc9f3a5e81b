"""`ablate corpus list` and `ablate corpus clean`: the folder of prepared corpora."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.folders import check_folder
from common.errors import UserError
from pipelines.local import paths

if TYPE_CHECKING:
    from corpora.cached import Cached

SECONDS_PER_DAY = 86400

Root = Annotated[Path, typer.Option(metavar="DIR", help="Where prepared corpora are kept.")]


def list_(
    root: Root = paths.CORPORA,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List prepared corpora with their sizes, the last used first.

    Downloads that are not complete, and what a killed preparation has left, are listed too. Of external corpora nothing is here.

    Example: ablate corpus list
    """
    from corpora.cached import cached

    check_folder(root, paths.CORPORA, "of prepared corpora")
    found = cached(root)
    if as_json:
        print(json.dumps([each.as_json() for each in found], indent=1))
        return
    for each in found:
        use = "in use" if each.in_use else _last_use(time.time() - each.used)
        print(f"{each.bytes / 1e6:10.1f} MB  {use:<18}  {each.state:<10}  {each.path}")
    print(f"{sum(each.bytes for each in found) / 1e6:10.1f} MB in {len(found)} folders of {root}/")


def _last_use(seconds: float) -> str:
    days = round(seconds / SECONDS_PER_DAY)
    return "used today" if seconds < SECONDS_PER_DAY else f"used {days} day{'s' if days != 1 else ''} ago"


def clean(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Corpora to remove; all idle ones without a name.")
    ] = None,
    root: Root = paths.CORPORA,
    days: Annotated[
        float, typer.Option("--unused-days", metavar="N", help="Remove only what nobody has used for N days.", min=0)
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it, only print what would be removed.")] = False,
) -> None:
    """Remove prepared corpora that no process and no run uses. A study that needs one prepares it again.

    Without --yes, nothing is removed.

    Example: ablate corpus clean --unused-days 30 --yes
    """
    from corpora.cached import cached

    check_folder(root, paths.CORPORA, "of prepared corpora")
    found = {each.path.name: each for each in cached(root)}
    for name in names or ():
        if Path(name).name not in found:
            raise UserError(f"no prepared corpus {name!r} in {root}/; `ablate corpus list` prints those that are there")
    chosen = [found[Path(name).name] for name in names] if names else list(found.values())
    freed = sum(_cleaned(each, days, yes) for each in chosen)
    print(f"{freed / 1e6:.1f} MB {'free' if yes else 'would be free; add --yes to remove'}")


def _cleaned(each: "Cached", days: float, yes: bool) -> int:
    """Remove one folder if it is idle, or say why not. Return the bytes that it gives back."""
    from corpora.cached import remove

    if each.in_use:
        print(f"kept: {each.path} (in use)")
    elif time.time() - each.used < days * SECONDS_PER_DAY:
        print(f"kept: {each.path} (used in the last {days:g} days)")
    elif yes and not remove(each.path):
        print(f"kept: {each.path} (a process has begun to use it)")
    else:
        print(f"{'removed' if yes else 'would remove'}: {each.path} ({each.bytes / 1e6:.1f} MB)")
        return each.bytes
    return 0
