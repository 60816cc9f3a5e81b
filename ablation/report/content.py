"""The numbers of a report. All formats are written from them, so that they agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablation.decisions.contrasts import ContrastVerdict, judge_contrasts
from ablation.decisions.looks import judged_arms, judged_study
from ablation.decisions.seed_groups import SeedGroups, seed_groups
from ablation.decisions.verdict import ArmVerdict, judge
from ablation.records import Imported, Study
from ablation.report import looks
from ablation.report import seed_groups as cautions
from ablation.report.amounts import Amounts
from ablation.report.contrast_wording import contrast_sentences
from ablation.report.examples import Example, examples
from ablation.report.verdict_wording import Sentences, sentences
from ablation.report.wording import duration
from ablation.results import CURVES_COLUMNS, read_counts, read_curves, read_study
from ablation.stats import bootstrap, contrasts, these_checkpoints
from ablation.stats.metrics import Metric
from ablation.stats.power import Spread, measured_spreads
from ablation.stats.scoring import pool
from ablation.stats.sequential_contrast_judge import key_of
from ablation.stats.sequential_judge import Judged
from ablation.stats.significance import COLUMNS, compare
from common.conditions import CLEAN, Condition
from common.external import UNSEEN, is_external

RESAMPLING_SEED = 0


@dataclass(frozen=True)
class Content:
    """A study with its tests.

    `comparisons` has the table of `significance.compare` for each metric of the plan. Verdicts and all other numbers come from the
    first metric. `looks` and `contrast_looks` are None for a study that is judged once. `resampled` is the table of
    `bootstrap.intervals`, `checkpoints` that of `these_checkpoints`. Tables are empty if nothing was scored. `pooled` maps arm to
    error rates over conditions. `contrasts` is the table of `compare_contrasts`, and `contrast_verdicts` has its verdicts; both are
    empty without a ladder or a factorial. `spreads` maps condition to the standard deviation between seeds. `seed_groups` are the
    arms whose seeds fall into two groups.
    """

    study: Study
    comparisons: dict[str, pd.DataFrame]
    resampled: pd.DataFrame
    checkpoints: pd.DataFrame
    verdicts: dict[str, ArmVerdict]
    pooled: dict[str, dict[str, float]]
    curves: pd.DataFrame
    examples: Sequence[Example]
    contrasts: pd.DataFrame
    contrast_verdicts: Sequence[ContrastVerdict]
    spreads: dict[str, Spread]
    looks: Judged | None = None
    contrast_looks: Judged | None = None
    seed_groups: Sequence[SeedGroups] = ()

    @property
    def metric(self) -> Metric:
        """The metric of the verdicts."""
        return self.study.metric()

    @property
    def amounts(self) -> Amounts:
        """The texts of values of that metric."""
        return Amounts(self.metric)

    @property
    def comparison(self) -> pd.DataFrame:
        """The comparison by the metric of the verdicts."""
        return self.comparisons[self.metric.name]

    @cached_property
    def sentences(self) -> dict[str, Sentences]:
        """Arm -> its verdict in words."""
        return {
            arm: sentences(self.study, verdict)
            .with_evidence(looks.evidence(self.study, self.looks, arm))
            .with_evidence(self.cautions(arm))
            for arm, verdict in self.verdicts.items()
        }

    def cautions(self, arm: str) -> list[str]:
        """Return the sentence on the seeds of an arm, the baseline included, that end far from its others; [] without any."""
        return [cautions.evidence(self.study, each) for each in self.seed_groups if each.arm == arm]

    @cached_property
    def contrast_sentences(self) -> dict[tuple[str, str], Sentences]:
        """Family and name of a contrast -> its verdict in words."""
        margin = self.study.margin_points
        return {
            (each.contrast.family, each.contrast.name): contrast_sentences(each, self.amounts, margin).with_evidence(
                looks.evidence(self.study, self.contrast_looks, key_of(each.contrast))
            )
            for each in self.contrast_verdicts
        }

    def row(self, arm: str, condition: str) -> dict[str, Any] | None:
        """Return the comparison of one arm in one condition; None if no trial was scored."""
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
        origin = self.study.imported
        first = [
            ("Corpus", _corpus(self.study)),
            ("Preset", self.study.preset) if origin is None else ("Imported", _origin(self.study, origin)),
            ("Seeds", ", ".join(map(str, self.study.seeds))),
            ("Trials", trials),
        ]
        if origin is not None:
            return first
        return [
            *first,
            (
                "Wall time",
                duration(sum(self.study.wall_seconds.values())) if self.study.wall_seconds else "not recorded",
            ),
        ]


def _corpus(study: Study) -> str:
    uri = str(study.corpus.get("uri", ""))
    return f"{uri} ({UNSEEN})" if is_external(uri) and study.imported is None else uri


def _origin(study: Study, origin: Imported) -> str:
    if study.measure is not None:
        return f"{study.measure.name} from {', '.join(Path(path).name for path in origin.patterns)}"
    return f"{origin.files} files ({origin.format})"


def load(folder: Path) -> Content:
    """Read a study's folder and run the tests. Raises UserError for missing files."""
    study, counts = read_study(folder), read_counts(folder)
    curves = read_curves(folder) if study.imported is None else pd.DataFrame(columns=CURVES_COLUMNS)
    metric = study.metric()
    whole = judged_study(study, counts) if study.looks and _is_scored(counts, metric) else None
    judged, by_contrast = (whole.arms, whole.contrasts) if whole else (None, None)
    comparisons = {name: _compared(study, counts, each, judged) for name, each in study.known_metrics().items()}
    return Content(
        study,
        comparisons,
        *_secondary(study, counts, metric),
        {verdict.arm: verdict for verdict in judge(study, comparisons[metric.name])},
        _pooled(counts, metric) if _is_scored(counts, metric) else {},
        curves,
        examples(study, counts, folder) if metric.is_rate else [],
        *_contrasts(study, counts, metric, by_contrast),
        _spreads(study, counts, metric),
        judged,
        by_contrast,
        seed_groups(study, counts, metric) if _is_scored(counts, metric) else [],
    )


