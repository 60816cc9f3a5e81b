"""The word-error counts of a champion from its own study, and the choice of that study."""

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ablation.decisions.comparable import Scored
from common.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from tracking.registry import Version


def stored(uri: str, study: str, version: "Version") -> Scored:
    """Return the word errors of the version's arm, of all seeds. Raises UserError if its study's files are missing."""
    from ablation.results import read_counts, read_study
    from tracking.registry import STUDY_RUN, fetch_study

    if STUDY_RUN not in version.tags:
        raise UserError(f"version {version.version} of {study!r} names no study run; run its study again")
    with TemporaryDirectory() as folder:
        fetch_study(uri, version.tags[STUDY_RUN], Path(folder))
        record, counts = read_study(Path(folder)), read_counts(Path(folder))
    return Scored.of(record, counts[counts["arm"] == version.tags["arm"]])


def link_widest_study(
    uri: str, study: str, run_id: str, counts: "pd.DataFrame", prints: Collection[str], *, promoted: bool
) -> None:
    """Link the champion to the study that promoted it, or to a later study with more seeds of the same trials.

    An earlier study with fewer seeds may have registered the checkpoint. Its counts do not show why it was promoted.
    """
    from tracking.registry import SEEDS, champion, rest_on

    holder = champion(uri, study)
    if holder is None or holder.tags.get("fingerprint") not in prints:
        return
    seeds = counts.loc[counts["arm"] == holder.tags["arm"], "seed"].nunique()
    if seeds and (promoted or seeds > int(holder.tags.get(SEEDS, 0))):
        rest_on(uri, study, holder.version, run_id, seeds)
