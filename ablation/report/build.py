"""Writing of a study's report into its folder or another one. Reads only the study's folder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ablation.report import changes
from ablation.report.blocks import Document
from ablation.report.content import Content, load
from ablation.report.document import document, opening
from ablation.report.formats.data import to_csv, to_json
from ablation.report.formats.html import to_html
from ablation.report.formats.latex import FIGURES, figures_pdf, to_latex
from ablation.report.formats.markdown import headline, to_markdown
from common.errors import UserError
from common.files import atomic_write
from common.hints import did_you_mean


@dataclass(frozen=True)
class Format:
    """How the report of a study is written in a format, and how the changes between two studies are."""

    report: Callable[[Content, Document], str]
    changes: Callable[[changes.Changes, Document], str]


def _page(write: Callable[[Document], str]) -> Format:
    """Return a format that is made of the document alone."""
    return Format(lambda _, document: write(document), lambda _, document: write(document))


WRITERS: Mapping[str, Format] = {
    "html": _page(to_html),
    "md": _page(to_markdown),
    "tex": _page(to_latex),
    "csv": Format(lambda content, _: to_csv(content), lambda found, _: changes.to_csv(found)),
    "json": Format(lambda content, _: to_json(content), lambda found, _: changes.to_json(found)),
}
FORMATS = tuple(WRITERS)


def build(study_dir: Path, formats: Sequence[str] = FORMATS, out: Path | None = None) -> list[Path]:
    """Write `report.<format>` into `out`, by default the study's folder, and return the paths, in the order of `formats`.

    Raises UserError for a folder without a study, for an unknown format, and for a folder that cannot be written to.
    """
    check_formats(formats)
    content = load(study_dir)
    with writable(out or study_dir) as folder:
        return write_all(content, folder, formats)


@contextmanager
def writable(folder: Path, thing: str = "a report", option: str = "--out") -> Iterator[Path]:
    """Make the folder, and turn an OSError of the block into UserError: a checkout or a shared result may be read-only."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as error:
        rule = f"{thing} goes to a folder that can be written to, and {folder} cannot"
        raise UserError(f"{rule} ({error.strerror or error}); give another folder by {option}") from error


def write_all(content: Content, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write the report of a study that is loaded already."""
    written = document(content)
    figures = write_figures(folder / FIGURES, written) if "tex" in formats else []
    texts = [atomic_write(folder / f"report.{name}", WRITERS[name].report(content, written)) for name in formats]
    return texts + figures


def write_figures(path: Path, written: Document) -> list[Path]:
    """Write the figures that `report.tex` includes. Without any, remove those of an earlier report."""
    pages = figures_pdf(written)
    if pages is None:
        path.unlink(missing_ok=True)
        return []
    return [atomic_write(path, pages)]


def build_changes(
    earlier_dir: Path, later_dir: Path, formats: Sequence[str] = FORMATS, out: Path | None = None
) -> list[Path]:
    """Write `changes-since-<earlier study>.<format>` into `out`, by default the later study's folder, and return the paths.

    Raises UserError for studies that cannot be compared, and as `build` does.
    """
    check_formats(formats)
    found = changes.changes(earlier_dir, later_dir)
    written = changes.document(found)
    stem = f"changes-since-{found.earlier.study}"
    with writable(out or later_dir) as folder:
        return [atomic_write(folder / f"{stem}.{name}", WRITERS[name].changes(found, written)) for name in formats]


def check_formats(formats: Sequence[str]) -> None:
    """Raise UserError for an unknown format."""
    for name in formats:
        if name not in WRITERS:
            raise UserError(f"unknown report format {name!r}{did_you_mean(name, WRITERS)}")


def headline_markdown(content: Content) -> str:
    """Return the question and the verdicts as Markdown, short enough for the description of the study's run in MLflow."""
    return headline(opening(content))
