"""Figures of a LaTeX report: floats that include the pages of a PDF file next to the document."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ablation.report.blocks import Pictures
from ablation.report.figures.pdf import Page, Panel
from ablation.report.formats.latex_text import escape

PER_FLOAT = 6  # small figures


@dataclass(frozen=True)
class Float:
    """A page of figures with its caption."""

    page: Page
    caption: str


def floats(block: Pictures) -> list[Float]:
    """Return the floats of a block: large figures one by one, small ones in groups of `PER_FLOAT`.

    A block for the screen alone has none.
    """
    if block.screen_only:
        return []
    step = PER_FLOAT if block.small else 1
    groups = [block.pictures[start : start + step] for start in range(0, len(block.pictures), step)]
    found = []
    for group in groups:
        panels = [Panel(picture.figure, picture.caption if block.small else "") for picture in group]
        caption = block.title if block.small else group[-1].caption
        found.append(Float(Page(panels, block.legend, block.small), caption))
    return found


def include(found: Sequence[Float], numbers: Iterator[int]) -> str:
    """Return the LaTeX of floats, which are the next pages of the file."""
    return "\n\n".join(_float(one, number) for one, number in zip(found, numbers, strict=False))


def _float(one: Float, number: int) -> str:
    caption = [rf"\caption{{{escape(one.caption)}}}"] if one.caption else []
    return "\n".join([r"\begin{figure}", r"\centering", rf"\figurepage{{{number}}}", *caption, r"\end{figure}"])
