"""A prepared corpus as commands get it: an export, made once and kept next to the corpus, or the prepared folder itself."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from common.source_code import computed_by
from corpora.export.folder import ABOUT, Layout, export
from corpora.export.sets import TEST, Noises
from corpora.store import Corpus
from recipes.command.spec import PREPARED, Spec

EXPORTS, CODE = ".exports", "corpora.export.folder"
TRAINING = ("train", "valid")


def for_training(corpus: Path, spec: Spec) -> Path:
    """Return a folder with the sets `train` and `valid`. A command that trains never sees the test split."""
    return _kept(corpus, spec, TRAINING, Noises({}, {}))


def for_transcription(
    corpus: Path, noises: Mapping[str, Sequence[float]], recordings: Mapping[str, str], spec: Spec
) -> Path:
    """Return a folder with a set `test/CONDITION` for every condition."""
    used = {kind: recordings[kind] for kind in noises if kind in recordings}
    return _kept(corpus, spec, (TEST,), Noises(noises, used))


def _kept(folder: Path, spec: Spec, splits: Sequence[str], noises: Noises) -> Path:
    """Return the export of some splits, which is made if it is not there yet."""
    if spec.corpus_format == PREPARED:
        return folder
    corpus, layout = Corpus.open(folder), Layout(spec.corpus_format, spec.corpus_video)
    stamps = {kind: _stamp(Path(source)) for kind, source in noises.recordings.items()}
    facts = [computed_by((CODE,)), corpus.fingerprint, vars(layout), splits, dict(noises.snrs_db), stamps]
    root = _root(folder.resolve())
    target = root / f"{splits[0]}-{hashlib.sha256(json.dumps(facts, default=list).encode()).hexdigest()[:16]}"
    with FileLock(root / f".{target.name}.lock"):
        if not (target / ABOUT).is_file():
            shutil.rmtree(target, ignore_errors=True)
            export(corpus, target, noises, layout, splits=splits)
    return target


def _root(corpus: Path) -> Path:
    """Return the folder for exports of a corpus: next to it, or a temporary one where that cannot be written."""
    exports = corpus.parent / EXPORTS
    with suppress(OSError):
        (exports / corpus.name).mkdir(parents=True, exist_ok=True)
        for other in exports.iterdir():  # the cache has dropped its corpus
            if not (corpus.parent / other.name).exists():
                shutil.rmtree(other, ignore_errors=True)
        if os.access(exports / corpus.name, os.W_OK):
            return exports / corpus.name
    own = Path(tempfile.gettempdir()) / f"ablate-exports-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    return own


def _stamp(source: Path) -> list[list[object]]:
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    return [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]
