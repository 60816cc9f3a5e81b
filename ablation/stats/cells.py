"""Counts as arrays: errors of every arm, condition and seed, per speaker or utterance."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablation.stats.metrics import Metric, metric_of

ENOUGH_SPEAKERS = 10  # resampling fewer speakers says little; a bootstrap over 2 speakers has 3 outcomes


@dataclass(frozen=True)
class Cells:
    """Errors and reference lengths per sampling unit of the test set: a speaker or an utterance.

    `errors` (arms, conditions, seeds, units) holds counts. `scored` (arms, conditions, seeds) is False where no trial was scored.
    `reference` (conditions, units) is the same for all trials of a condition.
    """

    arms: tuple[str, ...]
    conditions: tuple[str, ...]
    seeds: tuple[int, ...]
    unit: str
    errors: np.ndarray
    reference: np.ndarray
    scored: np.ndarray


def unit_of(counts: pd.DataFrame) -> str:
    """Return `speaker` if there are at least `ENOUGH_SPEAKERS`, else `utterance`."""
    return "speaker" if counts["speaker"].nunique() >= ENOUGH_SPEAKERS else "utterance"


def cells(counts: pd.DataFrame, metric: str | Metric = "wer") -> Cells:
    """Sum `counts` (a row per arm, seed, condition and utterance) within speakers, or keep single utterances.

    Raises ValueError if trials of a condition were not scored on the same references.
    """
    unit, of_items = unit_of(counts), not metric_of(metric).is_rate
    keys = {name: pd.factorize(counts[name]) for name in ("arm", "condition", "seed")}
    place, units = pd.factorize(counts["speaker" if unit == "speaker" else "utterance_id"])
    shape = (*(len(names) for _, names in keys.values()), len(units))
    flat = np.ravel_multi_index((*(codes for codes, _ in keys.values()), place), shape)
    size = int(np.prod(shape))
    total = sum(counts[column].to_numpy() for column in metric_of(metric).errors)
    errors = np.bincount(flat, total, size).reshape(shape)
    lengths = np.bincount(flat, counts[metric_of(metric).length].to_numpy(), size).reshape(shape)
    scored = np.bincount(flat, minlength=size).reshape(shape).sum(axis=-1) > 0
    reference = lengths.max(axis=(0, 2))
    if (lengths != reference[None, :, None])[scored].any():
        raise ValueError(
            "all trials must be scored on the same utterances, but their references differ; score them again"
        )
    arms, conditions, seeds = (tuple(names.tolist()) for _, names in keys.values())
    unit = "item" if of_items and unit == "utterance" else unit
    return Cells(arms, conditions, seeds, unit, errors, reference, scored)
