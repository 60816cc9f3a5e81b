"""SMILE as a recipe: its catalogue of parts, its curves, and the functions that check, train and transcribe it.

Only the functions that need torch import it, so that plans can be checked without it.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.plan.catalogue import Catalogue
from common.source_code import code_of, computed_by
from model.config import CATALOGUE as CATALOGUE
from model.presets import PRESETS as PRESETS
from recipes.base import Curve, PlanFacts, TrainingJob, TrainingResult, Transcript, TranscriptionJob
from training.resume import newest_step

if TYPE_CHECKING:
    from recipes.optional import Texts

TRAINING = ("training.loop",)  # the modules in which training and transcription begin
TRANSCRIPTION = ("training.evaluate",)
CURVES = (
    Curve("loss", "loss", chart=True),
    Curve("wer/valid", "WER on the validation split (%)", chart=True),
    Curve("loss/ctc", "CTC loss"),
    Curve("loss/attention", "attention loss"),
    Curve("loss/masked", "masked-prediction loss"),
    Curve("learning_rate", "learning rate"),
    Curve("fusion/scale", "learned scale S of the video", learned=True, chart=True),
    Curve("fusion/omega", "learned weights of the layers", learned=True, family=True),
    Curve("mask/audio_fraction", "masked fraction of audio"),
    Curve("mask/audio_run", "mean masked run of audio (frames)"),
    Curve("mask/video_fraction", "masked fraction of video"),
    Curve("mask/video_run", "mean masked run of video (frames)"),
)


class Smile:
    """The recipe `smile`."""

    name = "smile"
    catalogue: Catalogue = CATALOGUE
    presets: Sequence[str] = tuple(PRESETS)
    curves: Sequence[Curve] = CURVES
    needs_video = True
    distributed = True
    # The first step of any optimiser imports torch._dynamo, 800 modules that take three seconds.
    preload: Sequence[str] = ("torch._dynamo", "training.loop", "training.evaluate")
    preload_check: Sequence[str] = ("training.hygiene",)
    training_noise: Sequence[str] = ("babble",)
    packages: Sequence[str] = (
        *("av", "filelock", "mlflow", "numpy", "pandas", "pyarrow", "pydantic"),
        *("safetensors", "sentencepiece", "torch", "torchaudio"),
    )

    def identity(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the start weights by content, the code that trains, and the version of torch."""
        from common.content import content

        start = settings["init_from"]["checkpoint"]
        return {"start": content(start) if start else None, "code": code_of(TRAINING), "torch": version("torch")}

    def transcription_identity(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Return the code that transcribes, and the version of torch."""
        return {"code": computed_by(TRANSCRIPTION), "torch": version("torch")}

    def check(self, arms: Mapping[str, Mapping[str, Any]]) -> PlanFacts:
        """Compare small versions of the arms, and measure their sizes and masks. `arms` has the baseline first."""
        from training.hygiene import examine

        found = examine(arms)
        return PlanFacts(
            {arm: facts.parameters for arm, facts in found.facts.items()},
            {arm: facts.masked for arm, facts in found.facts.items()},
            found.same,
            found.warnings,
            found.lines(),
        )

    def train(self, job: TrainingJob) -> TrainingResult:
        """Train one trial. Raises TrainingFailed and UserError."""
        from training.loop import train_trial

        result = train_trial(
            job.settings,
            job.seed,
            job.corpus,
            job.out,
            threads=job.threads,
            noise=job.noise,
            log=job.log,
            resume_folder=job.states,
            save_every_s=job.save_every_s,
        )
        return TrainingResult(result.steps, result.seconds, result.parameters)

    def transcribe(self, job: TranscriptionJob) -> Iterator[Transcript]:
        """Transcribe the test split under every condition."""
        from training.evaluate import transcribe

        table = transcribe(job.checkpoint, job.corpus, job.conditions, threads=job.threads, noise=job.noise)
        columns = (table[name] for name in ("utterance_id", "condition", "hypothesis"))
        yield from (Transcript(*row) for row in zip(*columns, strict=True))

    def progress(self, states: Path) -> int | None:
        """Return the number of finished steps in the newest state of a folder."""
        return newest_step(states)

    def transcriber(self, folder: Path) -> "Texts":
        """Load a checkpoint as a function from clips to texts. Raises UserError."""
        from training.transcriber import Transcriber

        return Transcriber.load(folder)

    def frame_bytes(self, settings: Mapping[str, Any]) -> int:
        """Return the bytes that a training step needs at least for each frame of its batch."""
        from training.step_memory import frame_bytes

        return frame_bytes(settings)

    def device_bytes(self) -> int | None:
        """Return the memory of all GPUs of this machine; None without a GPU."""
        from training.step_memory import device_bytes

        return device_bytes()


SMILE = Smile()
