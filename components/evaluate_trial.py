"""Transcribe the test split with a trial's checkpoint under every condition, and count the word errors."""

import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfp.dsl import Dataset, Input, Model, Output

from components._image import component
from components.isolation import run_isolated, run_worker
from components.train_trial import give_up, keep_checkpoint, mark_killed, sentence
from components.trial import COUNTS_FILE, HISTORY_FILE, Status, plan_of


def evaluate(
    plan: Mapping[str, Any], corpus: Path, trained: Path, out: Path, *, tracking_uri: str, threads: int
) -> Status:
    """Score in a process of its own; `out` gets the counts, the curves and the status. Never raises for a failure."""
    Status.read(trained).write(out)
    if (trained / HISTORY_FILE).is_file():
        (out / HISTORY_FILE).write_bytes((trained / HISTORY_FILE).read_bytes())
    if Status.read(out).failed:
        return Status.read(out)
    request = {
        "plan": dict(plan),
        "corpus": str(corpus),
        "trained": str(trained),
        "out": str(out),
        "tracking_uri": tracking_uri,
        "threads": threads,
    }
    reason = run_isolated("components.evaluate_trial", request)
    if reason:
        give_up(Status.read(out).fail(reason), out, tracking_uri)
    return Status.read(out)


def _work(request: dict[str, Any]) -> None:
    """The worker: leaves counts and a status that is `finished` or `failed`."""
    out, uri = Path(request["out"]), request["tracking_uri"]
    status = Status.read(out)
    try:
        _evaluate(request, status, out, uri).write(out)
    except Exception as error:
        traceback.print_exc()
        give_up(status.fail(sentence(error)), out, uri)
    except SystemExit:
        mark_killed(uri, status.run_id)
        raise


def _evaluate(request: dict[str, Any], status: Status, out: Path, uri: str) -> Status:
    from ablation.results import COUNTS_COLUMNS
    from ablation.scoring import score_transcripts, trial_metrics
    from components.history import attempt
    from training.evaluate import transcribe

    plan, started = plan_of(request["plan"]), time.perf_counter()
    transcripts = transcribe(
        Path(request["trained"]),
        Path(request["corpus"]),
        plan.conditions,
        threads=request["threads"],
        noise=plan.noise,
    )
    counts = score_transcripts(transcripts).assign(arm=status.arm, seed=status.seed)[COUNTS_COLUMNS]
    counts.to_parquet(out / f".{COUNTS_FILE}.part", index=False)
    (out / f".{COUNTS_FILE}.part").replace(out / COUNTS_FILE)
    status = replace(status, status="finished", evaluate_seconds=time.perf_counter() - started, ended=time.time())
    status = replace(status, wer=trial_metrics(counts))
    if status.model_id is None:  # the store was away when the training ended
        status = keep_checkpoint(uri, status, Path(request["trained"]))
    error = attempt(lambda: store_scores(uri, status))
    return replace(status, untracked=status.untracked or error)


def store_scores(uri: str, status: Status) -> None:
    """Put a trial's WERs into MLflow, on its run and its checkpoint, and end the run."""
    from tracking.studies import end_run, log_scores

    costs = {
        "parameters": status.parameters,
        "seconds/train": status.train_seconds,
        "seconds/evaluate": status.evaluate_seconds,
    }
    scores = (status.wer or {}) | {key: float(value) for key, value in costs.items() if value is not None}
    log_scores(uri, status.run_id, scores, status.model_id)
    end_run(uri, status.run_id, "FINISHED")


@component
def evaluate_trial(
    plan: dict,
    tracking_uri: str,
    threads: int,
    corpus: Input[Dataset],
    trained: Input[Model],
    scored: Output[Dataset],
) -> None:
    """The step of the pipeline."""
    from pathlib import Path

    from components.evaluate_trial import evaluate

    evaluate(
        plan,
        Path(corpus.path),
        Path(trained.path),
        Path(scored.path),
        tracking_uri=tracking_uri,
        threads=threads,
    )


if __name__ == "__main__":
    run_worker(_work)
