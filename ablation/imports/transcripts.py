"""The utterances of all files as one table, checked: every trial has the same utterances as the references."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from ablation.imports.formats import read_file
from ablation.imports.options import AS_DELETIONS, IGNORE, Options, compiled, part_of
from ablation.imports.pattern import TrialFile, fill
from ablation.imports.records import parse_keys
from ablation.imports.utterances import Utterance, some
from ablation.stats.scoring import Normaliser
from common.conditions import CLEAN, Condition
from common.errors import UserError
from common.normalise import normaliser

COLUMNS = ["arm", "seed", "condition", "utterance_id", "reference", "hypothesis"]
Texts = Mapping[str, str]  # utterance id -> text


@dataclass(frozen=True)
class Heard:
    """A file of hypotheses and what is in it."""

    file: TrialFile
    format: str
    utterances: Sequence[Utterance]

    @cached_property
    def texts(self) -> dict[str, str]:
        """Hypotheses by utterance id."""
        return {each.id: each.hypothesis or "" for each in self.utterances}


@dataclass(frozen=True)
class Transcripts:
    """The table of `COLUMNS`, the format of the files, and the numbers of utterances that were filled in and left out."""

    table: pd.DataFrame
    format: str
    missing: int
    extra: int


def read_transcripts(files: Sequence[TrialFile], options: Options) -> Transcripts:
    """Read and check all files. Raises UserError in one sentence, with numbers and the remedy."""
    heard = [_read(file, options) for file in files]
    _check_one_format(heard)
    references = _references(heard, options)
    missing = _missing(heard, references, options)
    extra = _extra(heard, references, options)
    rows = [
        (*each.file.key, name, said, texts.get(name, ""))
        for each in heard
        for texts in [each.texts]
        for name, said in references[each.file.condition].items()
    ]
    return Transcripts(pd.DataFrame(rows, columns=COLUMNS), heard[0].format, missing, extra)


def _read(file: TrialFile, options: Options) -> Heard:
    name, found = _utterances(file.path, options, options.format)
    without = [each.id for each in found if each.hypothesis is None]
    if without:
        raise UserError(
            f"{file.path} has no hypotheses for {len(without)} of {len(found)} utterances, e.g. {without[0]!r}; name them "
            "with --keys hyp=NAME"
        )
    return Heard(file, name, found)


def _utterances(path: Path, options: Options, format_name: str | None) -> tuple[str, list[Utterance]]:
    """Read a file, with the part of the ids that counts, and refuse ids that occur twice."""
    name, found = read_file(path, parse_keys(options.keys), format_name)
    pattern = compiled("id", options.id_part)
    if pattern is not None:
        found = [replace(each, id=part_of(pattern, each.id, "id")) for each in found]
    counted = Counter(each.id for each in found)
    if double := [each for each, number in counted.items() if number > 1]:
        lines = [str(each.line) for each in found if each.id == double[0]]
        raise UserError(
            f"{path}: an utterance occurs once, but {len(double)} of {len(counted)} occur more often, e.g. {double[0]!r} in "
            f"lines {' and '.join(lines[:3])}; remove one of them"
        )
    return name, found


def _check_one_format(heard: Sequence[Heard]) -> None:
    counted = Counter(each.format for each in heard)
    if len(counted) > 1:
        said = ", ".join(f"{number} of {name}" for name, number in counted.most_common())
        [(rare, _)] = counted.most_common()[-1:]
        path = next(each.file.path for each in heard if each.format == rare)
        raise UserError(
            f"all files of an import have one format, but there are {said}, e.g. {path}; give the format with --format"
        )


def _references(heard: Sequence[Heard], options: Options) -> dict[str, Texts]:
    """Return the references of every condition. Those of a file come before those next to the hypotheses."""
    form, names = normaliser(options.normalise), list(dict.fromkeys(each.file.condition for each in heard))
    found: dict[str, Texts] = {}
    known: dict[Path, Texts] = {}
    for name in names:
        mine = [each for each in heard if each.file.condition == name]
        if options.ref is None:
            found[name] = _stored_references(mine, form)
        else:
            path = fill(options.ref, name)
            if path not in known:
                known[path] = _reference_file(path, options)
            found[name] = known[path]
            _check_same(found[name], str(path), mine, form)
        if not any(form(text) for text in found[name].values()):
            raise UserError(f"an error rate needs words, but all {len(found[name])} references of {name!r} are empty")
    return found


def _reference_file(path: Path, options: Options) -> Texts:
    if not path.is_file():
        raise UserError(f"--ref: there is no file {path}; give the file of the references")
    try:
        _, found = _utterances(path, replace(options, keys=_reference_keys(options.keys)), None)
    except UserError as error:
        raise UserError(f"--ref: {error}") from error
    if without := [each.id for each in found if each.said is None]:
        raise UserError(f"--ref: {path} has no text for {len(without)} of {len(found)} utterances, e.g. {without[0]!r}")
    return {each.id: each.said or "" for each in found}


def _reference_keys(keys: str) -> str:
    """Return the keys that a file of references must have: the name of the hypotheses does not count there."""
    return ",".join(f"{name}={key}" for name, key in parse_keys(keys).items() if name != "hyp")


def _stored_references(heard: Sequence[Heard], form: Normaliser) -> Texts:
    """Return the references next to the hypotheses. All files of a condition must agree."""
    found: dict[str, str] = {}
    for each in heard:
        if any(utterance.reference is None for utterance in each.utterances):
            raise UserError(f"{each.file.path} ({each.format}) has no references; give them with --ref FILE")
        found |= {utterance.id: utterance.reference or "" for utterance in each.utterances if utterance.id not in found}
    _check_same(found, str(heard[0].file.path), heard, form)
    return found


def _check_same(references: Texts, source: str, heard: Sequence[Heard], form: Normaliser) -> None:
    """Refuse hypotheses that were made for other references."""
    forms = {name: form(text) for name, text in references.items()}
    for each in heard:
        known = [one for one in each.utterances if one.reference is not None and one.id in forms]
        if other := [one for one in known if form(one.reference or "") != forms[one.id]]:
            first = other[0]
            raise UserError(
                f"{len(other)} of {len(known)} utterances have other references in {each.file.path} than in {source}, e.g. "
                f"{first.id!r}: {(first.reference or '')[:40]!r} and {references[first.id][:40]!r}; score both on the same texts"
            )


def _missing(heard: Sequence[Heard], references: Mapping[str, Texts], options: Options) -> int:
    """Return how many utterances are filled in. Refuse them, unless they shall count as deletions."""
    gaps = [(each, [name for name in references[each.file.condition] if name not in each.texts]) for each in heard]
    gaps = [(each, names) for each, names in gaps if names]
    if not gaps:
        return 0
    each, names = gaps[0]
    wanted = references[each.file.condition]
    _check_alike(each, names, wanted)
    if options.missing != AS_DELETIONS:
        raise UserError(
            f"{each.file.path} lacks {len(names)} of {len(wanted)} utterances, e.g. {some(names)}{_others(len(gaps) - 1)}; "
            "decode them, or count their words as deletions with --missing as-deletions"
        )
    return sum(len(names) for _, names in gaps)


def _check_alike(each: Heard, missing: Sequence[str], wanted: Texts) -> None:
    """Refuse ids that differ in case only, and files that have no id of the references."""
    extra = {name.casefold(): name for name in each.texts if name not in wanted}
    if alike := [(name, extra[name.casefold()]) for name in missing if name.casefold() in extra]:
        raise UserError(
            f"{len(alike)} of {len(wanted)} ids in {each.file.path} differ from those of the references in case only, e.g. "
            f"{alike[0][1]!r} and {alike[0][0]!r}; write them alike"
        )
    if len(missing) == len(wanted):
        raise UserError(
            f"none of the {len(each.texts)} ids in {each.file.path} is among the {len(wanted)} of the references, e.g. "
            f"{next(iter(each.texts))!r} and {missing[0]!r}; give the part that they share with --id REGEX"
        )


def _extra(heard: Sequence[Heard], references: Mapping[str, Texts], options: Options) -> int:
    """Return how many utterances are left out. Refuse them, unless they shall be ignored."""
    more = [(each, [name for name in each.texts if name not in references[each.file.condition]]) for each in heard]
    more = [(each, names) for each, names in more if names]
    if more and options.extra != IGNORE:
        each, names = more[0]
        raise UserError(
            f"{each.file.path} has {len(names)} utterances that the {len(references[each.file.condition])} references lack, "
            f"e.g. {some(names)}{_others(len(more) - 1)}; give their references, or leave them out with --extra ignore"
        )
    return sum(len(names) for _, names in more)


def _others(count: int) -> str:
    return "" if not count else f" (so do {count} other files)" if count > 1 else " (so does 1 other file)"


def conditions_of(names: Iterable[str]) -> list[str]:
    """Return the conditions: `clean`, then the others by name, and noise from its highest SNR to its lowest."""
    parsed = {name: Condition.parse(name) for name in set(names)}
    return sorted(parsed, key=lambda name: (name != CLEAN, parsed[name].kind or "", -(parsed[name].snr_db or 0), name))
