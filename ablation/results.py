"""The folder of a study, as the step `compare_arms` writes it.

study.json       arms, trials with their status, corpus, provenance, tracking, and the SHA-256 of the tables and of itself
counts.parquet   errors in words and characters per arm, seed, condition and utterance, with the reference and the hypothesis; or
                 the values of a measure per arm, seed, condition and item
curves.parquet   what training logged: arm, seed, step, metric, value; an imported study has none

A file that differs from its SHA-256 is refused. Folders of older versions have no sums and stay readable. An archive is a small
copy for version control (`ablation.report.archive`): it has few texts or none, and may have no curves.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ablation.records import Study
from ablation.stats.measures import ITEMS, VALUE
from ablation.stats.metrics import METRICS, WER
from common.checksums import Damaged, sha256_of
from common.errors import UserError
from common.files import atomic_write
from common.validation import sentence

if TYPE_CHECKING:
    import pandas as pd

STUDY, COUNTS_FILE, CURVES_FILE = "study.json", "counts.parquet", "curves.parquet"
TEXTS = ["reference", "hypothesis"]
KEYS = ["arm", "seed", "condition", "utterance_id", "speaker"]
COUNTS_COLUMNS = [*KEYS, *WER.columns, *TEXTS]
VALUES_COLUMNS = [*KEYS, VALUE, ITEMS]
CURVES_COLUMNS = ["arm", "seed", "step", "metric", "value"]
SUMS = "sha256"  # key of study.json
RUN, IMPORT, ARCHIVE = "ablate run", "ablate import", "ablate report --archive"  # commands that write studies
REMEDIES = {
    RUN: "run the study again: the same `ablate run` command writes the folder again",
    IMPORT: "import the results again: the same `ablate import` command writes the folder again",
    ARCHIVE: "restore the folder from version control, or archive the study again",
}


def detail_columns() -> list[str]:
    """Return the columns that the tables of older studies may lack: those of other metrics than WER, and alignments."""
    return [
        *(column for metric in METRICS.values() if metric is not WER for column in metric.columns),
        *(metric.alignment for metric in METRICS.values() if metric.alignment),
    ]


DETAIL_COLUMNS = detail_columns()


def read_study(folder: Path) -> Study:
    """Read a study's `study.json`. Raises UserError if it is missing or cannot be read, or is not what was written."""
    path = folder / STUDY
    if not path.is_file():
        raise UserError(
            f"no study in {folder}: {STUDY} is missing; give the folder that `ablate run` or `ablate import` printed"
        )
    writer = _writer(folder)
    try:
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            raise Damaged(f"{path} is empty; {REMEDIES[writer]}")
        written = json.loads(text)
        _check_record(path, written, writer)
        return Study.model_validate(written)
    except ValidationError as error:
        raise UserError(f"{path} is not what `{writer}` writes: {sentence(error)}; {REMEDIES[writer]}") from error
    except UserError:
        raise
    except UnicodeDecodeError as error:
        raise Damaged(f"{path} is not UTF-8 text (byte {error.start + 1}); {REMEDIES[writer]}") from error
    except RecursionError as error:
        raise Damaged(f"{path} is not what `{writer}` writes: it is nested too deeply; {REMEDIES[writer]}") from error
    except ValueError as error:
        raise Damaged(f"{path} is not valid JSON: {error}; {REMEDIES[writer]}") from error


