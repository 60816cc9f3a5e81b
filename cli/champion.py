"""`ablate champion`: which checkpoint is the champion and why, and back to the one before."""

from typing import Annotated

import typer

from cli.options import Store
from common.errors import UserError
from pipelines.local import paths

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="The study's name in MLflow.", show_default=False)]


def champion(
    study: StudyName,
    back: Annotated[bool, typer.Option("--rollback", help="Give the alias back to the champion before.")] = False,
    tracking_uri: Store = None,
) -> None:
    """Show a study's champion and why it is one, or go back.

    Example: ablate champion smile --rollback
    """
    from tracking.registry import champion as present
    from tracking.registry import rollback

    uri = tracking_uri or paths.tracking_uri()
    if back:
        before, now = rollback(uri, study)
        print(
            f"champion of {study} is version {now.version} ({now.tags.get('arm')}) again, instead of {before.version}"
        )
        return
    found = present(uri, study)
    if found is None:
        raise UserError(f"study {study!r} has no champion in {uri}; run it first")
    print(f"champion of {study}: version {found.version}")
    for key in sorted(found.tags):
        print(f"  {key}: {found.tags[key]}")