def _is_scored(counts: pd.DataFrame, metric: Metric) -> bool:
    """False if no trial finished, or if the study's version did not count these errors."""
    return len(counts) > 0 and {*metric.columns} <= {*counts}


def _compared(study: Study, counts: pd.DataFrame, metric: Metric, judged: Judged | None) -> pd.DataFrame:
    if not _is_scored(counts, metric):
        return pd.DataFrame(columns=COLUMNS)
    if judged is not None:
        return judged.table if metric == study.metric() else judged_arms(study, counts, metric.name).table
    return compare(counts, study.baseline, margin_points=study.margin_points, metric=metric)


def _contrasts(
    study: Study, counts: pd.DataFrame, metric: Metric, judged: Judged | None
) -> tuple[pd.DataFrame, list[ContrastVerdict]]:
    """The tests of the plan's ladder and factorial, and their verdicts."""
    table = pd.DataFrame(columns=contrasts.COLUMNS) if judged is None else judged.table
    if judged is None and study.contrasts and _is_scored(counts, metric):
        table = contrasts.compare_contrasts(
            counts, study.contrasts, margin_points=study.margin_points, metric=metric.name
        )
    return table, judge_contrasts(study.contrasts, table)


def _spreads(study: Study, counts: pd.DataFrame, metric: Metric) -> dict[str, Spread]:
    """Condition -> standard deviation of a trial around its arm and seed, as a fraction or in the metric's unit."""
    if not _is_scored(counts, metric):
        return {}
    trials = pool(counts, ["arm", "seed", "condition"], metric).rename(columns={metric.column: "wer"})
    return measured_spreads([trials], study.baseline)


def _secondary(study: Study, counts: pd.DataFrame, metric: Metric) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two-level bootstrap, and the tests of these checkpoints only. The same study gives the same draws.

    Values without items cannot be resampled.
    """
    if not _is_scored(counts, metric) or (not metric.is_rate and counts["utterance_id"].nunique() < 2):
        return pd.DataFrame(columns=bootstrap.COLUMNS), pd.DataFrame(columns=these_checkpoints.COLUMNS)
    draws = np.random.default_rng(RESAMPLING_SEED).spawn(2)
    return (
        bootstrap.intervals(counts, study.baseline, draws[0], metric=metric),
        these_checkpoints.these_checkpoints(counts, study.baseline, draws[1], metric=metric),
    )


def _pooled(counts: pd.DataFrame, metric: Metric) -> dict[str, dict[str, float]]:
    """Arm -> `clean`, `noisy` and `overall` error rate, errors summed over all seeds, if there are such conditions.

    Conditions of other names, such as the test sets of an imported study, are neither clean nor noisy.
    """
    noisy = [name for name in counts["condition"].unique() if Condition.parse(name).snr_db is not None]
    sets = {"clean": counts["condition"] == CLEAN, "noisy": counts["condition"].isin(noisy), "overall": slice(None)}
    found: dict[str, dict[str, float]] = {}
    for name, chosen in sets.items():
        rows = pool(counts.loc[chosen], ["arm"], metric)
        for arm, rate in zip(rows["arm"], rows[metric.column], strict=True):
            found.setdefault(arm, {})[name] = rate
    return found


def provenance(study: Study) -> list[tuple[str, str]]:
    """Return all facts that are needed to repeat the study, as label and text."""
    nested = {
        "created": study.created,
        "seeds": ", ".join(map(str, study.seeds)),
        **study.provenance,
        "corpus": study.corpus,
        "imported": study.imported.model_dump() if study.imported else {},
        "mlflow": study.mlflow or {},
        "archive of": study.archived.tables if study.archived else {},
    }
    return flat(nested)


def flat(value: object, prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested mappings to (label, text), with the keys joined by spaces; empty values are left out."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in flat(inner, f"{prefix} {key}".strip())]
    return [] if value is None or value == "" else [(prefix, str(value))]
