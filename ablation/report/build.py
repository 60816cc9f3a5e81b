"""Write a study's report beside its counts. Reads only the study's folder; trains nothing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ablation.report import changes
from ablation.report.blocks import Document
from ablation.report.content import Content, load
from ablation.report.document import document
from ablation.report.formats.data import to_csv, to_json
from ablation.report.formats.html import to_html
from ablation.report.formats.latex import FIGURES, figures_pdf, to_latex
from ablation.report.formats.markdown import headline, to_markdown
from common.errors import UserError
from common.files import atomic_write
from common.hints import did_you_mean

WRITERS: Mapping[str, Callable[[Content, Document], str]] = {
    "html": lambda _, document: to_html(document),
    "md": lambda _, document: to_markdown(document),
    "tex": lambda _, document: to_latex(document),
    "csv": lambda content, _: to_csv(content),
    "json": lambda content, _: to_json(content),
}
FORMATS = tuple(WRITERS)


def build(study_dir: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write `report.<format>` into the study's folder and return the paths, in the order asked for.

    Raises UserError for a folder that holds no study and for an unknown format.
    """
    check_formats(formats)
    return write_all(load(study_dir), study_dir, formats)


def write_all(content: Content, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """The same for a study that has been read already."""
    written = document(content)
    figures = write_figures(folder / FIGURES, written) if "tex" in formats else []
    texts = [write(folder / f"report.{name}", WRITERS[name](content, written)) for name in formats]
    return texts + figures


def write_figures(path: Path, written: Document) -> list[Path]:
    """Write the figures that `report.tex` includes. Without any, remove those of an earlier report."""
    pages = figures_pdf(written)
    if pages is None:
        path.unlink(missing_ok=True)
        return []
    return [atomic_write(path, pages)]


def build_changes(earlier_dir: Path, later_dir: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write `changes-since-<earlier study>.<format>` into the later study's folder and return the paths.

    Raises UserError for studies that cannot be compared, besides what `build` raises.
    """
    check_formats(formats)
    found = changes.changes(earlier_dir, later_dir)
    written = changes.document(found)
    texts: Mapping[str, Callable[[], str]] = {
        "html": lambda: to_html(written),
        "md": lambda: to_markdown(written),
        "tex": lambda: to_latex(written),
        "csv": lambda: changes.to_csv(found),
        "json": lambda: changes.to_json(found),
    }
    stem = f"changes-since-{found.earlier.study}"
    return [write(later_dir / f"{stem}.{name}", texts[name]()) for name in formats]


def check_formats(formats: Sequence[str]) -> None:
    """Raises UserError for an unknown one."""
    for name in formats:
        if name not in WRITERS:
            raise UserError(f"unknown report format {name!r}{did_you_mean(name, WRITERS)}")


def headline_markdown(content: Content) -> str:
    """The question and the verdicts as Markdown, short enough to stand on the study's run in MLflow."""
    return headline(document(content))


def write(path: Path, text: str) -> Path:
    """Written beside and moved into place, so that a reader never meets half a report."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    return beside.replace(path)
