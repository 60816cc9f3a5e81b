"""The process that scores. `evaluate_trials` starts it for a checkpoint that has to be scored.

It imports no kfp, which takes two seconds that no trial needs, and it takes no decision about reuse.
"""

import time
import traceback
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.external import external
from common.files import atomic_path
from components.shared.outcome import sentence
from components.shared.transcripts import transcript_table
from components.shared.trial import CHECKPOINT_FOLDER, COUNTS_FILE, Status, arm_of, plan_of
from components.workers.isolation import run_worker
from recipes.base import TranscriptionJob
from recipes.plans import of


def work(request: dict[str, Any]) -> None:
    """Score; leave the counts and a status that is `finished` or `failed` in the folder `request["out"]`."""
    out = Path(request["out"])
    status = Status.read(out)
    try:
        _evaluate(request, status, out).write(out)
    except Exception as error:
        traceback.print_exc()
        status.fail(sentence(error)).write(out)


def _evaluate(request: dict[str, Any], status: Status, out: Path) -> Status:
    from ablation.results import COUNTS_COLUMNS, DETAIL_COLUMNS
    from ablation.stats.scoring import score_transcripts, trial_metrics
    from common.normalise import normaliser

    plan, started = plan_of(request["plan"]), time.perf_counter()
    with TemporaryDirectory(prefix="ablate-transcripts-") as scratch:
        job = TranscriptionJob(
            settings=arm_of(plan, status.arm).settings,
            checkpoint=Path(request["trained"]) / CHECKPOINT_FOLDER,
            corpus=Path(request["corpus"]),
            conditions=plan.conditions,
            scratch=Path(scratch),
            noise=plan.noise,
            threads=request["threads"],
            gpus=request["gpus"],
            external=external(plan.corpus),
        )
        transcripts = transcript_table(of(plan).transcribe(job), job.corpus, plan)
    scored = score_transcripts(transcripts, normaliser(plan.normalise))
    counts = scored.assign(arm=status.arm, seed=status.seed)[COUNTS_COLUMNS + DETAIL_COLUMNS]
    with atomic_path(out / COUNTS_FILE) as part:
        counts.to_parquet(part, index=False)
    status = replace(status, status="finished", evaluate_seconds=time.perf_counter() - started, ended=time.time())
    return replace(status, wer=trial_metrics(counts, plan.metrics))


if __name__ == "__main__":
    run_worker(work)
