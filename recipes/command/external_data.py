"""An external corpus with a recipe file: its checks before anything runs, and the references that come with hypotheses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.imports.formats import read_file
from ablation.imports.options import compiled, part_of
from ablation.imports.records import parse_keys
from ablation.imports.utterances import Utterance
from common.errors import UserError
from common.external import External
from common.hints import did_you_mean
from recipes.base import Transcript
from recipes.command.jobs import used
from recipes.command.placeholders import NAMED, filled
from recipes.command.process import CommandFailed
from recipes.command.spec import STAGES, Hypotheses, Spec

ONE_TEXT = ("trn", "kaldi")  # formats without references


def placeholders_of(corpus: External | None) -> dict[str, Any]:
    """Return the values of the placeholders that name an external corpus; none for a prepared one."""
    return dict(zip(NAMED, (corpus.name, corpus.version), strict=True)) if corpus else {}


def check(spec: Spec, corpus: External | None, kinds: Sequence[str]) -> None:
    """Raise UserError if the commands cannot use a corpus (None: a prepared one), or if an external one lacks what it needs."""
    placeholders = {name for stage in STAGES for name in used(spec, stage)}
    if corpus is None:
        if named := sorted(placeholders.intersection(NAMED)):
            raise UserError(
                f'"{{{named[0]}}}" of recipe {spec.recipe!r} names an external corpus, and the corpus of this plan is prepared; '
                'write `corpus: external://NAME?version=1`, or use "{corpus}", its folder'
            )
        return
    if "corpus" in placeholders:
        raise UserError(
            f'"{{corpus}}" of recipe {spec.recipe!r} is a folder of prepared data, and of {corpus.uri} there is none; write '
            '"{corpus_name}" and "{corpus_version}", or name the data in the toolkit\'s own config'
        )
    _check_kinds(spec, corpus, kinds)
    _check_references(spec, corpus)


def _check_kinds(spec: Spec, corpus: External, kinds: Sequence[str]) -> None:
    for kind in kinds:
        if kind not in spec.noises:
            known = did_you_mean(kind, spec.noises) if spec.noises else "; it lists none"
            raise UserError(
                f"the recipe makes the noise of {corpus.uri} itself, and `noises` of recipe {spec.recipe!r} lacks {kind!r}{known}: "
                "add it there, or change `conditions` of the plan (`conditions: {}` scores clean only)"
            )


def _check_references(spec: Spec, corpus: External) -> None:
    given = spec.hypotheses
    if given.references is None and (given.format is None or given.format in ONE_TEXT):
        has = f"{given.format!r} has none" if given.format else "no `format` is given"
        raise UserError(
            f"the service has no texts of {corpus.uri}, so the hypotheses bring their references, and in recipe {spec.recipe!r} "
            f"{has}; add `hypotheses: {{references: FILE}}`, or a format with references, e.g. `format: jsonl`"
        )


def references(spec: Hypotheses, condition: str, corpus: External, folder: Path) -> dict[str, str] | None:
    """Return utterance id -> reference of the file of references; None if the hypotheses have them. Raises CommandFailed.

    A relative path starts at `folder`.
    """
    if spec.references is None:
        return None
    path = folder / str(filled(spec.references, {"condition": condition, **placeholders_of(corpus)}))
    if not path.is_file():
        raise CommandFailed(
            f"there is no file of references {path}; correct `hypotheses: {{references: {spec.references}}}`"
        )
    keys, pattern = parse_keys(spec.keys), compiled("id", spec.id)
    keys.pop("hyp", None)
    try:
        found = read_file(path, keys)[1]
        names = [part_of(pattern, each.id, "id") if pattern else each.id for each in found]
    except UserError as error:
        raise CommandFailed(f"the references of {condition} cannot be read: {error}") from error
    return {name: each.said or "" for name, each in zip(names, found, strict=True)}


def transcripts(
    spec: Hypotheses, heard: Mapping[str, Utterance], condition: str, known: Mapping[str, str] | None
) -> list[Transcript]:
    """Return hypotheses by id with their references, those of `known` if there are any. Raises CommandFailed."""
    texts = {name: each.reference if known is None else known[name] for name, each in heard.items()}
    if without := [name for name, text in texts.items() if text is None]:
        raise CommandFailed(
            f"{len(without)} of {len(texts)} utterances of {condition} have no reference under a known name, e.g. {without[0]!r}; "
            "name it with `hypotheses: {keys: ref=NAME}`"
        )
    speaker = compiled("speaker", spec.speaker)
    try:
        return [
            Transcript(
                name,
                condition,
                heard[name].hypothesis or "",
                text,
                part_of(speaker, name, "speaker") if speaker else "",
            )
            for name, text in texts.items()
        ]
    except UserError as error:
        raise CommandFailed(f"the speakers of {condition} cannot be found: {error}") from error
