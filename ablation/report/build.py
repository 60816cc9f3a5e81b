"""Write a study's report beside its counts. Reads only the study's folder; trains nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ablation.errors import UserError
from ablation.hints import did_you_mean
from ablation.report.content import Content, load
from ablation.report.markdown import headline, to_markdown
from ablation.report.page import to_html


def _to_csv(content: Content) -> str:
    return content.comparison.to_csv(index=False, lineterminator="\n")


WRITERS: dict[str, Callable[[Content], str]] = {"html": to_html, "md": to_markdown, "csv": _to_csv}


def build(study_dir: Path, formats: Sequence[str] = ("html", "md", "csv")) -> list[Path]:
    """Write `report.<format>` into the study's folder and return the paths, in the order asked for.

    Raises UserError for a folder that holds no study and for an unknown format.
    """
    for name in formats:
        if name not in WRITERS:
            raise UserError(f"unknown report format {name!r}{did_you_mean(name, WRITERS)}")
    content = load(study_dir)
    return [_write(study_dir / f"report.{name}", WRITERS[name](content)) for name in formats]


def headline_markdown(study_dir: Path) -> str:
    """The question and the verdicts as Markdown, short enough to stand on the study's run in MLflow."""
    return headline(load(study_dir))


def _write(path: Path, text: str) -> Path:
    """Written beside and moved into place, so that a reader never meets half a report."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    return beside.replace(path)
