"""What a champion's own study counted, from where that study left it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ablation.comparable import Scored
from ablation.errors import UserError

if TYPE_CHECKING:
    from tracking.registry import Version


def stored(uri: str, study: str, version: "Version") -> Scored:
    """The word errors of the version's arm, of all seeds. Raises UserError where its study's files are not there."""
    from ablation.results import read_counts, read_study
    from tracking.registry import fetch_study

    if "study_run" not in version.tags:
        raise UserError(f"version {version.version} of {study!r} names no study run; run its study again")
    with TemporaryDirectory() as folder:
        fetch_study(uri, version.tags["study_run"], Path(folder))
        record, counts = read_study(Path(folder)), read_counts(Path(folder))
    return Scored.of(record, counts[counts["arm"] == version.tags["arm"]])