def _writer(folder: Path) -> str:
    """Return the command that wrote a study. If its record does not say so, its files do: an import writes no curves."""
    try:
        written = json.loads((folder / STUDY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        written = None
    if isinstance(written, dict) and written.get("archived"):
        return ARCHIVE
    if isinstance(written, dict) and "imported" in written:
        return IMPORT if written["imported"] else RUN
    return IMPORT if (folder / COUNTS_FILE).is_file() and not (folder / CURVES_FILE).is_file() else RUN


def _check_record(path: Path, written: Any, writer: str) -> None:
    """Compare study.json with its own sum, if it has one."""
    sums = written.get(SUMS) if isinstance(written, dict) else None
    if isinstance(sums, dict) and sums and sums.get(STUDY) != _own_sum(written):
        raise Damaged(f"{path} was changed after `{writer}` wrote it: its SHA-256 differs; {REMEDIES[writer]}")


def _own_sum(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record in canonical JSON, without its own sum."""
    sums = {name: value for name, value in (record.get(SUMS) or {}).items() if name != STUDY}
    text = json.dumps({**record, SUMS: sums}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_study(study: Study, folder: Path) -> Path:
    """Write `study.json` as a whole, with the sums of the folder's tables, and return its path. Write the other files first."""
    tables = [folder / name for name in (COUNTS_FILE, CURVES_FILE) if (folder / name).is_file()]
    record = study.model_dump() | {SUMS: {table.name: sha256_of(table) for table in tables}}
    record = json.loads(json.dumps(record))  # as it will be read: keys are text
    record[SUMS][STUDY] = _own_sum(record)
    return atomic_write(folder / STUDY, json.dumps(record, indent=1) + "\n")


def read_counts(folder: Path) -> "pd.DataFrame":
    """Read the errors of all finished trials, one row per arm, seed, condition and utterance; without the texts.

    The `detail_columns` are included if the study's version wrote them. Of a study with a measure, read its values. Raises
    UserError.
    """
    wanted = [column for column in COUNTS_COLUMNS if column not in TEXTS]
    if (folder / STUDY).is_file() and read_study(folder).measure is not None:
        return _read_table(folder / COUNTS_FILE, VALUES_COLUMNS)
    return _read_table(folder / COUNTS_FILE, wanted, optional=detail_columns())


def read_texts(folder: Path, utterances: Sequence[str]) -> "pd.DataFrame":
    """Read references and hypotheses of some utterances only, as all texts of a large study would fill the memory.

    Rows whose texts were left out, as in an archive, are left out here, too. Raises UserError.
    """
    keys = ["arm", "seed", "condition", "utterance_id"]
    chosen = [("utterance_id", "in", list(utterances))]
    table = _read_table(folder / COUNTS_FILE, keys, chosen, optional=TEXTS)
    return table.reindex(columns=[*keys, *TEXTS]).dropna(subset=TEXTS)


def read_all_counts(folder: Path) -> "pd.DataFrame":
    """Read all columns of the counts or values, texts included, as they were written. Raises UserError."""
    import pandas as pd

    read_counts(folder)  # for its checks
    return pd.read_parquet(folder / COUNTS_FILE)


def read_curves(folder: Path) -> "pd.DataFrame":
    """Read what training logged, one row per arm, seed, step and metric, failed trials included.

    An archive may have none. Raises UserError.
    """
    import pandas as pd

    if not (folder / CURVES_FILE).is_file() and (folder / STUDY).is_file() and _may_lack_curves(read_study(folder)):
        return pd.DataFrame(columns=CURVES_COLUMNS)
    return _read_table(folder / CURVES_FILE, CURVES_COLUMNS)


def _may_lack_curves(study: Study) -> bool:
    return study.archived is not None and CURVES_FILE not in study.sha256


def _read_table(
    path: Path,
    columns: list[str],
    filters: list[tuple[str, str, Any]] | None = None,
    optional: Sequence[str] = (),
) -> "pd.DataFrame":
    import pandas as pd  # a command that reads study.json alone does not wait for this import
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = _writer(path.parent)
    if not path.is_file():
        raise Damaged(f"the study in {path.parent} is incomplete: {path.name} is missing; {REMEDIES[writer]}")
    _check_table(path)
    try:
        found = pq.read_schema(path).names
        if missing := [column for column in columns if column not in found]:
            raise UserError(f"{path} lacks the columns {', '.join(missing)}; {REMEDIES[writer]}")
        present = [column for column in optional if column in found]
        return pd.read_parquet(path, columns=[*columns, *present], filters=filters)
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"{path} is damaged, it cannot be read as a Parquet file; {REMEDIES[writer]}") from error


def _check_table(path: Path) -> None:
    """Compare a table with its sum in study.json, if there is one."""
    record, writer = path.with_name(STUDY), _writer(path.parent)
    expected = _table_sums(record, *_version(record)).get(path.name) if record.is_file() else None
    if expected and _sum_of(path, *_version(path)) != expected:
        raise Damaged(
            f"{path} was damaged or replaced after `{writer}` wrote it: its SHA-256 differs; {REMEDIES[writer]}"
        )


def _version(path: Path) -> tuple[int, int, int]:
    """Return what changes with the content of a file, so that each content is read once."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=16)
def _table_sums(path: Path, *_version: int) -> Mapping[str, str]:
    return read_study(path.parent).sha256


@lru_cache(maxsize=16)
def _sum_of(path: Path, *_version: int) -> str:
    return sha256_of(path)
