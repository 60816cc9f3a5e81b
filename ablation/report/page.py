"""The report as one HTML file that needs no network: tables and pictures from `report.html.j2` and `style.css`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ablation.report import plots, svg, wording
from ablation.report.content import COST_HEAD, Content, cost, method, provenance
from ablation.significance import EARNS, HARMFUL, NO_DIFFERENCE, NOT_JUDGED
from ablation.verdicts import MIXED, readable

HERE = Path(__file__).parent
TONES: Mapping[str, str] = {
    EARNS: "earns",
    HARMFUL: "harmful",
    MIXED: "harmful",
    NO_DIFFERENCE: "none",
    NOT_JUDGED: "open",
}


def to_html(content: Content) -> str:
    """Render the page. All text of users passes jinja's escaping; only our own pictures and styles are markup."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        study=content.study,
        content=content,
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        tones=TONES,
        cells=cells(content),
        legend=[(arm, _swatch(series)) for arm, series in plots.series_of(content).items()],
        snr_pictures=_marked(plots.wer_against_snr(content)),
        forest=Markup(plots.forest(content)),
        curves=_marked(plots.training_curves(content)),
        cost_head=COST_HEAD,
        cost=cost(content),
        provenance=provenance(content),
        method=method(content.study),
        percent=wording.percent,
        duration=wording.duration,
        replaced=wording.replaced,
        readable=readable,
    )


def cells(content: Content) -> dict[tuple[str, str], dict[str, Any]]:
    """What stands in the table for an arm and a condition, as texts; nothing for arms that were not scored there."""
    return {(row["arm"], row["condition"]): _cell(row) for row in content.comparison.to_dict("records")}


def _cell(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "wer": wording.percent(row["wer"]),
        "wer_interval": wording.interval(row["wer_low"], row["wer_high"], wording.percent),
        "difference": "" if row["difference"] != row["difference"] else wording.points(row["difference"]),
        "difference_interval": wording.interval(row["diff_low"], row["diff_high"], wording.points),
        "p": wording.p_value(row["p_adjusted"]),
        "tone": TONES.get(row["verdict"], ""),
        "verdict": row["verdict"],
    }


def _swatch(series: int) -> Markup:
    drawn = svg.group(series, [svg.line([(1, 8), (27, 8)]), svg.marker(14, 8, series)])
    return Markup(f'<svg class="swatch" viewBox="0 0 28 16" aria-hidden="true">{drawn}</svg>')


def _marked(pictures: list[tuple[str, str]]) -> list[tuple[str, Markup]]:
    return [(name, Markup(picture)) for name, picture in pictures]
