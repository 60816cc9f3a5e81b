"""A report as one HTML file that needs no network and no script, by `page.html.j2` and `style.css`."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ablation.report.blocks import Document, cell
from ablation.report.document import wrong
from ablation.report.figures import svg

HERE = Path(__file__).parent


def to_html(document: Document) -> str:
    """Render the page. All text of users passes jinja's escaping; only our own pictures and styles are markup."""
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
    )
