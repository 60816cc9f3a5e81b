"""The folder of an imported study: a record and the counts of all trials. There was no training here, so it has no curves."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.imports.arms import arm_records
from ablation.imports.options import AS_FAILED, Options
from ablation.imports.pattern import TrialFile, find_files
from ablation.imports.speakers import speakers_of
from ablation.imports.transcripts import conditions_of, read_transcripts
from ablation.imports.utterances import some
from ablation.records import Imported, Study, TrialRecord
from ablation.results import COUNTS_COLUMNS, STUDY, detail_columns, read_study
from ablation.stats.scoring import score_transcripts, trial_metrics
from common.checksums import sha256_of
from common.errors import UserError
from common.normalise import VERSION, normaliser

PRESET = "imported"
MISSING = {"files": "hypotheses", "values": "values"}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.IGNORECASE)
Trial = tuple[str, int]


def gather(hyp: Sequence[str], name: str, options: Options) -> tuple[Study, pd.DataFrame]:
    """Read, check and score results. Return the record of a study and its counts. Raises UserError."""
    check_name(name)
    options.check_for_files()
    files = find_files(hyp)
    arms = arm_records(sorted({file.arm for file in files}), options.baseline, options.arms)
    seeds, conditions = sorted({file.seed for file in files}), conditions_of(file.condition for file in files)
    trials = [(arm.arm, seed) for arm in arms for seed in seeds]
    failed = incomplete({file.key for file in files}, trials, conditions, options, "files")
    kept = [file for file in files if (file.arm, file.seed) not in failed]
    if not kept:
        raise UserError(f"none of {len(trials)} trials has files for all {len(conditions)} conditions; correct --hyp")
    read = read_transcripts(_ordered(kept, trials, conditions), options)
    counts = _counts(read.table, options)
    imported = Imported(
        files=len(kept), format=read.format, patterns=list(hyp), references=options.ref,
        filled_in=read.missing, left_out=read.extra,
    )  # fmt: skip
    study = Study(
        study=name,
        question=options.question,
        preset=PRESET,
        corpus=_corpus(name, counts, options),
        seeds=seeds,
        conditions=conditions,
        metrics=list(options.metrics),
        margin_points=options.margin_points,
        normalise=options.normalise,
        normalise_version=VERSION,
        baseline=options.baseline,
        max_failed_trials=len(failed),
        arms=arms,
        trials=[_trial(trial, counts, failed, options) for trial in trials],
        imported=imported,
        provenance={"hypotheses": _sum_of(kept), "scoring": {"code": PRESET, "noise": {}}},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return study, counts


def _ordered(files: Sequence[TrialFile], trials: Sequence[Trial], conditions: Sequence[str]) -> list[TrialFile]:
    known = {file.key: file for file in files}
    return [known[*trial, name] for trial in trials for name in conditions if (*trial, name) in known]


def check_name(name: str) -> None:
    """Raise UserError for a name that a study cannot have."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"a study's name has letters, digits, '-', '_' and '.', got {name!r}; name the folder of --out so"
        )


def incomplete(
    known: Collection[tuple[str, int, str]],
    trials: Sequence[Trial],
    conditions: Sequence[str],
    options: Options,
    things: str,
) -> dict[Trial, str]:
    """Return the trials that lack `things` in a condition, with the reason. Refuse them, unless they shall count as failed.

    `known` has arm, seed and condition of all that is there.
    """
    lacking = {trial: [name for name in conditions if (*trial, name) not in known] for trial in trials}
    lacking = {trial: names for trial, names in lacking.items() if names}
    if lacking and options.missing_trials != AS_FAILED:
        (arm, seed), names = next(iter(lacking.items()))
        raise UserError(
            f"{len(known)} of {len(trials) * len(conditions)} {things} are there: {len(lacking)} of {len(trials)} trials lack "
            f"some, e.g. arm {arm!r}, seed {seed}: {some(names)}; add them, or count these trials as failed with --missing-trials "
            "as-failed"
        )
    return {trial: f"no {MISSING[things]} for {', '.join(names)}" for trial, names in lacking.items()}


def _counts(table: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Score all utterances as the pipeline does, and add their speakers."""
    speakers = speakers_of(list(dict.fromkeys(table["utterance_id"])), options)
    scored = score_transcripts(table, normaliser(options.normalise))
    scored["speaker"] = scored["utterance_id"].map(speakers)
    return scored[[*COUNTS_COLUMNS, *detail_columns()]]


def _corpus(name: str, counts: pd.DataFrame, options: Options) -> dict[str, Any]:
    """Describe the test set. Its fingerprint is of the normalised references, so it is the same for every toolkit."""
    form = normaliser(options.normalise)
    texts = counts[["condition", "utterance_id", "reference"]].drop_duplicates(["condition", "utterance_id"])
    lines = sorted({f"{row.utterance_id}\t{form(str(row.reference))}" for row in texts.itertuples()})
    return {
        "uri": f"external://{name}",
        "fingerprint": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        "test": int(texts["utterance_id"].nunique()),
        "speakers": int(counts["speaker"].nunique()) if options.speaker or options.speakers else None,
    }


def _trial(trial: Trial, counts: pd.DataFrame, failed: Mapping[Trial, str], options: Options) -> TrialRecord:
    arm, seed = trial
    if trial in failed:
        return TrialRecord(arm=arm, seed=seed, status="failed", reason=failed[trial])
    mine = counts[(counts["arm"] == arm) & (counts["seed"] == seed)]
    return TrialRecord(arm=arm, seed=seed, status="finished", wer=trial_metrics(mine, options.metrics))


def _sum_of(files: Sequence[TrialFile]) -> str:
    """Return the SHA-256 of all files together, which names the results that were imported."""
    lines = sorted(f"{file.arm}\t{file.seed}\t{file.condition}\t{sha256_of(file.path)}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check_out(out: Path) -> None:
    """Raise UserError for a folder that holds something else than an imported study."""
    if out.exists() and not out.is_dir():
        raise UserError(f"a study is a folder, and {out} is a file; give another --out")
    if (out / STUDY).is_file():
        if read_study(out).imported is None:
            raise UserError(
                f"{out} holds a study that was run here, which an import does not replace; give another --out"
            )
    elif out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} holds other files and no study; give another --out")
