"""The contract of a recipe: anything that can be trained from settings and that turns a test set into hypotheses.

A recipe needs no base class: an object with these attributes and methods is one. Reading a plan needs the catalogue only, so a
recipe imports what it trains with inside `check`, `train` and `transcribe`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ablation.plan.catalogue import Catalogue
from common.errors import TrainingFailed as TrainingFailed
from common.external import External

Log = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Curve:
    """A value that training logs. `name` is the metric's key; a family `name_0`, `name_1`, ... has `family` set.

    `learned` marks a learned weight of the model: the report draws it apart from losses and error rates. `chart` says that MLflow's
    page of a study shows it. A metric that starts with `wer/` is a fraction, which the report draws in percent.
    """

    name: str
    label: str
    learned: bool = False
    family: bool = False
    chart: bool = False


@dataclass(frozen=True)
class PlanFacts:
    """Facts about the arms of a plan, found before training. Everything may be empty.

    `parameters` maps an arm to the number of its parameters, `masked` an arm to input -> `fraction` and mean `run` of masked
    frames. `same` holds groups of arms that compute the same function, `warnings` one sentence each, and `lines` what `ablate plan`
    prints.
    """

    parameters: Mapping[str, int] = field(default_factory=dict)
    masked: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    same: Sequence[tuple[str, ...]] = ()
    warnings: Sequence[str] = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class TrainingJob:
    """One trial to train.

    `settings` are those that the catalogue resolved for the arm. `corpus` is the folder of the prepared corpus. All files in `out`,
    which is empty at the start, are the checkpoint at the end. `states` keeps what an unfinished training run needs to continue: a
    later call for the same trial gets the same folder, which may not exist yet. `noise` maps a kind of noise to recordings, of the
    kinds in `training_noise`. `log(step, metrics)` receives the curves while it trains; a call that continues an earlier one logs
    all points again. On SIGTERM the process raises SystemExit: a recipe that saves its state does it there. `external` names data
    that the recipe finds itself (`check_corpus` in `recipes.optional`); `corpus` then has no data.
    """

    arm: str
    settings: Mapping[str, Any]
    seed: int
    corpus: Path
    out: Path
    states: Path
    log: Log
    noise: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    gpus: int = 0
    save_every_s: float = 60.0
    external: External | None = None


@dataclass(frozen=True)
class TrainingResult:
    """The end of a training run. `seconds` is the wall time of training; `parameters` is None if it is unknown."""

    steps: int
    seconds: float
    parameters: int | None = None


@dataclass(frozen=True)
class TranscriptionJob:
    """A checkpoint to score. `conditions` maps a kind of noise to SNRs in dB; clean is always transcribed in addition.

    `checkpoint` is a folder with the files that training left in `out`; `scratch` is an empty folder for temporary files.
    `external` is as in `TrainingJob`: the recipe then makes the noise of `conditions` itself.
    """

    settings: Mapping[str, Any]
    checkpoint: Path
    corpus: Path
    conditions: Mapping[str, Sequence[float]]
    scratch: Path
    noise: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    gpus: int = 0
    external: External | None = None


@dataclass(frozen=True)
class Transcript:
    """One hypothesis. `condition` is `clean` or a name such as `babble_0db`.

    The service has references and speakers itself. Of an external corpus it has none, so that `reference` is needed there.
    """

    utterance_id: str
    condition: str
    hypothesis: str
    reference: str | None = None
    speaker: str = ""


class Recipe(Protocol):
    """A model with its training. Attributes may be class attributes.

    `recipes.optional` lists what a recipe may have in addition.
    """

    @property
    def name(self) -> str:
        """The name in fingerprints, MLflow and reports, e.g. `gru-ctc`."""
        ...

    @property
    def catalogue(self) -> Catalogue:
        """The parts, kinds and settings. It validates every override before anything runs."""
        ...

    @property
    def presets(self) -> Sequence[str]:
        """The presets of the catalogue; the first is the one of a plan that names none."""
        ...

    @property
    def curves(self) -> Sequence[Curve]:
        """The values that training logs and the report draws."""
        ...

    @property
    def needs_video(self) -> bool:
        """Refuse corpora without video before anything is prepared."""
        ...

    @property
    def distributed(self) -> bool:
        """True: torchrun starts one process per GPU. False: one process gets all GPUs of the trial."""
        ...

    @property
    def preload(self) -> Sequence[str]:
        """Modules for a process to import before it forks others that call `train` and `transcribe`. They must start no threads."""
        ...

    def identity(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what else decides a checkpoint, as JSON types: code, start weights, versions. It is part of the fingerprint.

        Settings, seed, corpus and noise are part of it already. Raises UserError.
        """
        ...

    def check(self, arms: Mapping[str, Mapping[str, Any]]) -> PlanFacts:
        """Measure the arms of a plan before training. `arms` maps names to resolved settings, the baseline first.

        Raises UserError for arms that cannot be trained.
        """
        ...

    def train(self, job: TrainingJob) -> TrainingResult:
        """Train one trial. Raises TrainingFailed and UserError for foreseen failures."""
        ...

    def transcribe(self, job: TranscriptionJob) -> Iterator[Transcript]:
        """Transcribe the test split under every condition, each utterance once per condition."""
        ...
