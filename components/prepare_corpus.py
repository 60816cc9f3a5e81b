"""Prepare the corpus in the form that trials read, or use one that is prepared already, and refer to it."""

import shutil
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from kfp.dsl import Artifact, Dataset, Output

from common.errors import UserError
from common.external import external
from common.owned_folder import owned_folder
from components.shared.corpus_reference import INSIDE, CorpusReference, prepare_whole
from components.shared.image import component
from components.workers.signals import exit_on_sigterm

if TYPE_CHECKING:
    from corpora.store import Corpus

INSIDE_LIMIT_BYTES = 2_000_000_000  # every step that trains or scores downloads a corpus that is in the artifact
NOTE_FILE = "where.txt"  # an artifact without a file does not exist after its download
_MEASURE_EVERY = 50  # clips


def prepare_for_trials(uri: str, root: str, reference: Path, inside: Path) -> CorpusReference:
    """Prepare the corpus and write the reference to it into the folder `reference`.

    The data are put below `root`, a folder that outlives the run, or stay in S3. Without either they are put into `inside`, if
    they are small enough. Of an external corpus there is nothing to prepare. Raises UserError.
    """
    exit_on_sigterm()
    inside.parent.mkdir(parents=True, exist_ok=True)
    if corpus := external(uri):
        found = CorpusReference(uri, corpus.fingerprint, corpus.summary(), uri)
    elif root:
        found = _in_folder(uri, Path(root), reference)
    elif uri.startswith("s3://"):
        found = _in_s3(uri)
    else:
        found = _in_artifact(uri, inside)
    if found.place != INSIDE:
        inside.mkdir(exist_ok=True)
        note = f"Only the toolkit of the recipe knows {uri}" if corpus else f"The prepared corpus is at {found.place}"
        (inside / NOTE_FILE).write_text(f"{note}\n", encoding="utf-8")
    return found.write(reference)


def _in_folder(uri: str, root: Path, reference: Path) -> CorpusReference:
    """Prepare the corpus below `root`. It stays in that cache for as long as a link next to `reference` exists."""
    from corpora import cache
    from corpora.store import Corpus

    path = prepare_whole(uri, root, name="corpora_root")
    link = reference.with_name(f"{reference.name}.corpus")  # not in the artifact: Kubeflow cannot store a link
    reference.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    cache.link(path, link)
    return _refer(uri, Corpus.open(path), str(path.absolute()))


def _in_s3(uri: str) -> CorpusReference:
    """Refer to a corpus in S3. Its shards are not downloaded."""
    from corpora.s3.transfer import pull_manifest

    with owned_folder(Path(gettempdir()), "ablate-manifest-") as folder:
        return _refer(uri, pull_manifest(uri, folder / "corpus"), uri)


def _in_artifact(uri: str, inside: Path) -> CorpusReference:
    from corpora.store import Corpus

    root = inside.with_name(f"{inside.name}.prepared")

    def check_size(done: int, total: int) -> None:
        if (done % _MEASURE_EVERY == 0 or done == total) and _bytes(root) > INSIDE_LIMIT_BYTES:
            raise UserError(
                f"a corpus without a place of its own has at most {INSIDE_LIMIT_BYTES / 1e9:g} GB, and {uri} has more: give "
                "`corpora_root` on a volume that all steps see, or `ablate corpus push` the corpus and use its s3:// URI"
            )

    prepare_whole(uri, root, progress=check_size).rename(inside)
    shutil.rmtree(root, ignore_errors=True)
    return _refer(uri, Corpus.open(inside), INSIDE)


def _refer(uri: str, corpus: "Corpus", place: str) -> CorpusReference:
    from corpora.summary import described

    if corpus.rejected:
        print("\n".join(described(corpus)), flush=True)
    return CorpusReference(uri, corpus.fingerprint, corpus.summary(), place)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@component
def prepare_corpus(uri: str, root: str, reference: Output[Artifact], corpus: Output[Dataset]) -> None:
    """Prepare the corpus: read its source and write the form that training reads, or use one that is prepared already.

    MLflow: not used. Network: reads S3 if the corpus is there.

    Args:
        uri: URI of the corpus, e.g. synthetic://talking-mouth?train=2000&test=300.
        root: Folder of prepared corpora on a volume that all steps see. It is read, and gets the corpus if that is new.
            Empty leaves a corpus of S3 there, and puts any other into `corpus`, up to 2 GB.
        reference: Output. The URI of the corpus, its fingerprint, its summary, and the place of its data.
        corpus: Output. The data of a small corpus that has no other place, else a note that names the place.

    Returns:
        Nothing. Steps that train or score find the data by `reference`.
    """
    from pathlib import Path

    from components.prepare_corpus import prepare_for_trials
    from components.shared.problem import reporting

    with reporting("prepare-corpus"):
        found = prepare_for_trials(uri, root, Path(reference.path), Path(corpus.path))
        reference.metadata.update(fingerprint=found.fingerprint, place=found.place or "in the artifact `corpus`")
