"""The process that scores: what `evaluate_trial` starts. It imports no kfp, which takes two seconds that no trial needs."""

import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.shared.history import attempt
from components.shared.outcome import give_up, keep_checkpoint, mark_killed, sentence, store_scores
from components.shared.reuse import take_scored, tell_reused
from components.shared.trial import COUNTS_FILE, Status, plan_of
from components.workers.isolation import run_worker


def work(request: dict[str, Any]) -> None:
    """The worker: leaves counts and a status that is `finished` or `failed`."""
    out, uri = Path(request["out"]), request["tracking_uri"]
    status = Status.read(out)
    try:
        if not _reuse(status, out, uri):
            _evaluate(request, status, out, uri).write(out)
    except Exception as error:
        traceback.print_exc()
        give_up(status.fail(sentence(error)), out, uri)
    except SystemExit:
        mark_killed(uri, status.run_id)
        raise


def _reuse(status: Status, out: Path, uri: str) -> bool:
    """Whether somebody has scored this checkpoint in the same way; then `out` has what came of it."""
    found = take_scored(uri, status, out) if status.reused_from else None
    if found:
        error = attempt(lambda: tell_reused(uri, found, out))
        replace(found, untracked=error, ended=time.time()).write(out)
    return found is not None


def _evaluate(request: dict[str, Any], status: Status, out: Path, uri: str) -> Status:
    from ablation.results import COUNTS_COLUMNS, DETAIL_COLUMNS
    from ablation.stats.scoring import score_transcripts, trial_metrics
    from recipes.smile import transcribe

    plan, started = plan_of(request["plan"]), time.perf_counter()
    transcripts = transcribe(
        Path(request["trained"]),
        Path(request["corpus"]),
        plan.conditions,
        threads=request["threads"],
        noise=plan.noise,
    )
    counts = score_transcripts(transcripts).assign(arm=status.arm, seed=status.seed)[COUNTS_COLUMNS + DETAIL_COLUMNS]
    counts.to_parquet(out / f".{COUNTS_FILE}.part", index=False)
    (out / f".{COUNTS_FILE}.part").replace(out / COUNTS_FILE)
    status = replace(status, status="finished", evaluate_seconds=time.perf_counter() - started, ended=time.time())
    status = replace(status, wer=trial_metrics(counts, plan.metrics))
    if status.model_id is None:  # the store was away when the training ended
        status = keep_checkpoint(uri, status, Path(request["trained"]))
    status.write(out)
    error = attempt(lambda: store_scores(uri, status, out))
    return replace(status, untracked=status.untracked or error)


if __name__ == "__main__":
    run_worker(work)
