"""A recipe from a file: `CommandRecipe` fulfils `recipes.base.Recipe`, `read_recipe` reads and checks the file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablation.plan.composite import check as check_composites
from common.errors import UserError
from common.external import External
from recipes.base import Curve, PlanFacts, TrainingJob, TrainingResult, Transcript, TranscriptionJob
from recipes.command import external_data, identity, rules
from recipes.command.catalogue import CommandCatalogue
from recipes.command.document import FILL_IN, Document, read_document
from recipes.command.effects import effects
from recipes.command.jobs import used
from recipes.command.messages import said
from recipes.command.spec import PREPARED, STAGES, Spec, Stage


class CommandRecipe:
    """A model that is trained and transcribed by commands. `folder` is that of the recipe file, in which the commands run."""

    distributed = False
    preload: Sequence[str] = ()

    def __init__(self, spec: Spec, document: Document) -> None:
        self.spec, self.document, self.folder = spec, document, document.path.resolve().parent
        self.name = spec.recipe
        self.catalogue = CommandCatalogue(spec)
        self.presets = self.catalogue.presets
        self.needs_video = spec.needs_video
        self.curves: Sequence[Curve] = (Curve("loss", "loss", chart=True),) if spec.curves else ()

    def identity(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `train`, the arm's changes to it, and the content of `sources`, of the config and of `packages`."""
        return {"recipe": self.name, **self._stage("train", settings), **self._content}

    def transcription_identity(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `transcribe`, the arm's changes to it, and the content of `transcribe_sources`."""
        sources = identity.content(self.spec.transcribe_sources, self.folder)
        hypotheses = self.spec.hypotheses.identity()
        return {**self._stage("transcribe", settings), "hypotheses": hypotheses, "sources": sources}

    def _stage(self, stage: Stage, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**identity.text_of(self.spec, stage), "changes": effects(self.spec, settings, stage).as_json()}

    @cached_property
    def _content(self) -> dict[str, Any]:
        given = [*self.spec.sources, *([self.spec.config.base] if self.spec.config else [])]
        return {"sources": identity.content(given, self.folder), "packages": identity.versions(self.spec, self.folder)}

    def check(self, arms: Mapping[str, Mapping[str, Any]]) -> PlanFacts:
        """Find arms whose commands are the same. Raises UserError for values that are not filled in."""
        self.check_filled_in()
        groups: dict[str, list[str]] = {}
        for arm, settings in arms.items():
            changes = [effects(self.spec, settings, stage).as_json() for stage in STAGES]
            groups.setdefault(json.dumps(changes, sort_keys=True), []).append(arm)
        return PlanFacts(same=[tuple(names) for names in groups.values() if len(names) > 1])

    def check_filled_in(self) -> None:
        """Raise UserError if the file still has values to fill in."""
        if found := self.document.to_fill_in():
            lines = ", ".join(str(line) for line, _ in found[:10])
            raise UserError(
                f"{self.document.path} has {len(found)} values {FILL_IN}, on {'line' if len(found) == 1 else 'lines'} {lines}; "
                "replace them"
            )

    def check_corpus(self, corpus: External | None, kinds: Sequence[str]) -> None:
        """Raise UserError if the commands cannot use a corpus (None: a prepared one), or make the noises of an external one."""
        external_data.check(self.spec, corpus, kinds)

    def mixed_noise(self, kinds: Sequence[str]) -> Sequence[str]:
        """Return the kinds of noise that the export for `transcribe` has; none if the command makes the noise itself."""
        exported = "corpus" in used(self.spec, "transcribe") and self.spec.corpus_format != PREPARED
        return list(kinds) if exported else []

    def train(self, job: TrainingJob) -> TrainingResult:
        """Run `train`. All files that it leaves in {out} are the checkpoint. Raises TrainingFailed and UserError."""
        from recipes.command.training import train

        self.check_filled_in()
        return train(self.spec, self.folder, job)

    def transcribe(self, job: TranscriptionJob) -> Iterator[Transcript]:
        """Run `transcribe` for each condition, or once if it has no {condition}. Raises CommandFailed."""
        from recipes.command.transcription import transcribe

        self.check_filled_in()
        yield from transcribe(self.spec, self.folder, job)


def read_recipe(path: Path) -> CommandRecipe:
    """Read and check a recipe file. Raises UserError in one sentence, with the line."""
    document = read_document(path)
    try:
        spec = Spec.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(_at(document, first["loc"], said(error))) from error
    try:
        rules.check(spec, path.resolve().parent)
        recipe = CommandRecipe(spec, document)
        for preset in recipe.presets:
            recipe.catalogue.resolve(preset)
        recipe.catalogue.resolve(recipe.presets[0], spec.short)
    except rules.Problem as error:
        raise UserError(_at(document, error.place, f"{'.'.join(map(str, error.place))}: {error.sentence}")) from error
    except UserError as error:
        raise UserError(f"{path}: presets: {error}") from error
    try:
        check_composites(recipe.catalogue, recipe.presets[0])
    except UserError as error:
        raise UserError(f"{path}: composites: {error}") from error
    return recipe


def _at(document: Document, place: Sequence[str | int], text: str) -> str:
    line = document.line(place)
    return f"{document.path}, line {line}: {text}" if line else f"{document.path}: {text}"
