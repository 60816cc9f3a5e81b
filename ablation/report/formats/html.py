"""A report as one HTML file without scripts and network access, from `page.html.j2` and `style.css`."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ablation.report.blocks import Document, cell
from ablation.report.document import wrong
from ablation.report.figures import svg
from ablation.report.wording import tied

HERE = Path(__file__).parent
CODE = re.compile(r"`([^`\n]+)`")


def said(text: str) -> Markup:
    """Return running text as markup: escaped, with lines that break in the right places, and `names` in their own type."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(tied(text)))))


def to_html(document: Document) -> str:
    """Render the page. Jinja escapes all text of users; only our own pictures and styles are markup."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        document=document,
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        cell=cell,
        drawn=lambda figure: Markup(svg.to_svg(figure)),
        swatch=lambda series: Markup(svg.swatch(series)),
        kind=lambda block: type(block).__name__,
        wrong=wrong,
        said=said,
    )
