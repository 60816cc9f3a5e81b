"""Figures as PDF pages for LaTeX, drawn by matplotlib with the colours and dashes of the page's light scheme.

Writing them needs no LaTeX. The import of matplotlib takes about as long as drawing a usual report, so it happens on use.
"""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablation.report.figures.layout import draw
from ablation.report.figures.spec import Figure, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

    from ablation.report.figures.pdf_canvas import PdfCanvas

LARGE_CM, SMALL_CM = 13.0 / 520, 8.4 / 420  # per pixel
COLUMNS, GAP = 2, 15  # of small figures, and pixels between two columns or rows
TITLE, LEGEND, SWATCH, LEGEND_GAP = 18, 20, 40, 18  # pixels


@dataclass(frozen=True)
class Panel:
    """A figure with a title, which may be empty."""

    figure: Figure
    title: str = ""


@dataclass(frozen=True)
class Page:
    """Panels of one size under a common legend of (label, series number); `small` ones stand two in a row."""

    panels: Sequence[Panel]
    legend: Sequence[tuple[str, int]] = ()
    small: bool = False

    @property
    def columns(self) -> int:
        """The number of panels in a row."""
        return min(COLUMNS, len(self.panels)) if self.small else 1

    @property
    def width(self) -> int:
        """The width of the page in pixels."""
        return max(panel.figure.width for panel in self.panels) * self.columns + GAP * (self.columns - 1)


def to_pdf(pages: Sequence[Page]) -> bytes:
    """Return a PDF with a page per float; the same pages give the same bytes."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it reports the first use of its font cache
    import matplotlib
    from matplotlib.backends.backend_pdf import PdfPages

    file = io.BytesIO()
    with (
        matplotlib.rc_context({"pdf.fonttype": 42, "lines.scale_dashes": False}),  # publishers refuse Type 3 fonts
        PdfPages(file, metadata={"CreationDate": None}) as pdf,
    ):
        for page in pages:
            pdf.savefig(drawn(page))
    return file.getvalue()


def drawn(page: Page) -> "Drawn":
    """Return a page as matplotlib's figure: the legend above, then the panels row by row."""
    from ablation.report.figures.pdf_canvas import PdfCanvas

    columns, titled = page.columns, TITLE * any(panel.title for panel in page.panels)
    rows = [page.panels[start : start + columns] for start in range(0, len(page.panels), columns)]
    heights = [titled + GAP * (len(rows) > 1) + max(panel.figure.height for panel in row) for row in rows]
    canvas = PdfCanvas(SMALL_CM if page.small else LARGE_CM)
    legend = _legend_lines(page, canvas)
    top = LEGEND * len(legend)
    _draw_legend(legend, page.width, canvas)
    for row, height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            left = column * (panel.figure.width + GAP)
            canvas.origin = (left, top)
            if panel.title:
                canvas.text(6, 12, panel.title, anchor="start")
            canvas.origin = (left, top + titled)
            draw(panel.figure, canvas)
        top += height
    return canvas.finish(page.width, top)


def _legend_lines(page: Page, canvas: "PdfCanvas") -> list[list[tuple[str, int, float]]]:
    """Label, series number and width in pixels of each entry, in lines that fit on the page."""
    lines, used = list[list[tuple[str, int, float]]](), 0.0
    for label, number in page.legend:
        words = short(label, 60)
        width = SWATCH + 6 + canvas.measure(words) + LEGEND_GAP
        if not lines or used + width > page.width:
            lines, used = [*lines, []], 0
        lines[-1].append((words, number, width))
        used += width
    return lines


def _draw_legend(lines: Sequence[Sequence[tuple[str, int, float]]], width: float, canvas: "PdfCanvas") -> None:
    for row, line in enumerate(lines):
        left = (width - sum(taken for _, _, taken in line) + LEGEND_GAP) / 2
        for words, number, taken in line:
            canvas.origin = (left, LEGEND * row)
            with canvas.group(number):
                canvas.line([(1, 8), (SWATCH - 1, 8)])
                canvas.mark(SWATCH / 2, 8)
            canvas.text(SWATCH + 6, 12, words, anchor="start")
            left += taken
