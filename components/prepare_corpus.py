"""stub"""

from pathlib import Path

from kfp.dsl import Artifact, Dataset, Output

from components.shared.image import component
from components.workers.isolation import exit_on_sigterm


def prepare_for_trials(uri: str, root: str, reference: Path, out: Path) -> None:
    from components.shared.corpus_reference import CorpusReference
    from corpora.prepare import prepare
    from corpora.store import Corpus

    exit_on_sigterm()
    out.mkdir(parents=True, exist_ok=True)
    (out / "note").write_text("x")
    prepared = prepare(uri, Path(root) if root else out / "made")
    place = str(prepared) if root else ""
    if not root:
        prepared.rename(out / "prepared")
        prepared = out / "prepared"
    c = Corpus.open(prepared)
    CorpusReference(uri, c.fingerprint, c.summary(), place).write(reference)


@component
def prepare_corpus(uri: str, root: str, reference: Output[Artifact], corpus: Output[Dataset]) -> None:
    """Prepare the corpus: read its source and write the form that training reads, or use one that is prepared already.

    MLflow: not used. Network: reads S3 if the corpus is there.

    Args:
        uri: URI of the corpus, e.g. synthetic://talking-mouth?train=2000&test=300.
        root: Folder of prepared corpora on a volume that all steps see. It is read, and gets the corpus if that is new.
            Empty prepares the corpus within the run.
        reference: Output. ref
        corpus: Output. The prepared corpus, or a link to it in `root`.

    Returns:
        Nothing. The corpus is in `corpus`.
    """
    from pathlib import Path

    from components.prepare_corpus import prepare_for_trials
    from components.shared.problem import reporting

    with reporting("prepare-corpus"):
        prepare_for_trials(uri, root, Path(reference.path), Path(corpus.path))
