"""Export of a prepared corpus into a folder, whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.checksums import sha256_of
from common.disk import DiskFull, explained, make_folder, room
from common.errors import UserError
from common.hints import did_you_mean
from common.owned_folder import owned_folder
from corpora.export.lists import FORMATS, Row, texts
from corpora.export.media import VIDEO, write_wav
from corpora.export.sets import ExportSet, Noises, file_names, inside, room_needed, sets, sound
from corpora.noise import NoiseBank
from corpora.schema import SPLITS, Utterance
from corpora.store import Corpus

SUMS, ABOUT, WRITING = "SHA256SUMS", "export.json", ".writing"
BITS = (16, 32)


@dataclass(frozen=True)
class Layout:
    """The choices of an export: the format of its lists, the kind of video files or None, and the bits of noisy samples."""

    format: str = "wav"
    video: str | None = None
    bits: int = 32

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            known = ", ".join(FORMATS)
            raise UserError(f"--format is one of {known}, got {self.format!r}{did_you_mean(self.format, FORMATS)}")
        if self.video is not None and self.video not in VIDEO:
            raise UserError(f"--video is mp4 or npy, got {self.video!r}{did_you_mean(self.video, VIDEO)}")
        if self.bits not in BITS:
            raise UserError(f"--bits is 16 or 32, got {self.bits}; 32 keeps noisy samples as they are")


@dataclass(frozen=True)
class Exported:
    """Numbers of sets and utterances that were written, and of samples that 16 bits could not hold."""

    sets: int
    utterances: int
    clipped: int


def export(
    corpus: Corpus,
    to: Path,
    noises: Noises,
    layout: Layout,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    splits: Collection[str] = SPLITS,
) -> Exported:
    """Write the sets of some splits into the new folder `to`. Raises UserError, and leaves nothing behind then.

    `progress` gets the numbers of files of sound that are written, and that are to be written.
    """
    check_target(to, corpus.path)
    found = [each for each in sets(corpus, noises) if each.split in splits]
    banks = noises.banks(corpus)
    make_folder(to.parent)
    _check_room(to.parent, room_needed(found, layout.video is not None, layout.bits))
    with explained(to), owned_folder(to.parent, f".{to.name}.", WRITING) as folder:
        names = file_names(list({each.id: each for its in found for each in its.utterances}.values()))
        clipped = _write_sets(corpus, found, banks, names, layout, folder, to.resolve(), progress)
        (folder / ABOUT).write_text(
            json.dumps(_about(corpus, found, noises, layout), indent=1) + "\n", encoding="utf-8"
        )
        _write_sums(folder)
        folder.chmod(0o755)  # mkdtemp makes it private
        _move(folder, to)
    return Exported(len(found), len({each.id for its in found for each in its.utterances}), clipped)


def check_target(to: Path, corpus: Path) -> None:
    """Raise UserError for a target that holds files already, or that lies inside of the corpus."""
    if to.exists() and not to.is_dir():
        raise UserError(f"an export is a folder, and {to} is a file; give another --to")
    if to.is_dir() and (files := sorted(path.name for path in to.iterdir())):
        raise UserError(
            f"an export is written into a new folder, and {to} holds {len(files)} files, e.g. {files[0]!r}; give another --to"
        )
    if inside(to, corpus):
        raise UserError(f"{to} is inside of the prepared corpus {corpus}, which stays as it is; give another --to")


def _check_room(parent: Path, needed: int) -> None:
    if shutil.disk_usage(parent).free < needed:
        raise DiskFull(
            f"the export takes about {needed / 1e6:,.0f} MB, and the disk that has {parent} has {room(parent)}; free some space"
        )


def _write_sets(
    corpus: Corpus,
    found: Sequence[ExportSet],
    banks: Mapping[str, NoiseBank],
    names: Mapping[str, str],
    layout: Layout,
    folder: Path,
    to: Path,
    progress: Callable[[int, int], None],
) -> int:
    """Write the files of all sets, and return how many samples were clipped."""
    done, total, clipped = 0, sum(len(its.utterances) for its in found), 0
    for its in found:
        place = folder / its.folder
        (place / "wav").mkdir(parents=True)
        rows = []
        for utterance in its.utterances:
            name = names[utterance.id]
            clipped += write_wav(
                place / "wav" / f"{name}.wav", sound(corpus, utterance, its.condition, banks), layout.bits
            )
            video = _video(corpus, its, utterance, name, layout, folder)
            rows.append(Row(utterance, f"wav/{name}.wav", video))
            done += 1
            progress(done, total)
        lists = {"text": texts(rows), **FORMATS[layout.format](rows, to / its.folder)}
        for name, text in lists.items():
            (place / name).write_text(text, encoding="utf-8")
    return clipped


def _video(corpus: Corpus, its: ExportSet, utterance: Utterance, name: str, layout: Layout, folder: Path) -> str | None:
    """Write the video of an utterance, once for all conditions, and return its path from the folder of the set."""
    if layout.video is None:
        return None
    path = folder / its.split / "video" / f"{name}.{layout.video}"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        VIDEO[layout.video](path, corpus.video(utterance))
    return os.path.relpath(path, folder / its.folder)


def _about(corpus: Corpus, found: Sequence[ExportSet], noises: Noises, layout: Layout) -> dict[str, Any]:
    return {
        "corpus": corpus.uri,
        "fingerprint": corpus.fingerprint,
        "format": layout.format,
        "video": layout.video,
        "bits_of_noisy_samples": layout.bits,
        "noise": {kind: list(snrs) for kind, snrs in noises.snrs_db.items()},
        "recordings": dict(noises.recordings),
        "sets": {its.folder: len(its.utterances) for its in found},
    }


def _write_sums(folder: Path) -> None:
    """Write the SHA-256 of all files, as `sha256sum -c` reads them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _move(folder: Path, to: Path) -> None:
    try:
        folder.rename(to)
    except OSError as error:  # another process has written there meanwhile
        if to.is_dir() and any(to.iterdir()):
            raise UserError(f"{to} was written by another process meanwhile; give another --to") from error
        raise
