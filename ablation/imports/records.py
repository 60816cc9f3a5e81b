"""Formats whose utterances have named values: JSON, JSON Lines (manifests of NeMo), and tables (CSV and TSV)."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ablation.imports.utterances import Utterance, numbered
from common.errors import UserError
from common.hints import did_you_mean

LINE_NUMBER = "#"  # as the key of ids: utterances are numbered
KEYS: Mapping[str, Sequence[str]] = {  # what each value is called, the best name first
    "id": ("utt_id", "utterance_id", "utt", "utterance", "uid", "id", "ID", "key", "segment_id", "cut_id"),
    "ref": ("ref", "reference", "refs", "text", "target", "label", "transcript", "sentence", "ground_truth"),
    "hyp": ("hypo", "hyp", "hypothesis", "pred_text", "prediction", "predicted", "pred", "recognized"),
}
FILE_KEYS = ("audio_filepath", "audio_file", "audio_path", "wav", "file", "path")  # ids are the names of the files
Record = tuple[int, Mapping[str, Any]]


def parse_keys(text: str) -> dict[str, str]:
    """Return the names of the values in `id=utt,ref=text,hyp=pred`. Raises UserError."""
    found: dict[str, str] = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        name, equals, key = item.partition("=")
        if not equals or not key:
            raise UserError(f"--keys is a list like id=utt_id,ref=text,hyp=pred_text, and {item!r} has no `=` and name")
        if name not in KEYS:
            raise UserError(f"--keys names id, ref and hyp, and {name!r} is none of them{did_you_mean(name, KEYS)}")
        if found.setdefault(name, key) != key:
            raise UserError(f"--keys has one name for {name}, got {found[name]!r} and {key!r}; leave out one")
    return found


def read_json(text: str, path: Path, keys: Mapping[str, str]) -> list[Utterance]:
    """Read a list of objects, an object of lists of equal lengths, or an object of objects or texts by id. Raises UserError."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}; correct it, or give its format with --format") from error
    return _utterances(_records(data, path), path, keys)


def read_jsonl(text: str, path: Path, keys: Mapping[str, str]) -> list[Utterance]:
    """Read one JSON object a line. Raises UserError with the line."""
    records: list[Record] = []
    for number, line in numbered(text):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number} is not valid JSON: {error}; correct it") from error
        if not isinstance(value, dict):
            raise UserError(f"{path}: a line is a JSON object, and line {number} is {line.strip()[:60]!r}; correct it")
        records.append((number, value))
    return _utterances(records, path, keys)


def read_csv(text: str, path: Path, keys: Mapping[str, str]) -> list[Utterance]:
    """Read a table with a header, separated by commas. Raises UserError with the line."""
    return _read_table(text, path, keys, ",")


def read_tsv(text: str, path: Path, keys: Mapping[str, str]) -> list[Utterance]:
    """Read a table with a header, separated by tabs. Raises UserError with the line."""
    return _read_table(text, path, keys, "\t")


def _read_table(text: str, path: Path, keys: Mapping[str, str], separator: str) -> list[Utterance]:
    try:
        rows = csv.reader(io.StringIO(text, newline=""), **_dialect(separator))
        head = [name.strip() for name in next(rows, [])]
        records: list[Record] = []
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(head):
                raise UserError(
                    f"{path}: the header has {len(head)} columns, and line {rows.line_num} has {len(row)}; put texts with "
                    f"{'a comma in quotes' if separator == ',' else 'tabs into another format'}"
                )
            records.append((rows.line_num, dict(zip(head, row, strict=True))))
    except csv.Error as error:
        raise UserError(f"{path} is not a table: {error}; correct it, or give its format with --format") from error
    return _utterances(records, path, keys)


def _dialect(separator: str) -> Any:
    """Return the rules of a table. Quotes mean nothing in a table with tabs."""
    quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    return {"delimiter": separator, "quoting": quoting, "strict": True}


def _records(data: Any, path: Path) -> list[Record]:
    if isinstance(data, list):
        return _objects(data, path)
    if not isinstance(data, dict):
        raise UserError(f"{path} is a single value, not a list of utterances; give another file")
    columns = {key: value for key, value in data.items() if isinstance(value, list)}
    if columns:
        lengths = {key: len(value) for key, value in columns.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{key} {length}" for key, length in lengths.items())
            raise UserError(
                f"{path}: all lists have one value per utterance, but their lengths are {said}; decode again"
            )
        rows = zip(*columns.values(), strict=True)
        return [(number, dict(zip(columns, row, strict=True))) for number, row in enumerate(rows, 1)]
    if all(isinstance(value, str) for value in data.values()):
        return [(number, {"utt_id": key, "hypo": value}) for number, (key, value) in enumerate(data.items(), 1)]
    return _objects(
        [{"utt_id": key} | value if isinstance(value, dict) else value for key, value in data.items()], path
    )


def _objects(values: Iterable[Any], path: Path) -> list[Record]:
    records = list(enumerate(values, 1))
    for number, value in records:
        if not isinstance(value, dict):
            raise UserError(f"{path}: utterance {number} is not an object with names: {str(value)[:60]!r}; correct it")
    return records


def _utterances(records: Sequence[Record], path: Path, keys: Mapping[str, str]) -> list[Utterance]:
    """Take id, reference and hypothesis of every record by their names. Raises UserError for a record without one."""
    if not records:
        return []
    chosen = {name: _key(name, records[0][1], path, keys) for name in KEYS}
    texts = {name: _texts(records, chosen[name], path) for name in ("ref", "hyp")}
    ids = _ids(records, chosen["id"], path)
    return [
        Utterance(name, number, heard, said)
        for name, (number, _), heard, said in zip(ids, records, texts["hyp"], texts["ref"], strict=True)
    ]


def _key(name: str, first: Mapping[str, Any], path: Path, keys: Mapping[str, str]) -> str | None:
    """Return the name that a value has in this file; None if it has none and need not."""
    if name in keys:
        if keys[name] not in first and not (name == "id" and keys[name] == LINE_NUMBER):
            raise UserError(
                f"{path} has no {keys[name]!r}, which --keys names for {name}{did_you_mean(keys[name], map(str, first))}"
            )
        return keys[name]
    others = FILE_KEYS if name == "id" else ()
    known = next((key for key in (*KEYS[name], *others) if key in first and key not in keys.values()), None)
    if known is None and name == "id":
        raise UserError(
            f"{path} has no ids: its names are {', '.join(map(str, first))}; name them with --keys id=NAME, or number the "
            f"utterances with --keys id={LINE_NUMBER}"
        )
    return known


def _ids(records: Sequence[Record], key: str | None, path: Path) -> list[str]:
    if key == LINE_NUMBER or key is None:
        return [f"{place:06d}" for place in range(1, len(records) + 1)]
    names = [_text(record, key, path).strip() for record in records]
    if key not in FILE_KEYS:
        return names
    stems = [PurePosixPath(name).stem for name in names]
    return stems if len(set(stems)) == len(stems) else names


def _texts(records: Sequence[Record], key: str | None, path: Path) -> list[str] | list[None]:
    return [None] * len(records) if key is None else [_text(record, key, path) for record in records]


def _text(record: Record, key: str, path: Path) -> str:
    number, values = record
    value = values.get(key)
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise UserError(f"{path}: {key!r} of utterance or line {number} is a text, got {value!r}; correct it")
