"""`ablate corpus`: prepare, export, check and show a corpus."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.corpus_cache import clean, list_
from common.errors import UserError
from common.external import SCHEME as EXTERNAL
from corpora.readers.registry import S3, S3_EXAMPLE, needing_mouths, schemes, to_prepare
from pipelines.local import paths

DAMAGED = 1

corpus_app = typer.Typer(help="Prepare, export, check, show, list and remove corpora.", no_args_is_help=True)


def _folder(path: Path) -> Path:
    """Return the path of a prepared corpus. Raises UserError for an address."""
    scheme, colon, rest = str(path).partition(":/")
    if colon and scheme in schemes() and not path.exists():
        none = "nothing of an external corpus is on this machine"
        remedy = none if scheme == EXTERNAL else "give the folder that `ablate corpus prepare` prints"
        raise UserError(f"a prepared corpus is a folder, and {scheme}://{rest} is an address; {remedy}")
    return path


PreparedArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="A prepared corpus: the folder that `ablate corpus prepare` printed.",
        callback=_folder,
    ),
]


@corpus_app.command()
def prepare(
    uri: Annotated[
        str,
        typer.Argument(
            metavar="URI",
            help=f"{to_prepare()}. Real video ({needing_mouths()}) needs `make mouth` once.",
        ),
    ],
    root: Annotated[Path, typer.Option(metavar="DIR", help="Where prepared corpora are kept.")] = paths.CORPORA,
) -> None:
    """Convert a corpus into the form that training reads, and print the folder.

    Standard error gets the number of clips per split, and the number of clips that were left out, by reason.

    A corpus is converted once; `ablate run` does it too. A corpus in S3 is already converted and is downloaded as it is.

    Example: ablate corpus prepare "synthetic://talking-mouth?train=200&test=40"
    """
    from corpora.prepare import prepare as prepare_corpus
    from corpora.store import Corpus
    from corpora.summary import described

    with _progress("bytes" if uri.startswith(f"{S3}://") else "utterances") as progress:
        path = prepare_corpus(uri, root, progress=progress)
    for line in described(Corpus.open(path)):
        print(line, file=sys.stderr)
    print(path)


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar if standard error is a terminal."""
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(unit, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@corpus_app.command()
def push(
    path: PreparedArgument,
    uri: Annotated[str, typer.Argument(metavar="URI", help=f"The new place of the corpus: {S3_EXAMPLE}.")],
) -> None:
    """Upload a prepared corpus to S3 and print its URI. Every machine can then use it as --corpus URI.

    ABLATE_S3_ENDPOINT names the server, ABLATE_S3_ACCESS_KEY_ID and ABLATE_S3_SECRET_ACCESS_KEY are the credentials. What is not
    set there is taken from boto3's usual chain (AWS_*, a profile, a role). An interrupted push continues where it stopped. The
    corpus can be used when all of it has arrived.

    Example: ablate corpus push corpora-cache/NAME s3://speech/grid
    """
    from corpora.s3.transfer import push as push_corpus

    with _progress("bytes") as progress:
        sent = push_corpus(path, uri, progress)
    print(f"{sent} files sent, the others were there", file=sys.stderr)
    print(uri)


@corpus_app.command()
def export(
    path: PreparedArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The new folder.", show_default=False)],
    format_name: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="The lists: wav (a table), kaldi, or jsonl as NeMo reads it."),
    ] = "wav",
    video: Annotated[
        str | None, typer.Option("--video", metavar="KIND", help="Write the video of the mouths as well: mp4 or npy.")
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option("--noise", metavar="KIND=SNRS", help="Noisy test sound, e.g. babble=10,5,0 in dB; repeatable."),
    ] = None,
    plan: Annotated[
        str | None, typer.Option("--plan", metavar="PLAN", help="The conditions and recordings of this plan instead.")
    ] = None,
    bits: Annotated[
        int, typer.Option("--bits", metavar="BITS", help="Of noisy samples: 32 (float, as they are) or 16 (rounded).")
    ] = 32,
) -> None:
    """Write a prepared corpus as files for other toolkits.

    Each split has its sound, its texts and, if wanted, its video. The test split is written clean and in every noise, with
    the samples that the service's own models get, so that all toolkits are scored on the same sound. SHA256SUMS has a
    checksum of every file.

    Example: ablate corpus export corpora-cache/NAME --to exported --format kaldi --noise babble=10,0

    Example: ablate corpus export corpora-cache/NAME --to exported --plan plans/smile.yaml --video mp4
    """
    from cli.noises import noises_of
    from corpora.export.folder import Layout, check_target
    from corpora.export.folder import export as export_corpus
    from corpora.store import Corpus

    layout, noises = Layout(format_name, video, bits), noises_of(noise or [], plan)
    check_target(to, path)
    with _progress("files") as progress:
        done = export_corpus(Corpus.open(path), to, noises, layout, progress)
    print(f"{done.utterances} utterances in {done.sets} sets", file=sys.stderr)
    if done.clipped:
        print(
            f"{done.clipped} samples were louder than 16 bits can hold and were clipped; --bits 32 keeps them",
            file=sys.stderr,
        )
    print(to)


@corpus_app.command()
def verify(path: PreparedArgument) -> None:
    """Check every byte of a prepared corpus.

    Prints a summary. If a file is damaged, or an utterance differs from its checksum, prints every fault and exits with code 1.
    The next study that uses the corpus then prepares it again.

    Example: ablate corpus verify corpora-cache/NAME
    """
    from corpora.problems import problems
    from corpora.store import Corpus

    found = problems(path)
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        raise typer.Exit(DAMAGED)
    print(json.dumps(Corpus.open(path).summary(), indent=1))


@corpus_app.command()
def show(
    path: PreparedArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The PNG file to write.")] = Path(
        "corpus.png"
    ),
    count: Annotated[int, typer.Option(metavar="N", help="Number of utterances.", min=1)] = 6,
) -> None:
    """Draw mouths, sound and text of a few utterances into a picture.

    Example: ablate corpus show corpora-cache/NAME -o mouths.png
    """
    from corpora.show import show as draw
    from corpora.store import Corpus

    draw(Corpus.open(path), out, count=count)
    print(out)


corpus_app.command(name="list")(list_)
corpus_app.command()(clean)
