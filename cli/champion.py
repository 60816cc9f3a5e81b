"""`ablate champion`: show the champion and its evidence, or restore the previous one."""

from typing import Annotated

import typer

from cli.options import Store, StudyName
from common.errors import UserError
from pipelines.local import paths


def champion(
    study: StudyName,
    back: Annotated[bool, typer.Option("--rollback", help="Move the alias back to the previous champion.")] = False,
    tracking_uri: Store = None,
) -> None:
    """Show the champion of a study and its evidence, or roll back.

    Example: ablate champion smile

    Example: ablate champion smile --rollback
    """
    from tracking.probe import check_answers

    uri = paths.tracking_uri(tracking_uri)
    check_answers(uri)  # before the import of MLflow, which takes seconds

    from tracking.imported import only_imported
    from tracking.registry import champion as current
    from tracking.registry import rollback
    from tracking.store import check_store, is_missing

    check_store(uri, prepare=False)
    if not is_missing(uri) and current(uri, study) is None and only_imported(uri, study):
        raise UserError(
            f"study {study!r} was imported, so it has no checkpoints and no champion; see its report instead"
        )
    if back:
        before, now = rollback(uri, study)
        print(f"the champion of {study} is version {now.version} ({now.tags.get('arm')}) again, not {before.version}")
        return
    found = current(uri, study)
    if found is None:
        raise UserError(f"study {study!r} has no champion in {uri}; run the study first")
    print(f"champion of {study}: version {found.version}")
    for key in sorted(found.tags):
        print(f"  {key}: {found.tags[key]}")
