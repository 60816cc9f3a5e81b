"""Prepare the corpus in the form that trials read, or use one that is prepared already."""

from pathlib import Path

from kfp.dsl import Dataset, Output

from components.shared.image import component
from components.workers.isolation import exit_on_sigterm


def prepare_for_trials(uri: str, root: str, out: Path) -> None:
    """Put the prepared corpus at `out`: a link into the folder of prepared corpora `root`, or the corpus itself.

    `root` is a folder that outlives the run; it is empty if there is none. Raises UserError.
    """
    from corpora import cache
    from corpora.prepare import prepare

    exit_on_sigterm()
    out.parent.mkdir(parents=True, exist_ok=True)
    prepared = prepare(uri, Path(root) if root else out.parent / "prepared")
    if root:
        cache.link(prepared, out)
    else:
        prepared.rename(out)


@component
def prepare_corpus(uri: str, root: str, corpus: Output[Dataset]) -> None:
    """Prepare the corpus: read its source and write the form that training reads, or use one that is prepared already.

    MLflow: not used. Network: reads S3 if the corpus is there.

    Args:
        uri: URI of the corpus, e.g. synthetic://talking-mouth?train=2000&test=300.
        root: Folder of prepared corpora on a volume that all steps see. It is read, and gets the corpus if that is new.
            Empty prepares the corpus within the run.
        corpus: Output. The prepared corpus, or a link to it in `root`.

    Returns:
        Nothing. The corpus is in `corpus`.
    """
    from pathlib import Path

    from components.prepare_corpus import prepare_for_trials
    from components.shared.problem import reporting

    with reporting("prepare-corpus"):
        prepare_for_trials(uri, root, Path(corpus.path))
