"""A recipe without torch for tests: it learns nothing, and writes down what it was given.

`RECIPE` transcribes with the settings' `words`: how many words of a reference it hears. `fault` in the settings makes it break its
part of the contract in one way.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common.errors import TrainingFailed, UserError
from corpora.store import Corpus
from recipes.base import Curve, PlanFacts, TrainingJob, TrainingResult, Transcript, TranscriptionJob

DEFAULTS: dict[str, Any] = {"training": {"steps": 3}, "words": 2, "fault": ""}
SETTINGS = ("training.steps", "words", "fault")


class Toy:
    """The recipe `toy`."""

    name = "toy"
    presets = ("default", "other")
    curves = (Curve("loss", "loss", chart=True), Curve("gate", "learned gate", learned=True))
    needs_video = False
    distributed = False
    preload = ()
    training_noise = ("street",)
    parts: Mapping[str, Any] = {}
    settings = SETTINGS

    @property
    def catalogue(self) -> Any:
        return self

    def resolve(self, preset: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        if preset not in self.presets:
            raise UserError(f"unknown preset {preset!r}")
        found = json.loads(json.dumps(DEFAULTS)) | {"parts": {}}
        for key, value in (item for layer in layers for item in layer.items()):
            if key not in SETTINGS:
                raise UserError(f"unknown setting {key!r}")
            group, _, name = key.rpartition(".")
            (found[group] if group else found)[name] = value
        return found

    def identity(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"version": Path() if settings["fault"] == "identity" else 1}

    def check(self, arms: Mapping[str, Mapping[str, Any]]) -> PlanFacts:
        if any(settings["fault"] == "check" for settings in arms.values()):
            raise KeyError("check")
        return PlanFacts({arm: 100 + settings["words"] for arm, settings in arms.items()}, warnings=["a toy"])

    def train(self, job: TrainingJob) -> TrainingResult:
        fault = job.settings["fault"]
        if fault == "train":
            raise ZeroDivisionError("a bug of the recipe")
        if fault == "final":
            raise TrainingFailed("the toy cannot learn this")
        for step in range(job.settings["training"]["steps"]):
            job.log(step, {"loss": 1 / (step + 1), "gate": 0.5, "rate (%)": 3})
        if fault != "no checkpoint":
            (job.out / "lang").mkdir()
            (job.out / "lang" / "words.json").write_text(json.dumps({"words": job.settings["words"]}))
            given = {
                "arm": job.arm,
                "seed": job.seed,
                "noise": dict(job.noise),
                "gpus": job.gpus,
                "threads": job.threads,
            }
            (job.out / "given.json").write_text(json.dumps(given))
        return "done" if fault == "result" else TrainingResult(3, 0.5, 100)  # type: ignore[return-value]

    def transcribe(self, job: TranscriptionJob) -> Iterator[Transcript]:
        words, fault = json.loads((job.checkpoint / "lang" / "words.json").read_text())["words"], job.settings["fault"]
        (job.scratch / "hypotheses.txt").write_text("")
        conditions = ["clean", *(f"{kind}_{snr:g}db" for kind, snrs in job.conditions.items() for snr in snrs)]
        utterances = Corpus.open(job.corpus).utterances("test")
        for condition in conditions:
            for number, utterance in enumerate(utterances):
                if fault == "missing" and condition != "clean" and number == 1:
                    continue
                name = "nobody" if fault == "unknown" and number == 0 else utterance.id
                at = "rain" if fault == "condition" else condition
                text = None if fault == "type" else " ".join(utterance.text.split()[:words])
                yield from [Transcript(name, at, text)] * (2 if fault == "twice" and number == 2 else 1)  # type: ignore[arg-type]
        if fault == "transcribe":
            raise OSError("the decoder is gone")


RECIPE = Toy()
INCOMPLETE = object()
