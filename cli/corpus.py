"""`ablate corpus`: build, check and look at a corpus."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.local import paths

DAMAGED = 1

corpus_app = typer.Typer(help="Build, check and look at a corpus.", no_args_is_help=True)

PreparedArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="A prepared corpus, as `ablate corpus prepare` printed it.")
]


@corpus_app.command()
def prepare(
    uri: Annotated[
        str,
        typer.Argument(
            metavar="URI",
            help="synthetic://talking-mouth?train=N&test=N, grid://DIR, lrs2://DIR, lrs3://DIR or s3://BUCKET/PREFIX.",
        ),
    ],
    root: Annotated[Path, typer.Option(metavar="DIR", help="Where prepared corpora are kept.")] = paths.CORPORA,
) -> None:
    """Bring a corpus into the form that training reads.

    Done once per corpus, also by `ablate run`; prints the folder. grid://, lrs2:// and lrs3:// need `make mouth`
    once. s3:// is downloaded as it is.

    Example: ablate corpus prepare "synthetic://talking-mouth?train=200&test=40"
    """
    from corpora.prepare import prepare as prepare_corpus

    with _progress("bytes" if uri.startswith("s3://") else "utterances") as progress:
        path = prepare_corpus(uri, root, progress=progress)
    print(path)


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal, where there is one."""
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(unit, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@corpus_app.command()
def push(
    path: PreparedArgument,
    uri: Annotated[str, typer.Argument(metavar="URI", help="Where to: s3://BUCKET/PREFIX.")],
) -> None:
    """Put a prepared corpus into S3, where every machine can use it as --corpus s3://BUCKET/PREFIX.

    The server is that of AWS_ENDPOINT_URL_S3, the credentials are boto3's (AWS_ACCESS_KEY_ID, a profile, a role). A push that
    was cut goes on where it was; the corpus can be used when all of it is there. Prints the URI.

    Example: ablate corpus push corpora-cache/NAME s3://speech/grid
    """
    from corpora.s3.transfer import push as push_corpus

    with _progress("bytes") as progress:
        sent = push_corpus(path, uri, progress)
    print(f"{sent} files sent, the others were there", file=sys.stderr)
    print(uri)


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
