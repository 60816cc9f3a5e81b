"""The small copy of a study for version control: from it, `ablate report` writes the same page on any machine."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ablation.records import Archived, Study
from ablation.report.build import writable
from ablation.report.examples import PER_ARM, choose
from ablation.results import (
    COUNTS_FILE,
    CURVES_FILE,
    STUDY,
    TEXTS,
    read_all_counts,
    read_curves,
    read_study,
    write_study,
)
from common.errors import UserError

LARGEST_CURVES_BYTES = 500_000  # version control keeps every file for ever
KEYS = ["arm", "seed", "condition", "utterance_id"]
WITH_PATHS = {"corpus", "settings", "provenance", "imported"}  # keys of study.json that can have paths
# A path from the root, maybe after a scheme: its folders up to the last name, or to the first one with a {field}.
FROM_ROOT = re.compile(r"((?:[a-z][\w+.-]*://)?)/(?:[^/{?]+/)*([^/].*)")


def archive(study_dir: Path, out: Path) -> list[Path]:
    """Write `study.json`, `counts.parquet` and, if it is small, `curves.parquet` into `out`, and return their paths.

    The counts keep the texts of the report's examples only. Addresses and ids of this machine's MLflow are left out. An archive
    that is in `out` is replaced. Raises UserError.
    """
    study, counts = read_study(study_dir), read_all_counts(study_dir)
    _check_out(study_dir, out)
    with writable(out, "an archive", "--archive"), TemporaryDirectory(dir=out, prefix=".archive-") as temporary:
        folder = Path(temporary)
        _write(_few_texts(study, counts), folder / COUNTS_FILE)
        if study.imported is None:
            _write_small(read_curves(study_dir), folder / CURVES_FILE)
        write_study(_record(study), folder)
        (out / CURVES_FILE).unlink(missing_ok=True)
        names = sorted((file.name for file in folder.iterdir()), key=lambda name: (name == STUDY, name))
        return [(folder / name).replace(out / name) for name in names]


def _check_out(study_dir: Path, out: Path) -> None:
    """Refuse a folder with a study that is not an archive."""
    if (out / STUDY).is_file() and (study_dir.resolve() == out.resolve() or read_study(out).archived is None):
        raise UserError(f"an archive never replaces a study, and {out} holds one; give another folder")


def _few_texts(study: Study, counts: pd.DataFrame) -> pd.DataFrame:
    """Leave out all texts but those of the examples that the report shows."""
    if not {*TEXTS} <= {*counts} or not study.metric().is_rate:
        return counts
    chosen = choose(counts, study.baseline, [arm.arm for arm in study.arms], PER_ARM)
    shown = {
        (arm, each.seed, each.condition, each.utterance_id) for each in chosen for arm in (study.baseline, each.arm)
    }
    kept = pd.MultiIndex.from_frame(counts[KEYS]).isin(list(shown))
    return counts.assign(**{name: counts[name].where(kept, None) for name in TEXTS})


def _record(study: Study) -> Study:
    """Return the record without what is true on one machine only, with the sums of the study's own tables."""
    sums = {name: found for name, found in study.sha256.items() if name != STUDY}
    written = study.model_dump(exclude={"mlflow"})
    written |= {key: _without_folders(written[key]) for key in WITH_PATHS}
    none = dict.fromkeys(("run_id", "model_id", "untracked", "unusable"))
    written["trials"] = [trial | none for trial in written["trials"]]
    return Study.model_validate(written | {"archived": study.archived or Archived(tables=sums)})


def _without_folders(value: Any) -> Any:
    """Shorten paths from the root, such as `grid:///home/me/grid` to `grid://.../grid`."""
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    found = FROM_ROOT.fullmatch(value) if isinstance(value, str) else None
    return f"{found[1]}.../{found[2]}" if found else value


def _write_small(curves: pd.DataFrame, path: Path) -> None:
    _write(curves, path)
    if path.stat().st_size > LARGEST_CURVES_BYTES:
        path.unlink()


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False, compression="zstd", compression_level=19)
