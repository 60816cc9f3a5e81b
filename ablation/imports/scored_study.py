"""The record and the values of a study from a table of scores. Nothing is scored here."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.imports.arms import arm_records
from ablation.imports.options import Options
from ablation.imports.scores import Direction, check_items, read_scores
from ablation.imports.speakers import speakers_of
from ablation.imports.study import PRESET, Trial, check_name, incomplete
from ablation.imports.transcripts import conditions_of
from ablation.records import Imported, Measure, Study, TrialRecord
from ablation.stats.scoring import pool
from common.checksums import sha256_of
from common.errors import UserError

BY_TRIAL = ["arm", "seed"]


def gather_scores(path: Path, name: str, options: Options) -> tuple[Study, pd.DataFrame]:
    """Read and check a table of scores. Return the record of a study and its values. Raises UserError."""
    check_name(name)
    options.check_for_scores()
    measure, values = read_scores(path, Direction(options.metric, options.higher_is_better, options.unit))
    arms = arm_records(sorted(values["arm"].unique()), options.baseline, options.arms)
    seeds, conditions = sorted(map(int, values["seed"].unique())), conditions_of(values["condition"])
    trials = [(arm.arm, seed) for arm in arms for seed in seeds]
    keys = {(str(arm), int(seed), str(name)) for arm, seed, name in values[[*BY_TRIAL, "condition"]].values}
    failed = incomplete(keys, trials, conditions, options, "values")
    kept = _kept(values, failed, conditions, [arm.arm for arm in arms], options)
    check_items(kept, str(path))
    study = Study(
        study=name,
        question=options.question,
        preset=PRESET,
        corpus=_corpus(name, kept, options),
        seeds=seeds,
        conditions=conditions,
        metrics=[measure.name],
        margin_points=options.margin_points,
        baseline=options.baseline,
        max_failed_trials=len(failed),
        arms=arms,
        trials=[_trial(trial, kept, measure, failed) for trial in trials],
        imported=Imported(files=1, format=path.suffix.lstrip(".").casefold() or "table", patterns=[str(path)]),
        measure=measure,
        provenance={"scores": sha256_of(path), "scoring": {"code": PRESET, "noise": {}}},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return study, kept


def _kept(
    values: pd.DataFrame, failed: Mapping[Trial, str], conditions: list[str], arms: list[str], options: Options
) -> pd.DataFrame:
    """Return the values of the trials that are complete, in the study's order, with the speakers of the items."""
    left_out = pd.Series(list(zip(values["arm"], values["seed"], strict=True)), index=values.index).isin(list(failed))
    kept = values[~left_out]
    if kept.empty:
        raise UserError(f"none of {len(failed)} trials has values for all {len(conditions)} conditions; add them")
    order = kept.assign(
        arm=pd.Categorical(kept["arm"], arms), condition=pd.Categorical(kept["condition"], conditions)
    ).sort_values(["arm", "seed", "condition"], kind="stable")
    kept = kept.loc[order.index].reset_index(drop=True)
    speakers = speakers_of(list(dict.fromkeys(kept["utterance_id"])), options)
    return kept.assign(speaker=kept["utterance_id"].map(speakers))


def _corpus(name: str, values: pd.DataFrame, options: Options) -> dict[str, Any]:
    """Describe the test set. Its fingerprint is of the items, so it is the same for every later table of them."""
    items = values[["condition", "utterance_id"]].drop_duplicates()
    lines = sorted(f"{row.condition}\t{row.utterance_id}" for row in items.itertuples())
    return {
        "uri": f"external://{name}",
        "fingerprint": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        "test": int(items["utterance_id"].nunique()),
        "speakers": int(values["speaker"].nunique()) if options.speaker or options.speakers else None,
    }


def _trial(trial: Trial, values: pd.DataFrame, measure: Measure, failed: Mapping[Trial, str]) -> TrialRecord:
    arm, seed = trial
    if trial in failed:
        return TrialRecord(arm=arm, seed=seed, status="failed", reason=failed[trial])
    mine = values[(values["arm"] == arm) & (values["seed"] == seed)]
    metric = measure.metric()
    pooled = pool(mine, ["condition"], metric)
    found = {
        f"{metric.name}/{name}": float(value)
        for name, value in zip(pooled["condition"], pooled[metric.column], strict=True)
    }
    overall = {f"{metric.name}/overall": float(mine["value"].mean())}
    return TrialRecord(arm=arm, seed=seed, status="finished", wer=found | overall)
