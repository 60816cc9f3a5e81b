"""Checks of error counts that MLflow gives back, against what it says of the same run elsewhere. Imports pandas."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from common.checksums import Damaged
from components.shared.trial import COUNTS_FILE, Status

if TYPE_CHECKING:
    import pandas as pd

    from tracking.reuse import Stored

VALIDATION = "valid"  # the only rate that is not one of the counts


def check(folder: Path, known: "Stored") -> Status:
    """Return the status of a fetched trial. Raises Damaged if it is finished and its counts cannot be those of its run.

    Files with checksums have been compared when they were fetched. Those of earlier versions have none: then the rates of the
    counts must be the metrics of the run.
    """
    try:
        status = Status.read(folder)
    except (OSError, ValueError, TypeError) as error:
        raise Damaged(
            f"run {known.run_id} in MLflow has no readable status: {type(error).__name__}: {error}"
        ) from error
    if status.status == "finished":
        if not (folder / COUNTS_FILE).is_file():
            raise Damaged(f"of run {known.run_id} in MLflow, {COUNTS_FILE} is missing")
        if not known.sums() and (found := _contradiction(folder / COUNTS_FILE, known.metrics)):
            raise Damaged(f"the counts of run {known.run_id} in MLflow are not those of its WERs: {found}")
    return status


def _contradiction(table: Path, metrics: Mapping[str, float]) -> str | None:
    """Return what shows that counts of an earlier version are not those that the run's metrics came from; None if nothing does."""
    import pandas as pd

    from ablation.stats.metrics import METRICS

    try:
        counts = pd.read_parquet(table)
    except Exception as error:  # pyarrow has many for a file that is not what it says
        return f"{table.name} cannot be read ({type(error).__name__})"
    return (
        rows_fault(counts)
        or texts_fault(counts)
        or rates_fault(counts, {key: value for key, value in metrics.items() if key.partition("/")[0] in METRICS})
    )


def rows_fault(counts: "pd.DataFrame") -> str | None:
    """Return why these cannot be the rows of one trial: every condition has the same utterances, each of them once."""
    sets = [list(rows["utterance_id"]) for _, rows in counts.groupby("condition", sort=False)]
    if not sets:
        return "there are none"
    if any(len(ids) != len(set(ids)) or set(ids) != set(sets[0]) for ids in sets):
        return "conditions have different utterances, or one twice"
    return None


def texts_fault(counts: "pd.DataFrame") -> str | None:
    """Return whether the counts are not those of the references and hypotheses next to them, as any version normalised them."""
    from ablation.stats.metrics import WER
    from ablation.stats.scoring import score_transcripts
    from common.normalise import BASIC, FIRST_VERSION, normalise, normaliser

    if not {"reference", "hypothesis"} <= set(counts):
        return None
    for form in (normalise, normaliser(BASIC, FIRST_VERSION)):
        again = score_transcripts(counts[["reference", "hypothesis"]], form)
        if (again[WER.columns].to_numpy() == counts[WER.columns].to_numpy()).all():
            return None
    return "the texts give other counts"


def rates_fault(counts: "pd.DataFrame", rates: Mapping[str, float]) -> str | None:
    """Return which of the rates, e.g. `wer/clean`, the counts do not give, as half a sentence; None if all agree."""
    from ablation.stats.scoring import trial_metrics

    given = {key: value for key, value in rates.items() if key.partition("/")[2] != VALIDATION}
    computed = trial_metrics(counts, sorted({key.partition("/")[0] for key in given}))
    for key in dict.fromkeys([*given, *computed]):
        if not math.isclose(given.get(key, math.nan), computed.get(key, math.nan), rel_tol=1e-9):
            return f"{key} is {given.get(key, 'missing')} there, and the counts give {computed.get(key, 'none')}"
    return None if given else "the run has no WER"
