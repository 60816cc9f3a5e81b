"""Train the trials of one turn of the loop, one after the other. A failure of a trial is a result, too."""

import shutil
from pathlib import Path

from kfp.dsl import Artifact, Dataset, Input, Output

from components.shared.chunks import positions
from components.shared.image import component
from components.shared.train_one import train
from components.shared.trial import CHECKPOINT_FOLDER, Status, Todo, Trial
from components.workers.isolation import Start, fresh


def train_chunk(
    chunk: str,
    todo: Todo,
    corpus: Path,
    out: Path,
    *,
    tracking_uri: str,
    threads: int,
    gpus: int = 0,
    state_root: Path | None = None,
    start: Start = fresh,
) -> list[Status]:
    """Train the trials at the positions that `chunk` names. `out` gets one folder per trial, named `ARM-SEED`.

    The checkpoint stays in a folder only if MLflow did not take them: the next step fetches them from there.
    """
    ended = []
    for position in positions(chunk):
        item = Trial.from_json(todo.trials[position])
        folder = out / item.folder
        status = train(
            todo.trials[position],
            todo.plan,
            corpus,
            folder,
            tracking_uri=tracking_uri,
            threads=threads,
            gpus=gpus,
            state_root=state_root,
            start=start,
        )
        if status.model_id is not None:
            shutil.rmtree(folder / CHECKPOINT_FOLDER, ignore_errors=True)
        ended.append(status)
    return ended


@component
def train_trials(
    chunk: str,
    tracking_uri: str,
    threads: int,
    gpus: str,
    todo: Input[Artifact],
    corpora_root: str,
    state_root: str,
    reference: Input[Artifact],
    corpus: Input[Dataset],
    trained: Output[Artifact],
) -> None:
    """Train the trials of one turn, or take the checkpoints of earlier trials with the same fingerprints.

    MLflow: sets the run of a trial to RUNNING, logs its curves and its checkpoint (a LoggedModel), and holds a lease on the
    fingerprint, as tags of the run, while the trial trains. The run ends here only if the trial fails (FAILED) or the step
    is stopped (KILLED). A trial that fails does not fail the step.

    Args:
        chunk: Positions of the trials in `todo`, one item of the output of find_finished, e.g. `4-6`.
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        threads: CPU threads of a training process.
        gpus: Number of GPUs, a whole number as text; each gets a process, started by torchrun. 0 trains on CPU cores.
        todo: Input. The plan and the trials that are left, as find_finished wrote them.
        corpora_root: Folder of prepared corpora on a volume. Empty fetches the corpus into the step.
        state_root: Folder on a volume for the states of interrupted training runs. Empty keeps them in the step.
        reference: Input. The reference to the prepared corpus.
        corpus: Input. The prepared corpus itself, if it has no other place.
        trained: Output. A folder per trial with the curves (history.jsonl) and the status (status.json), which is `trained` or
            `failed`. The checkpoint is in MLflow.

    Returns:
        Nothing. The outcomes of the trials are in `trained`, and in MLflow.
    """
    from pathlib import Path

    from components.shared.chunks import clear
    from components.shared.corpus_reference import CorpusReference
    from components.shared.inputs import gpu_count, store_of
    from components.shared.problem import reporting
    from components.shared.trial import Todo
    from components.shared.volumes import check_writable
    from components.train_trials import train_chunk
    from components.workers.isolation import chosen_start

    with reporting("train-trials"):
        if state_root:
            check_writable(Path(state_root), "state_root")
        clear(Path(trained.path))
        train_chunk(
            chunk,
            Todo.read(todo.path),
            CorpusReference.read(Path(reference.path)).data(Path(corpus.path), corpora_root),
            Path(trained.path),
            tracking_uri=store_of(tracking_uri),
            threads=threads,
            gpus=gpu_count(gpus),
            state_root=Path(state_root) if state_root else None,
            start=chosen_start(),
        )
