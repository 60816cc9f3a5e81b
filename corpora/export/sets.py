"""The sets of an export: the training and validation splits, and the test split in every condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.conditions import Condition, conditions
from common.errors import UserError
from corpora.noise import NoiseBank, noisy, offset
from corpora.schema import Utterance
from corpora.store import Corpus

TEST = "test"


@dataclass(frozen=True)
class Noises:
    """The noise of the test conditions: kind -> SNRs in dB, and kind -> recordings where they replace the noise of the corpus."""

    snrs_db: Mapping[str, Sequence[float]]
    recordings: Mapping[str, str]

    def banks(self, corpus: Corpus) -> dict[str, NoiseBank]:
        """Return the sources of test noise by kind, as scoring has them. Raises UserError."""
        return {kind: NoiseBank.from_corpus(corpus, kind, self.recordings.get(kind), "test") for kind in self.snrs_db}


@dataclass(frozen=True)
class ExportSet:
    """Utterances in one condition; `folder` is relative to the export, `split` names the folder of their video."""

    folder: str
    split: str
    condition: Condition
    utterances: Sequence[Utterance]


def sets(corpus: Corpus, noises: Noises) -> list[ExportSet]:
    """Return all sets that have utterances, sorted by id within a set. Raises UserError for a corpus without a test split."""
    found = {split: sorted(corpus.utterances(split), key=lambda each: each.id) for split in ("train", "valid", TEST)}
    if not found[TEST]:
        raise UserError(
            f"an export has test conditions, and the test split of {corpus.path} has 0 utterances; prepare more"
        )
    whole = [ExportSet(split, split, Condition(), found[split]) for split in ("train", "valid") if found[split]]
    scored = [ExportSet(f"{TEST}/{each.name}", TEST, each, found[TEST]) for each in conditions(noises.snrs_db)]
    return [*whole, *scored]


def sound(corpus: Corpus, utterance: Utterance, condition: Condition, banks: Mapping[str, NoiseBank]) -> np.ndarray:
    """Return the sound that the service's own models get: int16 where it is clean, float32 (full scale 1) in noise."""
    audio = corpus.audio(utterance)
    if condition.kind is None:
        return audio
    bank = banks[condition.kind]
    return noisy(audio, bank.at(offset(utterance, condition.kind, bank), utterance.samples), condition.snr_db)


def file_names(utterances: Sequence[Utterance]) -> dict[str, str]:
    """Return id -> the name of its files, without a suffix. Raises UserError for ids that would share a name."""
    names = {each.id: _file_name(each.id) for each in utterances}
    known: dict[str, str] = {}
    for identity, name in names.items():
        other = known.setdefault(name.casefold(), identity)
        if other != identity:
            raise UserError(
                f"each utterance has files of its own, but {other!r} and {identity!r} would both be named {name!r}; prepare the "
                "corpus with other ids"
            )
    return names


def _file_name(identity: str) -> str:
    """A name without folders; signs that a file name or a list of files cannot have become `_`."""
    name = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in identity)
    return f"_{name[1:]}" if name.startswith((".", "-")) else name


def room_needed(found: Sequence[ExportSet], video: bool, bits: int) -> int:
    """Return about how many bytes an export takes. Video is counted as it is, uncompressed."""
    sound_bytes = sum(
        each.samples * (2 if its.condition.kind is None or bits == 16 else 4)
        for its in found
        for each in its.utterances
    )
    pictures = {each.id: each.frames for its in found for each in its.utterances} if video else {}
    return sound_bytes + sum(pictures.values()) * 96 * 96


def inside(path: Path, folder: Path) -> bool:
    """Return if a path is a folder or inside of it."""
    return folder.resolve() in (path.resolve(), *path.resolve().parents)
