"""Descriptions on MLflow's pages: the tag `mlflow.note.content` of an experiment and of its runs.

MLflow shows the first line of an experiment's description in the list of experiments and above the runs, the rest after a click. So
the first line is a sentence without markup. The description belongs to the newest study of the experiment; one that a person
wrote is never changed.
"""

import contextlib
from collections.abc import Mapping, Sequence

from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE as NOTE

from tracking.store import client
from tracking.view import CHARTS, TABLE, view_link

EXPERIMENT_LENGTH, RUN_LENGTH = 5000, 8000  # the longest tags: of an experiment in MLflow before 3.17, and of a run
OPEN, ENDED = "Open:", "Without verdicts:"
OURS = "*`ablate` writes this description. A text of your own in its place stays.*"
CUT = "*There is more in the report, under Artifacts of the study's run.*"
SCORES = "| metric | value |\n| --- | --- |"


def opening(study: str, question: str, arms: int, trials: int) -> str:
    """Return the part of an experiment's description that says that the study is open."""
    many = f"{trials} trial{'s' * (trials != 1)} of {arms} arm{'s' * (arms != 1)}"
    return f"{OPEN} the study {study} has {many} and no verdicts yet." + (f"\n\n{question}" if question else "")


def described(said: str, experiment_id: str, study_run_id: str) -> str:
    """Return a whole description of an experiment: what is said of the newest study, the links, and how to read the runs."""
    end = f"{_reading(experiment_id, study_run_id)}\n\n{OURS}\n"
    return f"{shortened(said, EXPERIMENT_LENGTH - len(end) - 2)}\n\n{end}"


def _reading(experiment_id: str, study_run_id: str) -> str:
    table, charts = (view_link(experiment_id, study_run_id, mode) for mode in (TABLE, CHARTS))
    run, models = (f"#/experiments/{experiment_id}/{page}" for page in (f"runs/{study_run_id}", "models"))
    training = "workflowType=machine_learning"
    return "\n".join(
        (
            "**How to read the runs**\n",
            f"- [Table of arms, seeds and error rates]({table}), and [charts]({charts}). Those of other studies are under Views.",
            f"- [The run of the study]({run}?{training}): verdicts in its description, `report.html` under Artifacts. Its metrics "
            "`arm/ARM/CONDITION/difference`, `p` and `detectable` are differences from the baseline as fractions (0.01 is one "
            "point), adjusted p values, and the differences that the study could have seen.",
            f"- [Checkpoints with their error rates]({models}?{training}), one per trial.",
            "- A run `ARM seed N` is one trial. Its error rates are fractions: `wer/clean`, and `wer/noisy` over all noise.",
        )
    )


def shortened(text: str, length: int) -> str:
    """Return the first whole lines of a text, with a sentence about the rest if something is left out."""
    if len(text) <= length:
        return text
    kept: list[str] = []
    left = length - len(CUT) - 2
    for line in text.split("\n"):
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    start = "\n".join(kept).rstrip() or text[: length - len(CUT) - 2]
    return f"{start}\n\n{CUT}"


def is_ours(tags: Mapping[str, str]) -> bool:
    """Return False for the description of an experiment that a person wrote."""
    return not tags.get(NOTE) or OURS in tags[NOTE]


def conclude(uri: str, experiment_id: str, study_run_id: str, said: str, *, only_open: bool = False) -> None:
    """Describe an experiment by a study that has ended, unless a later study or a person describes it now.

    `only_open` leaves a description that has verdicts. `said` starts with a sentence without markup.
    """
    now = client(uri).get_experiment(experiment_id).tags
    text = now.get(NOTE, "")
    if not is_ours(now) or (text and study_run_id not in text) or (only_open and not text.startswith(OPEN)):
        return
    client(uri).set_experiment_tag(experiment_id, NOTE, described(said, experiment_id, study_run_id))


def conclude_without_verdicts(uri: str, experiment_id: str, study_run_id: str, study: str, reason: str | None) -> None:
    """Say in the experiment's description that a study has ended without verdicts. An error of the store changes nothing."""
    why = f": {reason}" if reason else "."
    with contextlib.suppress(MlflowException):
        conclude(uri, experiment_id, study_run_id, f"{ENDED} the study {study} has ended{why}", only_open=True)


def trial_note(study: str, arm: str, seed: int, change: str) -> str:
    """Return the description of a trial's run before it has results; `change` says what the arm changes in the baseline."""
    return f"Trial of the study {study}: {arm} ({change}), seed {seed}."


def scored_note(note: str, scores: Mapping[str, float], names: Sequence[str]) -> str:
    """Return the description of a trial with a table of its results; the same for a note that has one already."""
    rows = [f"| {name} | {scores[name]:.4f} |" for name in names]
    start = note.partition(SCORES)[0].rstrip()
    return shortened("\n\n".join(filter(None, [start, "\n".join([SCORES, *rows]) if rows else ""])), RUN_LENGTH)
