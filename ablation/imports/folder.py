"""Import of results: from hypothesis files to the folder of a judged study."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ablation.imports.options import Options
from ablation.imports.scored_study import gather_scores
from ablation.imports.study import check_out, gather
from ablation.records import Study
from ablation.report.build import write_all
from ablation.report.content import load
from ablation.results import COUNTS_FILE, STUDY, write_study
from common.errors import UserError


def import_results(
    hyp: str | Sequence[str] | None,
    out: Path,
    options: Options | None = None,
    *,
    scores: Path | None = None,
    track: Callable[[Study], dict[str, Any]] | None = None,
) -> list[Path]:
    """Write the study folder `out` from the hypothesis files of one or more patterns, or from a table of scores.

    Return the paths of its report. The folder gets `counts.parquet`, `study.json` and `report.*`. It replaces an imported
    study, and nothing else. `track` returns the study's place in MLflow, before the folder is written. Raises UserError in one
    sentence, and writes nothing then.
    """
    patterns = [hyp] if isinstance(hyp, str) else list(hyp or [])
    out, chosen = Path(out), options or Options()
    if bool(patterns) == (scores is not None):
        given = "both are given" if patterns else "neither is given"
        raise UserError(f"results come from --hyp PATTERN or from --scores FILE, and {given}; give one of them")
    check_out(out)
    name = out.resolve().name
    study, counts = gather(patterns, name, chosen) if scores is None else gather_scores(scores, name, chosen)
    return _write(study.model_copy(update={"mlflow": track(study)}) if track else study, counts, out)


def _write(study: Study, counts: pd.DataFrame, out: Path) -> list[Path]:
    """Write all files to a temporary folder, then move them, the record last."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
            folder = Path(temporary)
            counts.to_parquet(folder / COUNTS_FILE, index=False)
            write_study(study, folder)
            names = [path.name for path in write_all(load(folder), folder)]
            out.mkdir(exist_ok=True)
            for file in sorted(folder.iterdir(), key=lambda file: (file.name == STUDY, file.name)):
                file.replace(out / file.name)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}); give another --out") from error
    return [out / name for name in names]
