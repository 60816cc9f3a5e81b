"""`ablate corpus`: build, check and look at a corpus."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines import places

DAMAGED = 1

corpus_app = typer.Typer(help="Build, check and look at a corpus.", no_args_is_help=True)

PreparedArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="A prepared corpus, as `ablate corpus prepare` printed it.")
]


@corpus_app.command()
def prepare(
    uri: Annotated[str, typer.Argument(metavar="URI", help="synthetic://talking-mouth?train=N&test=N, or grid://DIR.")],
    root: Annotated[Path, typer.Option(metavar="DIR", help="Where prepared corpora are kept.")] = places.CORPORA,
) -> None:
    """Bring a corpus into the form that training reads.

    Done once per corpus, also by `ablate run`; prints the folder. grid:// needs `make mouth` once.

    Example: ablate corpus prepare "synthetic://talking-mouth?train=200&test=40"
    """
    from rich.progress import Progress

    from corpora.prepare import prepare as prepare_corpus

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("utterances", total=None)
        path = prepare_corpus(
            uri, root, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    print(path)


@corpus_app.command()
def verify(path: PreparedArgument) -> None:
    """Check a prepared corpus, byte by byte.

    Prints a summary, or every utterance that differs from its checksum and exits with code 1.

    Example: ablate corpus verify corpora-cache/NAME
    """
    from corpora.store import Corpus

    corpus = Corpus.open(path)
    problems = corpus.verify()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise typer.Exit(DAMAGED)
    print(json.dumps(corpus.summary(), indent=1))


@corpus_app.command()
def show(
    path: PreparedArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The picture.")] = Path("corpus.png"),
    count: Annotated[int, typer.Option(metavar="N", help="How many utterances.", min=1)] = 6,
) -> None:
    """Draw mouths, sound and text as a picture.

    Example: ablate corpus show corpora-cache/NAME -o mouths.png
    """
    from corpora.show import show as draw
    from corpora.store import Corpus

    draw(Corpus.open(path), out, count=count)
    print(out)
