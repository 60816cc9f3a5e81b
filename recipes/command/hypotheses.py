"""The hypotheses that a command has written: read, and compared with the utterances that were asked for."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ablation.imports.formats import read_file
from ablation.imports.options import compiled, part_of
from ablation.imports.records import parse_keys
from ablation.imports.utterances import Utterance, some
from common.errors import UserError
from recipes.command.process import CommandFailed
from recipes.command.spec import Hypotheses

HIDDEN = "."


def file_of(condition: str, folder: Path, wanted: Sequence[str]) -> Path:
    """Return the file of a condition in the folder of a command that transcribes all at once. Raises CommandFailed."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(HIDDEN))
    mine = [path for path in files if condition in (path.name, path.stem)]
    if len(mine) == 1:
        return mine[0]
    missing = [name for name in wanted if not any(name in (path.name, path.stem) for path in files)]
    if missing:
        raise CommandFailed(
            f"`transcribe` writes a file for each condition, such as {wanted[0]}.trn, into {{hypotheses}}; those of {len(missing)} "
            f"of {len(wanted)} are missing, e.g. {missing[0]}, and it wrote {some([path.name for path in files]) or 'nothing'}"
        )
    raise CommandFailed(
        f"{condition} has {len(mine)} files of hypotheses: {some([path.name for path in mine])}; write one"
    )


def read(path: Path, condition: str, spec: Hypotheses, ids: Sequence[str] | None) -> dict[str, Utterance]:
    """Return the utterances with a hypothesis by their ids. Raises CommandFailed for anything missing or left over.

    `ids` is the test split; None if only the file itself knows it.
    """
    if not path.is_file():
        raise CommandFailed(
            f"`transcribe` wrote no hypotheses for {condition}; it writes them to the file {{hypotheses}}"
        )
    try:
        _, found = read_file(path, parse_keys(spec.keys), spec.format)
        pattern = compiled("id", spec.id)
        names = [part_of(pattern, each.id, "id") if pattern else each.id for each in found]
    except UserError as error:
        said = str(error).replace(str(path), f"the file of {condition}")
        raise CommandFailed(f"the hypotheses of `transcribe` cannot be read: {said}") from error
    if without := sum(each.hypothesis is None for each in found):
        raise CommandFailed(
            f"{without} of {len(found)} utterances of {condition} have no hypothesis under a known name; name it with "
            "`hypotheses: {keys: hyp=NAME}`"
        )
    _check(names, condition, list(dict.fromkeys(names)) if ids is None else ids)
    return dict(zip(names, found, strict=True))


def _check(names: Sequence[str], condition: str, ids: Sequence[str]) -> None:
    counted, wanted = Counter(names), set(ids)
    double = [name for name, times in counted.items() if times > 1]
    missing = [name for name in ids if name not in counted]
    extra = [name for name in counted if name not in wanted]
    if double:
        raise CommandFailed(
            f"{len(double)} of {len(counted)} utterances of {condition} occur more than once: {some(double)}"
        )
    if missing and len(missing) == len(ids):
        raise CommandFailed(
            f"none of the {len(counted)} ids in the hypotheses of {condition} is among the {len(ids)} of the test split, e.g. "
            f"{names[0]!r} and {ids[0]!r}; give the part that they share with `hypotheses: {{id: REGEX}}`"
        )
    if missing:
        raise CommandFailed(
            f"the hypotheses of {condition} lack {len(missing)} of {len(ids)} utterances: {some(missing)}"
        )
    if extra:
        raise CommandFailed(
            f"the hypotheses of {condition} have {len(extra)} utterances that are not in the test split: {some(extra)}"
        )
