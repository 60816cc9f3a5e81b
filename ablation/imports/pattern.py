"""Patterns of files, such as `exp/{arm}/seed{seed}/{condition}.trn`, and the files that they find.

A field is one part of a name, without a slash. `*` is anything in a name, `**` any folders.
"""

import glob
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation.imports.utterances import some
from common.conditions import CLEAN
from common.errors import UserError
from common.hints import did_you_mean

FIELDS = ("arm", "seed", "condition")
SEED = "[0-9]{1,18}"  # fits into 64 bits
ONLY_SEED = 1  # of patterns without a seed
_TOKEN = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<folders>\*\*/)|(?P<any>\*)")


@dataclass(frozen=True)
class TrialFile:
    """A file with the hypotheses of one trial in one condition."""

    arm: str
    seed: int
    condition: str
    path: Path

    @property
    def key(self) -> tuple[str, int, str]:
        """The trial and the condition."""
        return self.arm, self.seed, self.condition


def find_files(patterns: Sequence[str]) -> list[TrialFile]:
    """Return the files of all patterns. Raises UserError for a pattern without any, and for two files with the same fields."""
    found = [file for pattern in patterns for file in _files_of(pattern)]
    known: dict[tuple[str, int, str], Path] = {}
    for file in found:
        other = known.setdefault(file.key, file.path)
        if other != file.path:
            raise UserError(
                f"each trial has one file per condition, but {other} and {file.path} are both arm {file.arm!r}, seed "
                f"{file.seed}, condition {file.condition!r}; make the pattern narrower, or move one of them"
            )
    return [TrialFile(*key, path) for key, path in known.items()]


def fill(pattern: str, condition: str) -> Path:
    """Return the path of a reference pattern for one condition."""
    unknown = [found["field"] for found in _TOKEN.finditer(pattern) if found["field"] not in (None, "condition")]
    if unknown:
        raise UserError(f"--ref may have the field {{condition}} only, and {pattern!r} has {{{unknown[0]}}}; remove it")
    return Path(pattern.replace("{condition}", condition)).expanduser()


def _files_of(pattern: str) -> list[TrialFile]:
    pattern = str(Path(pattern).expanduser())
    _check_fields(pattern)
    hits = [Path(hit) for hit in sorted(glob.glob(_as_glob(pattern), recursive=True))]  # noqa: PTH207 (absolute patterns)
    try:
        files = [hit for hit in hits if hit.is_file()]
        found = [file for hit in files if (file := _trial_file(pattern, hit)) is not None]
        if not found:
            raise UserError(f"--hyp {pattern!r} matches 0 files: {_nearest(pattern)}; correct the pattern")
    except OSError as error:
        raise UserError(
            f"--hyp {pattern!r}: {error.filename} cannot be read ({error.strerror}); correct its permissions"
        ) from error
    return found


def _check_fields(pattern: str) -> None:
    fields = [found["field"] for found in _TOKEN.finditer(pattern) if found["field"] is not None]
    for field in fields:
        if field not in FIELDS:
            raise UserError(f"--hyp {pattern!r} has an unknown field {{{field}}}{did_you_mean(field, FIELDS)}")
    if "arm" not in fields:
        raise UserError(f"--hyp needs the field {{arm}}, and {pattern!r} has none; put it where the arm's name stands")


def _trial_file(pattern: str, path: Path) -> TrialFile | None:
    """Return the fields of a path. None if a field that occurs twice differs."""
    readings = [_fields(pattern, path, lazy=lazy) for lazy in (False, True)]
    first, second = readings
    if first is None or second is None:
        if _fields(pattern, path, seed="[^/]+"):
            raise UserError(
                f"--hyp {pattern!r}: a seed is a whole number of at most 18 digits, and {path} has another text there; rename it"
            )
        return None
    if first != second:
        said = " or ".join(", ".join(f"{name} {value!r}" for name, value in each.items()) for each in (second, first))
        raise UserError(
            f"--hyp {pattern!r} matches {path} in two ways: {said}; put the fields into folders of their own, or write out what "
            "a * stands for"
        )
    return TrialFile(first["arm"], int(first.get("seed", ONLY_SEED)), first.get("condition", CLEAN), path)


def _fields(pattern: str, path: Path, *, lazy: bool = False, seed: str = SEED) -> Mapping[str, str] | None:
    ending = "?" if lazy else ""
    texts = {"arm": f"[^/]+{ending}", "condition": f"[^/]+{ending}", "seed": f"{seed}{ending}"}
    seen: set[str] = set()

    def part(found: re.Match[str]) -> str:
        field = found["field"]
        if field is None:
            return "(?:.*/)?" if found["folders"] else "[^/]*"
        if field in seen:
            return f"(?P={field})"
        seen.add(field)
        return f"(?P<{field}>{texts[field]})"

    parts = re.fullmatch(_translated(pattern, part), path.as_posix())
    return parts.groupdict() if parts else None


def _translated(pattern: str, part: Callable[[re.Match[str]], str]) -> str:
    """Return a regular expression: fields and stars by `part`, everything else as it is."""
    pieces, end = [], 0
    for found in _TOKEN.finditer(pattern):
        pieces += [re.escape(pattern[end : found.start()]), part(found)]
        end = found.end()
    return "".join([*pieces, re.escape(pattern[end:])])


def _as_glob(pattern: str) -> str:
    pieces, end = [], 0
    for found in _TOKEN.finditer(pattern):
        pieces += [glob.escape(pattern[end : found.start()]), "**/" if found["folders"] else "*"]
        end = found.end()
    return "".join([*pieces, glob.escape(pattern[end:])])


def _nearest(pattern: str) -> str:
    """Say up to where a pattern is right: the last folder that exists, and what is in it."""
    parts = Path(pattern).parts
    for count in range(len(parts) - 1, -1, -1):
        there = [Path(hit) for hit in glob.glob(_as_glob(str(Path(*parts[:count]))))] if count else [Path()]  # noqa: PTH207
        folders = sorted(path for path in there if path.is_dir())
        if folders:
            inside = sorted(path.name for path in folders[0].iterdir())
            named = some(inside) if inside else "nothing"
            return f"{parts[count]!r} matches nothing in {folders[0]}, which has {named}"
    return f"{parts[0]!r} does not exist"
