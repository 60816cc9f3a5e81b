"""The word-error counts of a champion from its own study, and the choice of that study."""

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ablation.decisions.comparable import Scored
from common.checksums import Damaged
from common.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from ablation.records import Study
    from tracking.registry import Version


def stored(uri: str, study: str, version: "Version") -> Scored:
    """Return the word errors of the version's arm, of all seeds.

    Raises UserError if its study's files are missing or damaged, or MLflow cannot give them.
    """
    from ablation.results import read_counts, read_study
    from tracking.registry import STUDY_RUN, fetch_study

    if STUDY_RUN not in version.tags:
        raise UserError(f"version {version.version} of {study!r} names no study run; run its study again")
    with TemporaryDirectory() as folder:
        fetch_study(uri, version.tags[STUDY_RUN], Path(folder))
        record, counts = read_study(Path(folder)), read_counts(Path(folder))
    if not record.sha256 and (found := _contradiction(record, counts)):
        raise Damaged(
            f"the counts of study run {version.tags[STUDY_RUN]} are not those of its WERs: {found}; run it again"
        )
    return Scored.of(record, counts[counts["arm"] == version.tags["arm"]])


def _is_damaged(uri: str, study: str, version: "Version") -> bool:
    """Return whether the files of the version's study can never be used again. A server that does not answer is no reason."""
    try:
        stored(uri, study, version)
    except Damaged:
        return True
    except UserError:
        return False
    return False


def _contradiction(record: "Study", counts: "pd.DataFrame") -> str | None:
    """Return which WERs in study.json the counts of an earlier version do not give; None if they agree."""
    from components.shared.stored_counts import rates_fault

    for trial in record.trials:
        mine = counts[(counts["arm"] == trial.arm) & (counts["seed"] == trial.seed)]
        if trial.wer and (found := rates_fault(mine, trial.wer) if len(mine) else "there are none"):
            return f"{trial.arm} seed {trial.seed}: {found}"
    return None


def link_widest_study(
    uri: str, study: str, run_id: str, counts: "pd.DataFrame", prints: Collection[str], *, promoted: bool
) -> None:
    """Link the champion to the study that promoted it, or to a later study with more seeds of the same trials.

    An earlier study with fewer seeds may have registered the checkpoint. Its counts do not show why it was promoted. A study whose
    files are damaged or gone is replaced by any later one of the same trials.
    """
    from tracking.registry import SEEDS, champion, rest_on

    holder = champion(uri, study)
    if holder is None or holder.tags.get("fingerprint") not in prints:
        return
    seeds = counts.loc[counts["arm"] == holder.tags["arm"], "seed"].nunique()
    if seeds and (promoted or seeds > int(holder.tags.get(SEEDS, 0)) or _is_damaged(uri, study, holder)):
        rest_on(uri, study, holder.version, run_id, seeds)
