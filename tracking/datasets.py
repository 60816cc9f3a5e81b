"""The corpus of a study as MLflow's datasets: one for training, with the validation split, and one for the tests."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from common.external import is_external
from tracking.several import each
from tracking.store import client

TRAINING, TESTING = "training", "testing"
SPLITS = {TRAINING: ("train", "valid"), TESTING: ("test",)}
NAME_LENGTH = 500  # MLflow's limit
DIGEST_LENGTH = 12  # MLflow allows 36, which its pages have no room for
SOURCE_TYPE = "ablate"
COLUMNS = {"id": "string", "speaker": "string", "audio": "binary", "video": "binary", "text": "string"}


def corpus_inputs(summary: Mapping[str, Any]) -> list[DatasetInput]:
    """Return the datasets of a corpus from its summary: `uri`, `fingerprint`, and numbers per split."""
    return [_input(summary, context, splits) for context, splits in SPLITS.items()]


def _input(summary: Mapping[str, Any], context: str, splits: Sequence[str]) -> DatasetInput:
    uri = str(summary["uri"])
    counted = any(key in summary for key in (*splits, "video"))
    unseen = is_external(uri) and not counted  # neither rows nor columns are known
    profile: dict[str, Any] = {} if unseen else {"num_rows": sum(int(summary.get(split, 0)) for split in splits)}
    for name, values in (("utterances", summary), ("speakers", summary.get("speakers", {}))):
        profile |= {f"{split} {name}": values[split] for split in splits if split in values}
    dataset = Dataset(
        name=f"{corpus_name(uri)[: NAME_LENGTH - 10]} {context}",
        digest=str(summary["fingerprint"])[:DIGEST_LENGTH],
        source_type=SOURCE_TYPE,
        source=json.dumps({"uri": uri}),
        schema=None if unseen else json.dumps({"mlflow_colspec": _columns(with_video=summary.get("video", True))}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])


def _columns(*, with_video: bool) -> list[dict[str, Any]]:
    names = [name for name in COLUMNS if with_video or name != "video"]
    return [{"name": name, "type": COLUMNS[name], "required": True} for name in names]


def corpus_name(uri: str) -> str:
    """Return a short name for the corpus of a URI: `talking-mouth` for synthetic://talking-mouth?train=64."""
    path = uri.partition("?")[0].rstrip("/")
    return path.rpartition("/")[2] or path or uri


def log_corpus(uri: str, run_ids: Sequence[str], summary: Mapping[str, Any]) -> None:
    """Log the corpus as the input of runs, with one request per run. A repeated call changes nothing.

    If the store refuses the first run, the others are not tried.
    """
    inputs = corpus_inputs(summary)
    for first in run_ids[:1]:
        client(uri).log_inputs(first, inputs)
    each(uri, lambda run_id: client(uri).log_inputs(run_id, inputs), run_ids[1:])


def tested_on(run: Run) -> tuple[str | None, str | None]:
    """Return name and digest of the dataset that a run was tested on; None for a run without one."""
    for used in run.inputs.dataset_inputs if run.inputs else ():
        if any(tag.key == MLFLOW_DATASET_CONTEXT and tag.value == TESTING for tag in used.tags):
            return used.dataset.name, used.dataset.digest
    return None, None
