"""What a report says, before it is HTML, Markdown or CSV: all of them are written from this and so agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.report.wording import duration
from ablation.results import Study, read_counts, read_curves, read_study
from ablation.scoring import CLEAN, pool
from ablation.significance import ALPHA, COLUMNS, compare
from ablation.verdicts import Verdict, judge


@dataclass(frozen=True)
class Content:
    """A study with its tests. `comparison` is `significance.compare`'s; `pooled` maps arm to WERs over conditions."""

    study: Study
    comparison: pd.DataFrame
    verdicts: dict[str, Verdict]
    pooled: dict[str, dict[str, float]]
    curves: pd.DataFrame

    def row(self, arm: str, condition: str) -> dict[str, Any] | None:
        """The comparison of one arm in one condition; None where no trial was scored."""
        found = self.comparison[(self.comparison["arm"] == arm) & (self.comparison["condition"] == condition)]
        return None if found.empty else found.iloc[0].to_dict()

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
    if counts.empty:
        comparison, pooled = pd.DataFrame(columns=COLUMNS), {}
    else:
        comparison, pooled = compare(counts, study.baseline), _pooled(counts)
    return Content(study, comparison, {v.arm: v for v in judge(study, comparison)}, pooled, curves)


def _pooled(counts: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Arm -> `clean`, `noisy` and `overall` WER, errors added up over all seeds, where there are such conditions."""
    sets = {"clean": counts["condition"] == CLEAN, "noisy": counts["condition"] != CLEAN, "overall": slice(None)}
    found: dict[str, dict[str, float]] = {}
    for name, chosen in sets.items():
        rows = pool(counts.loc[chosen], ["arm"])
        for arm, wer in zip(rows["arm"], rows["wer"], strict=True):
            found.setdefault(arm, {})[name] = wer
    return found


def cost(content: Content) -> list[list[str]]:
    """Per arm: trials finished, parameters, steps, and mean training and evaluation time of the finished ones."""
    rows = []
    for arm in content.study.arms:
        trials = content.study.of(arm.arm)
        done = [trial for trial in trials if trial.status == "finished"]
        parameters = next((f"{t.parameters:,}" for t in done if t.parameters is not None), "–")
        steps = next((f"{t.steps:,}" for t in done if t.steps is not None), "–")
        times = [_mean([t.train_seconds for t in done]), _mean([t.evaluate_seconds for t in done])]
        rows.append([arm.arm, f"{len(done)} of {len(trials)}", parameters, steps, *map(duration, times)])
    return rows


COST_HEAD = ["arm", "trials finished", "parameters", "steps", "training", "evaluation"]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def provenance(content: Content) -> list[tuple[str, str]]:
    """All that is needed to do the study again, flattened to label and text."""
    study = content.study
    nested = {"created": study.created, **study.provenance, "corpus": study.corpus, "mlflow": study.mlflow or {}}
    return [(label, text) for label, text in _flat("", nested) if text]


def _flat(prefix: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(f"{prefix} {key}".strip(), inner)]
    return [(prefix, "" if value is None else str(value))]


def method(study: Study) -> list[str]:
    """How the numbers came about, in sentences that hold for this study."""
    if len(study.seeds) < 2:
        return [
            *_SCORING,
            "With one seed, differences cannot be told from chance: there are estimates and no verdicts.",
        ]
    return [
        *_SCORING,
        "The seed is the unit: each trial is one observation per condition, and the spread between seeds is pooled "
        "over all arms. A difference is arm minus baseline in percentage points of WER: a positive one means that the "
        "arm is worse.",
        f"Arms are compared with the baseline by Dunnett's test, so that within a condition the chance of any false "
        f"finding is at most {100 * ALPHA:.0f} %; p is then corrected over the conditions by Holm's method. Intervals "
        "of WERs are 95 % each; intervals of differences hold for all arms of a condition at once, but are not widened "
        "for the number of conditions: an interval may leave out zero while p does not reach the level.",
    ]


_SCORING: Sequence[str] = (
    "The word error rate (WER) is substitutions, deletions and insertions over reference words, added up over all "
    "utterances of the test split. Texts are compared in lower case, without punctuation, after Unicode NFKC.",
)
