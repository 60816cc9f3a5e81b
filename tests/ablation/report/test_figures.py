"""Figures as data hold the numbers of the comparison, and both renderers draw the same of them."""

import itertools
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Text

from ablation.report.blocks import Document, Pictures
from ablation.report.build import build, write_figures
from ablation.report.content import Content, load
from ablation.report.document import document
from ablation.report.figures.axis import Axis
from ablation.report.figures.pdf import drawn, to_pdf
from ablation.report.figures.pdf_canvas import drawable
from ablation.report.figures.plots import forests, wer_against_snr
from ablation.report.figures.spec import FOREST, LETTER, LONGEST_ARM, NAME, Forest, Row
from ablation.report.figures.svg import to_svg
from ablation.report.formats.latex_figures import floats

WriteStudy = Callable[..., Path]
CHINESE = "\u4e2d"


@pytest.fixture(scope="module")
def content(study_dir: Path) -> Content:
    return load(study_dir)


def pictures(content: Content) -> list[Pictures]:
    return [block for part in document(content).sections for block in part.blocks if isinstance(block, Pictures)]


def test_forests_hold_the_differences_in_points(content: Content) -> None:
    rows = [row for forest in forests(content) for _, rows in forest.groups for row in rows]
    table = content.comparison[content.comparison["difference"].notna()]
    assert [row.value for row in rows] == pytest.approx((100 * table["difference"]).tolist())
    ends = [end for row in rows for end in (row.interval or (np.nan, np.nan))]
    assert ends == pytest.approx((100 * table[["diff_low", "diff_high"]]).to_numpy().ravel().tolist(), nan_ok=True)


def test_wer_plots_hold_the_rates_in_percent(content: Content) -> None:
    [(kind, plot)] = wer_against_snr(content, {"baseline": 0, "audio-only": 2})
    assert kind == "babble"
    for series, arm in zip(plot.series, ("baseline", "audio-only"), strict=True):
        wers = content.comparison.loc[content.comparison["arm"] == arm, "wer"]
        assert sorted(mark.y for mark in series.marks) == pytest.approx(sorted(100 * wers))


def test_both_renderers_write_the_same_texts(content: Content) -> None:
    listed = [one for block in pictures(content) for one in floats(block)]
    assert len(listed) >= 5
    for one in listed:
        names = [panel.title for panel in one.page.panels] + [label for label, _ in one.page.legend]
        pages = "".join(to_svg(panel.figure) for panel in one.page.panels)
        expected = [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", pages)] + [*filter(None, names)]
        found = [text.get_text() for text in drawn(one.page).findobj(Text)]
        assert sorted(filter(None, found)) == sorted(expected)


def test_both_renderers_put_points_in_the_same_places(content: Content) -> None:
    [(_, plot)] = wer_against_snr(content, {"baseline": 0})
    [one] = floats(Pictures([pictures(content)[1].pictures[0]]))
    lines = re.findall(r'<polyline class="line" points="([^"]*)"', to_svg(one.page.panels[0].figure))
    in_svg = {tuple(float(number) for number in pair.split(",")) for line in lines for pair in line.split()}
    in_pdf = {(float(x), float(y)) for line in drawn(one.page).findobj(Line2D) for x, y in line.get_xydata()}
    assert in_svg <= in_pdf
    assert {plot.pixel(point) for point in plot.series[0].lines[0].points} <= in_svg


def test_text_without_a_glyph_appears_as_its_code_point() -> None:
    assert drawable(f"a\n b $x$ {CHINESE} β") == "a b $x$ U+4E2D β"


def test_the_same_figures_give_the_same_bytes(content: Content) -> None:
    pages = [one.page for one in floats(pictures(content)[0])]
    assert to_pdf(pages) == to_pdf(pages)


def test_figures_need_no_latex(study_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("study.json", "counts.parquet", "curves.parquet"):
        (tmp_path / name).write_bytes((study_dir / name).read_bytes())
    monkeypatch.setenv("PATH", "")
    assert build(tmp_path, ["tex"]) == [tmp_path / "report.tex", tmp_path / "report-figures.pdf"]
    assert (tmp_path / "report-figures.pdf").read_bytes() == (study_dir / "report-figures.pdf").read_bytes()


def test_a_report_without_figures_removes_earlier_ones(tmp_path: Path) -> None:
    file = tmp_path / "report-figures.pdf"
    file.write_bytes(b"%PDF")
    assert write_figures(file, Document("Ablation study", "empty", "No trial finished")) == []
    assert not file.exists()


def test_training_curves_are_printed_while_one_legend_holds_all_arms(
    content: Content, write_study: WriteStudy, tmp_path: Path
) -> None:
    curves = [block for block in pictures(content) if block.title.startswith("Losses")]
    assert [block.screen_only for block in curves] == [False]
    arms = {"baseline": (None, None, 1.0)} | {f"arm-{n}": ("encoder.layers", n, 1.0) for n in range(7)}
    many = load(write_study(tmp_path / "many", arms=arms, failed=set(), utterances=10, seeds=(1, 2)))
    assert [block.screen_only for block in pictures(many) if block.title.startswith("Losses")] == [True, True]


@pytest.mark.parametrize("scale", ["linear", "log", "asinh"])
def test_ticks_lie_apart_within_the_axis(scale: str) -> None:
    axis = Axis("x", 0.5, 4000.0, scale)  # type: ignore[arg-type]
    shares = [axis.share(value) for value, _ in axis.marks(200, 34)]
    assert len(shares) >= 2
    assert all(0 <= share <= 1 for share in shares)
    assert all(later - earlier >= 34 / 200 - 1e-9 for earlier, later in itertools.pairwise(shares))


def test_long_names_of_rows_end_before_the_axis() -> None:
    axis = Axis("difference", -1, 1)
    names = [
        "clean",
        "a-condition-with-the-very-long-name-of-a-test-set",
        "a-condition-with-the-very-long-name-of-another",
    ]
    rows = [Row(name, 0.0, "+0.0") for name in names]
    forest = Forest("label", axis, [("arm", rows)])
    shown = [forest.row_name(row) for row in rows]
    assert shown[0] == "clean"
    assert len(set(shown)) == len(names)
    assert all(NAME + LETTER * len(name) <= forest.left == forest.across(-1) for name in shown)
    assert Forest("label", axis, [("arm", rows[:1])]).left == FOREST.left  # short names leave the axis as it is


def test_long_names_of_arms_stay_within_the_figure_and_differ() -> None:
    arms = [f"replace-the-masking-of-the-audio-and-video-streams-by-{kind}-mask" for kind in ("one-uniform", "no")]
    drawn = to_svg(Forest("label", Axis("difference", -1, 1), [(arm, [Row("clean", 0.0, "")]) for arm in arms]))
    names = re.findall(r">(replace[^<]*)<", drawn)
    assert len(set(names)) == 2
    assert all(len(name) <= LONGEST_ARM and "…" in name for name in names)
