"""Transcribe the test split with the checkpoints of one turn of the loop under every condition, and count the word errors."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from kfp.dsl import Artifact, Dataset, Input, Output

from common.checksums import Damaged
from common.errors import Unavailable
from components.shared.chunks import positions
from components.shared.evaluate_one import evaluate
from components.shared.image import component
from components.shared.trial import CHECKPOINT_FOLDER, HISTORY_FILE, STATUS_FILE, Status, Todo, Trial
from components.workers.isolation import Start, fresh


def evaluate_chunk(
    chunk: str,
    todo: Todo,
    corpus: Path,
    trained: Path,
    out: Path,
    *,
    tracking_uri: str,
    threads: int,
    gpus: int = 0,
    start: Start = fresh,
) -> list[Status]:
    """Score the trials at the positions that `chunk` names. `out` gets one folder per trial, named `ARM-SEED`.

    Raises Unavailable at the end if MLflow did not take the result of a trial: the comparison would not find it.
    """
    ended = []
    for position in positions(chunk):
        item = Trial.from_json(todo.trials[position])
        with _with_checkpoint(trained / item.folder, tracking_uri) as (folder, problem):
            ended.append(
                _failed(folder, out / item.folder, problem, tracking_uri)
                if problem
                else evaluate(
                    todo.plan,
                    corpus,
                    folder,
                    out / item.folder,
                    tracking_uri=tracking_uri,
                    threads=threads,
                    gpus=gpus,
                    start=start,
                )
            )
        _forget_copy(ended[-1])
    if lost := [status for status in ended if status.untracked]:
        raise Unavailable(
            f"MLflow did not take the results of {', '.join(status.label for status in lost)} ({lost[0].untracked}); "
            "checkpoints that it has not taken are kept with the states of training: run the same command again when it answers"
        )
    return ended


@contextlib.contextmanager
def _with_checkpoint(trained: Path, uri: str) -> Iterator[tuple[Path, str | None]]:
    """Yield a folder with the files of a trained trial and its checkpoint, and the reason if MLflow cannot give it."""
    status = Status.read(trained)
    if status.failed or status.model_id is None:  # without an id, MLflow did not take the checkpoint, and it is here
        yield trained, None
        return
    from components.shared.history import attempt_patiently
    from tracking.checkpoints import fetch_checkpoint

    with TemporaryDirectory(prefix="ablate-checkpoint-") as name:
        folder = Path(name)
        for file in (trained / STATUS_FILE, trained / HISTORY_FILE):
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
        damage: list[str] = []

        def fetch() -> None:
            try:
                fetch_checkpoint(uri, str(status.model_id), folder / CHECKPOINT_FOLDER)
            except Damaged as error:  # to wait does not help
                damage.append(str(error))

        error = attempt_patiently(fetch)
        yield folder, damage[0] if damage else error


def _forget_copy(status: Status) -> None:
    """Remove this run's copy of a checkpoint that has been scored: it is large, and MLflow has it."""
    from tracking.local_copies import drop

    if status.model_id:
        drop(status.model_id)


def _failed(trained: Path, out: Path, problem: str, uri: str) -> Status:
    """Record a trial as failed whose checkpoint cannot be fetched."""
    from components.shared.outcome import record_failure

    status = Status.read(trained).fail(f"its checkpoint cannot be fetched from MLflow ({problem}); run the study again")
    return record_failure(status, out, uri).write(out)


@component
def evaluate_trials(
    chunk: str,
    tracking_uri: str,
    threads: int,
    gpus: str,
    todo: Input[Artifact],
    corpora_root: str,
    reference: Input[Artifact],
    corpus: Input[Dataset],
    trained: Input[Artifact],
    scored: Output[Dataset],
) -> None:
    """Transcribe the test split with the checkpoints of one turn under every condition of the plan, and count the word errors.

    MLflow: reads the checkpoints, logs the WERs on the run of a trial and on its checkpoint, stores the counts with the run, and
    ends the run as FINISHED, FAILED or KILLED. A trial that fails does not fail the step.

    Args:
        chunk: Positions of the trials in `todo`, one item of the output of find_finished, e.g. `4-6`.
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        threads: CPU threads of the scoring process.
        gpus: Number of GPUs, a whole number as text, which the recipe is told.
        todo: Input. The plan and the trials that are left, as find_finished wrote them.
        corpora_root: Folder of prepared corpora on a volume. Empty fetches the corpus into the step.
        reference: Input. The reference to the prepared corpus.
        corpus: Input. The prepared corpus itself, if it has no other place.
        trained: Input. The folder that train_trials wrote.
        scored: Output. A folder per trial with the counts of word errors (counts.parquet), the curves (history.jsonl) and the
            status (status.json), which is `finished` or `failed`. No other step reads it; MLflow has the same.

    Returns:
        Nothing. The outcomes of the trials are in MLflow, and in `scored`.
    """
    from pathlib import Path

    from components.evaluate_trials import evaluate_chunk
    from components.shared.chunks import clear
    from components.shared.corpus_reference import CorpusReference
    from components.shared.inputs import gpu_count, store_of
    from components.shared.problem import reporting
    from components.shared.trial import Todo
    from components.workers.isolation import chosen_start

    with reporting("evaluate-trials"):
        clear(Path(scored.path))
        evaluate_chunk(
            chunk,
            Todo.read(todo.path),
            CorpusReference.read(Path(reference.path)).data(Path(corpus.path), corpora_root),
            Path(trained.path),
            Path(scored.path),
            tracking_uri=store_of(tracking_uri),
            threads=threads,
            gpus=gpu_count(gpus),
            start=chosen_start(),
        )
