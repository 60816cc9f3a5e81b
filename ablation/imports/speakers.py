"""Speakers of utterances: from the ids by a regular expression, or from a file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ablation.imports.options import Options, compiled, part_of
from ablation.imports.utterances import numbered, read_text, some
from common.errors import UserError

UNKNOWN = ""


def speakers_of(ids: Sequence[str], options: Options) -> Mapping[str, str]:
    """Return utterance id -> speaker; all have the empty speaker if nothing is said of them. Raises UserError."""
    if options.speaker is not None:
        pattern = compiled("speaker", options.speaker)
        assert pattern is not None
        return {name: part_of(pattern, name, "speaker") for name in ids}
    if options.speakers is None:
        return dict.fromkeys(ids, UNKNOWN)
    known = read_map(options.speakers)
    if without := [name for name in ids if name not in known]:
        raise UserError(
            f"--speakers: {options.speakers} lacks {len(without)} of {len(ids)} utterances, e.g. {some(without)}; add them"
        )
    return {name: known[name] for name in ids}


def read_map(path: Path) -> dict[str, str]:
    """Read `utterance speaker` lines, as Kaldi's utt2spk, or with a comma or tab between. Raises UserError with the line."""
    if not path.is_file():
        raise UserError(f"--speakers: there is no file {path}; give a file of `utterance speaker` lines")
    found: dict[str, str] = {}
    for number, line in numbered(read_text(path)):
        parts = re.split(r"\s*[,\t]\s*|\s+", line.strip())
        if len(parts) != 2:
            raise UserError(
                f"--speakers: {path}: line {number} is `utterance speaker`, got {line.strip()[:60]!r}; correct it"
            )
        if found.setdefault(*parts) != parts[1]:
            raise UserError(
                f"--speakers: {path}: line {number} gives {parts[0]!r} a second speaker; remove one of them"
            )
    return found
