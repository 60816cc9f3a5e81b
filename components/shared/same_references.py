"""The references of trials on an external corpus: each trial brings its own, and all must be the same. Imports pandas."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ablation.plan.plan import Plan
from common.normalise import normaliser
from components.shared.outcome import record_failure
from components.shared.trial import COUNTS_FILE, Status

Texts = Mapping[str, str]


def fail_others(plan: Plan, folders: Sequence[Path], uri: str) -> None:
    """Turn the trials whose references differ from those of most trials into failed ones, here and in MLflow.

    `folders` has the status and the counts of every trial. Of equally frequent references, the first ones count.
    """
    scored = [folder for folder in folders if (folder / COUNTS_FILE).is_file()]
    texts = [_references(folder, plan) for folder in scored]
    keys = [tuple(sorted(each.items())) for each in texts]
    if len(set(keys)) < 2:
        return
    [(usual, count)] = Counter(keys).most_common(1)
    known = Status.read(scored[keys.index(usual)])
    for folder, mine in zip(scored, texts, strict=True):
        if said := _difference(mine, dict(usual), f"{known.arm} seed {known.seed}"):
            status = Status.read(folder)
            reason = (
                f"all trials are scored on the same references, and {said}, whose references {count} of {len(scored)} trials have; "
                "correct the references of the recipe, or give data that have changed a new version"
            )
            print(f"{status.arm} seed {status.seed}: {reason}", flush=True)
            (folder / COUNTS_FILE).unlink()
            record_failure(status.fail(reason), folder, uri).write(folder)


def _references(folder: Path, plan: Plan) -> Texts:
    """Return utterance id -> normalised reference of a trial. It has the same under every condition."""
    import pandas as pd

    form = normaliser(plan.normalise)
    table = pd.read_parquet(folder / COUNTS_FILE, columns=["utterance_id", "reference"]).drop_duplicates("utterance_id")
    return {str(row.utterance_id): form(str(row.reference)) for row in table.itertuples()}


def _difference(mine: Texts, usual: Texts, whose: str) -> str | None:
    """Return half a sentence about the first utterance with another reference; None if all are the same."""
    for name in sorted({*mine, *usual}):
        if name not in mine:
            return f"this one lacks {name!r} of {whose}"
        if name not in usual:
            return f"this one has {name!r}, which {whose} lacks"
        if mine[name] != usual[name]:
            return f"{name!r} has {mine[name][:40]!r} here and {usual[name][:40]!r} in {whose}"
    return None
