"""Import of results: from hypothesis files to the folder of a judged study."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ablation.imports.options import Options
from ablation.imports.study import check_out, gather
from ablation.report.build import write_all
from ablation.report.content import load
from ablation.results import COUNTS_FILE, STUDY, write_study
from common.errors import UserError


def import_results(hyp: str | Sequence[str], out: Path, options: Options | None = None) -> list[Path]:
    """Write the study folder `out` from the hypothesis files of one or more patterns, and return the paths of its report.

    The folder gets `counts.parquet`, `study.json` and `report.*`. It replaces an imported study, and nothing else. Raises
    UserError in one sentence, and writes nothing then.
    """
    patterns = [hyp] if isinstance(hyp, str) else list(hyp)
    out = Path(out)
    check_out(out)
    study, counts = gather(patterns, out.resolve().name, options or Options())
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
