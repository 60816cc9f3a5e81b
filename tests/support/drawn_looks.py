"""Runs of looks without training: error counts are drawn; folders, records and decisions are real."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablation.plan.arms import expand, trials
from ablation.plan.families import contrasts
from ablation.plan.plan import Plan
from ablation.records import ArmRecord, Study, TrialRecord
from ablation.results import COUNTS_FILE, write_study
from ablation.stats.metrics import METRICS
from components.shared.designs import looks_record
from pipelines.local.study import Result
from recipes.smile import CATALOGUE


@dataclass
class Runs:
    """Runs that write a study's folder. `points` are the arms' true differences."""

    folder: Path
    points: dict[str, float]
    plans: list[Plan]
    problem: str | None = None

    def __call__(self, of: Plan) -> Result:
        arms = expand(of, CATALOGUE)
        planned = contrasts(of, arms, CATALOGUE)
        self.plans.append(of)
        self.folder.mkdir(exist_ok=True)
        done = [(trial.arm, trial.seed) for trial in trials(of, arms)]
        pd.DataFrame([self._row(*pair) for pair in done]).to_parquet(self.folder / COUNTS_FILE, index=False)
        study = Study(
            study="x",
            preset="tiny",
            corpus={},
            seeds=list(of.seeds),
            conditions=["clean"],
            margin_points=of.margin_points,
            arms=[ArmRecord(arm=arm.arm) for arm in arms],
            trials=[TrialRecord(arm=arm, seed=seed, status="finished") for arm, seed in done],
            contrasts=planned,
            looks=looks_record(of, arms, planned),
        )
        write_study(study, self.folder)
        return Result(self.folder, study.trials, self.problem)

    def _row(self, arm: str, seed: int) -> dict[str, Any]:
        wer = 0.3 + self.points.get(arm, 0.0) / 100 + np.random.default_rng([seed, *arm.encode()]).normal(0, 0.003)
        counts = dict(zip(METRICS["wer"].columns, (round(1e6 * wer), 0, 0, 10**6), strict=True))
        return {"arm": arm, "seed": seed, "condition": "clean", "utterance_id": "u", "speaker": "s", **counts}
