"""Run the command `transcribe` for a checkpoint: once per condition, or once for all."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from common.conditions import CLEAN, conditions
from corpora.store import Corpus
from recipes.base import Transcript, TranscriptionJob
from recipes.command import corpus, external_data, hypotheses
from recipes.command.jobs import Job, job, run_job, used
from recipes.command.spec import Spec


def transcribe(spec: Spec, folder: Path, asked: TranscriptionJob) -> Iterator[Transcript]:
    """Yield the hypotheses of the test split under every condition. Raises CommandFailed and UserError."""
    names = [condition.name for condition in conditions(asked.conditions)]
    data = _data(spec, asked)
    together = asked.scratch.resolve() / "hypotheses"
    together.mkdir(parents=True, exist_ok=True)
    each_alone = "condition" in used(spec, "transcribe")
    if not each_alone:
        _run(spec, folder, transcription_job(spec, asked, data, names, None, together))
    found: dict[str, dict[str, str]] = {}
    for name in names:
        path = together / name if each_alone else hypotheses.file_of(name, together, names)
        if each_alone:
            _run(spec, folder, transcription_job(spec, asked, data, names, name, path))
        transcripts = _read(spec, folder, asked, name, path)
        found[name] = {each.utterance_id: each.hypothesis for each in transcripts}
        yield from transcripts
    _note_equal(found)


def _read(spec: Spec, folder: Path, asked: TranscriptionJob, condition: str, path: Path) -> list[Transcript]:
    """Return the hypotheses of a condition, with their references if the corpus is external."""
    if asked.external is None:
        ids = [utterance.id for utterance in Corpus.open(asked.corpus).utterances("test")]
        found = hypotheses.read(path, condition, spec.hypotheses, ids)
        return [Transcript(name, condition, each.hypothesis or "") for name, each in found.items()]
    known = external_data.references(spec.hypotheses, condition, asked.external, folder)
    found = hypotheses.read(path, condition, spec.hypotheses, None if known is None else list(known))
    return external_data.transcripts(spec.hypotheses, found, condition, known)


def transcription_job(
    spec: Spec, asked: TranscriptionJob, data: Path | None, names: Sequence[str], condition: str | None, to: Path
) -> Job:
    """Return the command for a condition, or for all (None), filled in. Its hypotheses go to the file or folder `to`."""
    values = {"checkpoint": str(asked.checkpoint.resolve()), "hypotheses": str(to), "conditions": ",".join(names)}
    values |= external_data.placeholders_of(asked.external)
    if condition is not None:
        values["condition"] = condition
    return job(spec, asked.settings, "transcribe", values, asked.scratch.resolve(), data, asked.threads, asked.gpus)


def _data(spec: Spec, asked: TranscriptionJob) -> Path | None:
    if "corpus" not in used(spec, "transcribe"):
        return None
    return corpus.for_transcription(asked.corpus, asked.conditions, asked.noise, spec)


def _run(spec: Spec, folder: Path, command: Job) -> None:
    command.write_config(spec, folder)
    run_job(spec, folder, "transcribe", command)


def _note_equal(found: Mapping[str, Mapping[str, str]]) -> None:
    """Print a line for noisy conditions whose hypotheses equal the clean ones: the command may ignore the condition."""
    same = [name for name, texts in found.items() if name != CLEAN and texts == found[CLEAN]]
    if same and any(found[CLEAN].values()):
        print(
            f"note: the hypotheses of {', '.join(same)} are those of {CLEAN}; does `transcribe` use the condition?",
            flush=True,
        )
