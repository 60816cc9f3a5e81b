"""What a report says, as numbers: all formats are written from this and so agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablation.decisions.verdict import Verdict, judge
from ablation.report.examples import Example, examples
from ablation.report.wording import duration
from ablation.results import Study, read_counts, read_curves, read_study
from ablation.stats import bootstrap, these_checkpoints
from ablation.stats.scoring import METRICS, pool
from ablation.stats.significance import COLUMNS, compare
from common.conditions import CLEAN

RESAMPLING_SEED = 0


@dataclass(frozen=True)
class Content:
    """A study with its tests. `pooled` maps arm to WERs over conditions.

    `comparison` and `characters` are `significance.compare`'s, of words and (if the plan asks) of characters; `resampled`
    is `bootstrap.intervals`'s, `checkpoints` `these_checkpoints`'s. They are empty where nothing was scored.
    """

    study: Study
    comparison: pd.DataFrame
    characters: pd.DataFrame
    resampled: pd.DataFrame
    checkpoints: pd.DataFrame
    verdicts: dict[str, Verdict]
    pooled: dict[str, dict[str, float]]
    curves: pd.DataFrame
    examples: Sequence[Example]

    def row(self, arm: str, condition: str) -> dict[str, Any] | None:
        """The comparison of one arm in one condition; None where no trial was scored."""
        return self._rows.get((arm, condition))

    @cached_property
    def _rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(row["arm"], row["condition"]): row for row in self.comparison.to_dict("records")}

    @property
    def summary(self) -> list[tuple[str, str]]:
        """The study at a glance, as label and text."""
        finished = sum(trial.status == "finished" for trial in self.study.trials)
        failed = len(self.study.failed())
        trials = f"{finished} finished" + (f", {failed} failed" if failed else "")
        return [
            ("Corpus", str(self.study.corpus.get("uri", ""))),
            ("Preset", self.study.preset),
            ("Seeds", ", ".join(map(str, self.study.seeds))),
            ("Trials", trials),
            (
                "Wall time",
                duration(sum(self.study.wall_seconds.values())) if self.study.wall_seconds else "not recorded",
            ),
        ]


def load(folder: Path) -> Content:
    """Read a study's folder and do the tests. Raises UserError when something is missing there."""
    study, counts, curves = read_study(folder), read_counts(folder), read_curves(folder)
    comparison = _compared(study, counts, "wer")
    return Content(
        study,
        comparison,
        _compared(study, counts, "cer"),
        *_secondary(study, counts),
        {verdict.arm: verdict for verdict in judge(study, comparison)},
        {} if counts.empty else _pooled(counts),
        curves,
        examples(study, counts, folder),
    )


def _compared(study: Study, counts: pd.DataFrame, metric: str) -> pd.DataFrame:
    if counts.empty or metric not in study.metrics or not {*METRICS[metric]} <= {*counts}:
        return pd.DataFrame(columns=COLUMNS)
    return compare(counts, study.baseline, margin_points=study.margin_points, metric=metric)


def _secondary(study: Study, counts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two-level bootstrap, and what holds for these checkpoints only. The same study gives the same draws."""
    if counts.empty:
        return pd.DataFrame(columns=bootstrap.COLUMNS), pd.DataFrame(columns=these_checkpoints.COLUMNS)
    draws = np.random.default_rng(RESAMPLING_SEED).spawn(2)
    return (
        bootstrap.intervals(counts, study.baseline, draws[0]),
        these_checkpoints.these_checkpoints(counts, study.baseline, draws[1]),
    )


def _pooled(counts: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Arm -> `clean`, `noisy` and `overall` WER, errors added up over all seeds, where there are such conditions."""
    sets = {"clean": counts["condition"] == CLEAN, "noisy": counts["condition"] != CLEAN, "overall": slice(None)}
    found: dict[str, dict[str, float]] = {}
    for name, chosen in sets.items():
        rows = pool(counts.loc[chosen], ["arm"])
        for arm, wer in zip(rows["arm"], rows["wer"], strict=True):
            found.setdefault(arm, {})[name] = wer
    return found


def provenance(study: Study) -> list[tuple[str, str]]:
    """All that is needed to do the study again, flattened to label and text."""
    nested = {
        "created": study.created,
        "seeds": ", ".join(map(str, study.seeds)),
        **study.provenance,
        "corpus": study.corpus,
        "mlflow": study.mlflow or {},
    }
    return flat(nested)


def flat(value: object, prefix: str = "") -> list[tuple[str, str]]:
    """Nested mappings as (label, text), the labels joined by spaces; what is empty is left out."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in flat(inner, f"{prefix} {key}".strip())]
    return [] if value is None or value == "" else [(prefix, str(value))]
