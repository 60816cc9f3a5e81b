"""Bring the corpus into the form that trials read; one that is prepared already is used as it is."""

from pathlib import Path

from kfp.dsl import Dataset, Output

from components.shared.image import component
from components.workers.isolation import end_cleanly


def prepare_for_trials(uri: str, root: str, out: Path) -> None:
    """Leave the prepared corpus at `out`: as a link into the folder of prepared corpora `root`, or the corpus itself.

    `root` is a folder that outlives the run; empty where there is none. Raises UserError.
    """
    from corpora import cache
    from corpora.prepare import prepare

    end_cleanly()
    out.parent.mkdir(parents=True, exist_ok=True)
    prepared = prepare(uri, Path(root) if root else out.parent / "prepared")
    if root:
        cache.link(prepared, out)
    else:
        prepared.rename(out)


@component
def prepare_corpus(uri: str, root: str, corpus: Output[Dataset]) -> None:
    """The step of the pipeline."""
    from pathlib import Path

    from components.prepare_corpus import prepare_for_trials
    from components.workers.isolation import in_one_sentence

    with in_one_sentence():
        prepare_for_trials(uri, root, Path(corpus.path))
