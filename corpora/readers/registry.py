"""The list of corpora: help texts, errors, the Makefile and the docs take it from here.

`python -m corpora.readers.registry` prints the table of docs/corpora-in-s3.md, and `make docs` writes it there.
"""

from corpora.readers.reader import Reader

READERS: dict[str, Reader] = {
    reader.scheme: reader
    for reader in (
        Reader(
            example="synthetic://talking-mouth?train=N&test=N",
            description="GRID's sentences, spoken by espeak-ng and shown by a drawn mouth",
            module="corpora.synthetic.talking_mouth",
            generated=True,
        ),
        Reader(
            example="grid://DIR",
            description="GRID as published, or a folder with a `clips.csv`",
            module="corpora.readers.grid",
            needs_mouth=True,
        ),
        Reader(
            example="lrs2://DIR",
            description="LRS2-BBC as published",
            module="corpora.readers.lrs2",
            needs_mouth=True,
        ),
        Reader(
            example="lrs3://DIR",
            description="LRS3-TED as published",
            module="corpora.readers.lrs3",
            needs_mouth=True,
        ),
        Reader(
            example="sound://DIR",
            description="sound without pictures, listed in a `clips.csv` with a column `split`",
            module="corpora.readers.sound",
            video=False,
        ),
    )
}

# Not a reader: a prepared corpus is downloaded as it is.
S3 = "s3"
S3_EXAMPLE = f"{S3}://BUCKET/PREFIX"


def schemes() -> list[str]:
    """All schemes of corpus URIs."""
    from common.external import SCHEME

    return [*READERS, S3, SCHEME]


def to_prepare() -> str:
    """An example of every corpus URI that can be prepared, as words: `a://A, b://B or c://C`."""
    return f"{', '.join(reader.example for reader in READERS.values())} or {S3_EXAMPLE}"


def examples() -> str:
    """An example of every corpus URI of a plan, as words."""
    from common.external import EXAMPLE

    return f"{to_prepare()}; for recipes with data of their own, {EXAMPLE}"


def needing_mouths() -> str:
    """The schemes that need `make mouth`, as words."""
    return ", ".join(f"{scheme}://" for scheme, reader in READERS.items() if reader.needs_mouth)


def table() -> str:
    """The list of corpora in Markdown."""
    from common.external import EXAMPLE

    rows = [(reader.example, reader.description, reader.needs_mouth) for reader in READERS.values()]
    rows += [(S3_EXAMPLE, "a prepared corpus, from a server that speaks S3", False)]
    rows += [
        (
            EXAMPLE,
            "data that only the recipe's own toolkit knows; see [recipes.md](recipes.md#data-of-your-own)",
            False,
        )
    ]
    lines = [f"| `{example}` | {text} | {'yes' if mouth else 'no'} |" for example, text, mouth in rows]
    return "\n".join(["| corpus | description | needs `make mouth` |", "|---|---|---|", *lines])


if __name__ == "__main__":
    print(table())
