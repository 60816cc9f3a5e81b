"""A report's SVG pictures as TikZ, with the line styles of the page's light scheme, so that a paper shows the same figures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from ablation.report.blocks import Picture, Pictures
from ablation.report.figures import svg
from ablation.report.formats.latex_text import escape

STYLE = Path(__file__).parent / "style.css"
LARGE_CM, SMALL_CM, PER_FIGURE = 13.0, 8.4, 6
ANCHORS: Mapping[str, str] = {"start": "base west", "end": "base east", "middle": "base"}
FIXED: Mapping[str, str] = {"grid": "draw=gridline,line width=.3pt", "axis": "draw=softline,line width=.5pt"}


def colours() -> str:
    """`\\definecolor` of every series, `s0` the baseline's, and of the lines behind them."""
    scheme = dict(re.findall(r"--([\w-]+): #(\w+);", STYLE.read_text(encoding="utf-8").partition("@media")[0]))
    names = {"s0": "ink", "gridline": "rule", "softline": "soft"}
    names |= {f"s{number}": f"c{number}" for number in range(1, svg.SERIES_COLOURS)}
    return "\n".join(rf"\definecolor{{{name}}}{{HTML}}{{{scheme[of].upper()}}}" for name, of in names.items())


def figures(block: Pictures) -> str:
    """Floats with caption: large pictures one by one, small ones two in a row and six together."""
    step = PER_FIGURE if block.small else 1
    groups = [block.pictures[start : start + step] for start in range(0, len(block.pictures), step)]
    return "\n\n".join(_figure(group, block) for group in groups)


def _figure(pictures: Sequence[Picture], block: Pictures) -> str:
    width_cm = SMALL_CM if block.small else LARGE_CM
    drawn = [tikz(picture.svg, width_cm, picture.caption if block.small else "") for picture in pictures]
    legend = r"\quad ".join(
        f"{tikz(svg.swatch(number), 1.0)} {escape(svg.short(label, 60))}" for label, number in block.legend
    )
    lines = [r"\begin{figure}", r"\centering", *([rf"{{\footnotesize {legend}\par}}\medskip"] if legend else [])]
    lines += ["\n".join(drawn)]
    caption = block.title if block.small else pictures[-1].caption
    return "\n".join([*lines, *([rf"\caption{{{escape(caption)}}}"] if caption else []), r"\end{figure}"])


def tikz(picture: str, width_cm: float, title: str = "") -> str:
    """One picture, `width_cm` wide, with its title above; descriptions for pointers are left out."""
    root = ElementTree.fromstring(re.sub(r'\sxmlns="[^"]*"', "", picture))
    width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
    unit = f"{width_cm / width:.5f}cm"
    parts = [rf"\useasboundingbox (0,{-16 if title else 0}) rectangle ({width:g},{height:g});"]
    parts += [rf"\node[anchor=base west,inner sep=0,font=\scriptsize] at (6,-2) {{{escape(title)}}};"] if title else []
    for element in root:
        parts += _group(element) if element.tag == "g" else [_shape(element, "s0")]
    inside = "\n".join(filter(None, parts))
    return f"\\begin{{tikzpicture}}[x={unit},y=-{unit},line join=round]\n{inside}\n\\end{{tikzpicture}}"


def _group(group: ElementTree.Element) -> list[str]:
    return [_shape(element, group.attrib["class"]) for element in group]


def _shape(element: ElementTree.Element, series: str) -> str:
    """A command for one element; `series` is its colour."""
    has, kind = element.attrib, element.attrib.get("class", "")
    if element.tag == "text":
        font = r"\scriptsize\bfseries" if kind == "name" else r"\scriptsize"
        at = f"({has['x']},{has['y']}) {{{escape(element.text or '')}}}"
        return rf"\node[anchor={ANCHORS[has['text-anchor']]},inner sep=0,font={font}] at {at};"
    if element.tag == "line":
        style = FIXED.get(kind, f"draw={series},line width=.8pt")
        return rf"\draw[{style}] ({has['x1']},{has['y1']}) -- ({has['x2']},{has['y2']});"
    if element.tag == "circle":
        return rf"\path[{_filling(kind, series)}] ({has['cx']},{has['cy']}) circle[radius={has['r']}];"
    path = " -- ".join(f"({point})" for point in has["points"].split())
    if element.tag == "polyline":
        return rf"\draw[{_line(kind, series)}] {path};"
    return rf"\path[{_filling(kind, series)}] {path} -- cycle;"


def _filling(kind: str, series: str) -> str:
    if kind == "band":
        return f"fill={series},fill opacity=.11"
    return f"draw={series},line width=.6pt,fill={'white' if 'hollow' in kind else series}"


def _line(kind: str, series: str) -> str:
    """Dashes are the style sheet's, in its pixels of three quarters of a point."""
    found = re.search(rf"\.{series} \.line \{{ stroke-dasharray: ([\d. ]+);", STYLE.read_text(encoding="utf-8"))
    lengths = [0.75 * float(number) for number in found[1].split()] if found else []
    dashes = " ".join(f"{'off' if place % 2 else 'on'} {length:g}pt" for place, length in enumerate(lengths))
    style = f"draw={series},line width={'.4' if 'thin' in kind else '.9'}pt"
    return f"{style},dash pattern={dashes}" if dashes else style
