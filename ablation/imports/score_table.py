"""The table of `--scores`: CSV, TSV, JSON Lines or Parquet, with its columns checked."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ablation.imports.utterances import numbered, read_text, some
from common.errors import UserError

ARM, SEED, CONDITION, METRIC, VALUE, ITEM = "arm", "seed", "condition", "metric", "value", "item"
NEEDED, OPTIONAL = (ARM, SEED, VALUE), (CONDITION, METRIC, ITEM)
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
MOST_SEED = 10**18


def read_table(path: Path) -> pd.DataFrame:
    """Return a table with arm, seed and value, and those columns of condition, metric and item that it has. Raises UserError."""
    if not path.is_file():
        raise UserError(f"--scores: there is no file {path}; give a table as .csv, .tsv, .jsonl or .parquet")
    suffix = path.suffix.casefold()
    if suffix == ".parquet":
        table = _parquet(path)
    else:
        text = read_text(path)
        if not text.strip():
            raise UserError(f"{path} is empty: 0 values; write a row per arm, seed and condition")
        lines = suffix in (".jsonl", ".ndjson") or text.lstrip().startswith("{")
        table = _json_lines(text, path) if lines else _separated(text, path, "\t" if _has_tabs(text, suffix) else ",")
    return check_columns(table, str(path), numbers="line" if suffix != ".parquet" else "row")


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except Exception as error:  # pyarrow's errors are of many types
        raise UserError(
            f"{path} is not a Parquet file that can be read; write it again, or name it as what it is"
        ) from error


def _has_tabs(text: str, suffix: str) -> bool:
    return suffix == ".tsv" or (suffix != ".csv" and "\t" in text.splitlines()[0])


def _separated(text: str, path: Path, separator: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        kind = "separated by tabs" if separator == "\t" else "separated by commas"
        raise UserError(f"{path} is not a table {kind}: {_first_line(error)}; correct that line") from error
    if len(table.columns) == 1 and ";" in str(table.columns[0]):
        raise UserError(f"{path} is separated by semicolons; save it with commas, and with points in numbers")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first columns of longer rows as labels
        raise UserError(
            f"{path} has rows with more values than its header has names; correct the header, and write points in numbers"
        )
    return table


def _json_lines(text: str, path: Path) -> pd.DataFrame:
    rows = []
    for number, line in numbered(text):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}: line {number} is not valid JSON: {error}; correct it") from error
        if not isinstance(row, dict):
            raise UserError(f'{path}: a line is an object such as {{"arm": ...}}, and line {number} is {line[:40]!r}')
        rows.append(row)
    return pd.DataFrame(rows)


def check_columns(table: pd.DataFrame, source: str, *, numbers: str = "row") -> pd.DataFrame:
    """Return the known columns of a table, with seeds as integers and values as finite floats. Raises UserError."""
    names = {str(name).strip().casefold(): name for name in table.columns}
    for needed in NEEDED:
        if needed not in names:
            has = some([str(name) for name in table.columns], 8) or "none"
            raise UserError(
                f"{source} needs the columns {', '.join(NEEDED)}, and it lacks {needed!r}; it has {has}: write one value per row, "
                "and the name of its metric into the column metric"
            )
    if not len(table):
        raise UserError(f"{source} has a header and 0 values; write a row per arm, seed and condition")
    chosen = [name for name in (*NEEDED, *OPTIONAL) if name in names]
    found = table[[names[name] for name in chosen]].set_axis(chosen, axis=1)
    found = found.assign(line=np.arange(len(found)) + (2 if numbers == "line" else 1))
    for name in chosen:
        _check_filled(found, name, source, numbers)
    texts = {name: found[name].map(str).str.strip() for name in chosen if name not in (SEED, VALUE)}
    return found.assign(
        **texts,
        **{SEED: _seeds(found, source, numbers), VALUE: _values(found, source, numbers)},
    ).drop(columns="line")


def _check_filled(table: pd.DataFrame, name: str, source: str, numbers: str) -> None:
    empty = table[name].isna() | (table[name].map(str).str.strip() == "")
    if empty.any():
        raise UserError(
            f"{source} has a {name} in every row, but {int(empty.sum())} of {len(table)} rows have none, e.g. {numbers} "
            f"{_lines(table[empty])}; fill them in"
        )


def _seeds(table: pd.DataFrame, source: str, numbers: str) -> pd.Series:
    seeds = pd.to_numeric(table[SEED], errors="coerce")
    wrong = seeds.isna() | (seeds != seeds.round()) | (seeds < 0) | (seeds >= MOST_SEED)
    if wrong.any():
        first = table[wrong].iloc[0]
        raise UserError(
            f"{source}: a seed is a whole number of at most 18 digits, and {numbers} {first['line']} has {str(first[SEED])!r}; "
            "number the seeds"
        )
    return seeds.astype("int64")


def _values(table: pd.DataFrame, source: str, numbers: str) -> pd.Series:
    values = pd.to_numeric(
        table[VALUE].where(~table[VALUE].map(lambda value: isinstance(value, bool))), errors="coerce"
    )
    wrong = ~np.isfinite(values.astype(float))
    if not wrong.any():
        return values.astype(float)
    first = table[wrong].iloc[0]
    given = str(first[VALUE])
    remedy = (
        "write the number without its unit" if given.rstrip().endswith("%") else "correct it, or leave that trial out"
    )
    if "," in given:
        remedy = "write a point in place of the comma"
    raise UserError(
        f"{source}: a value is a finite number, but {int(wrong.sum())} of {len(table)} are not, e.g. {given!r} in {numbers} "
        f"{first['line']}; {remedy}"
    )


def _lines(rows: pd.DataFrame, most: int = 3) -> str:
    named: Sequence[str] = [str(number) for number in rows["line"][:most]]
    return ", ".join(named) + (", ..." if len(rows) > most else "")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
