"""The same numbers in every format, read back from each; LaTeX that compiles; colours that can be read."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.report import build
from ablation.report.formats.latex_text import escape
from ablation.stats.significance import compare

WriteStudy = Callable[..., Path]
NUMBER = re.compile(r"[+−-]?\d+(?:\.\d+)?")
HERE = Path(__file__).parent


class Tables(HTMLParser):
    """The cells of all tables of a page, and their lines."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True
        if tag == "small":
            self.rows[-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def html_rows(text: str) -> list[list[str]]:
    page = Tables()
    page.feed(text)
    return page.rows


def markdown_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in re.split(r"(?<!\\) \| ", line[2:-2])] for line in lines]


def latex_rows(text: str) -> list[list[str]]:
    for pattern, plain in ((r"\\stacked\{", ""), (r"\\(scriptsize|newline) ", ""), (r"\$-\$", "−"), (r"\\%", "%"),
                           (r"\\\\\[2pt\]", ""), (r"\\text(less|greater)\{\}", "<"), (r" \\\\ ", " "), (r"-\{\}", "-"),
                           (r"[{}]", "")):  # fmt: skip
        text = re.sub(pattern, plain, text)
    return [line.split(" & ") for line in text.splitlines() if " & " in line]


def numbers(cell: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in NUMBER.findall(cell)]


def expected(row: pd.Series) -> list[float]:
    """WER, interval, difference, interval and p of a cell, as they are printed."""
    shown = [row["wer"], row["wer_low"], row["wer_high"], row["difference"], row["diff_low"], row["diff_high"]]
    found = [round(100 * value, 1) for value in shown if not np.isnan(value)]
    p = row["p_adjusted"]
    return found if np.isnan(p) else [*found, 0.001 if p < 0.001 else round(p, 3 if p < 0.1 else 2)]


@pytest.mark.parametrize(("name", "rows_of"), [("html", html_rows), ("md", markdown_rows), ("tex", latex_rows)])
def test_the_table_of_rates_says_the_same_in_every_format(
    study_dir: Path, name: str, rows_of: Callable[[str], list[list[str]]]
) -> None:
    table = compare(pd.read_parquet(study_dir / "counts.parquet"), margin_points=2.0)
    text = (study_dir / f"report.{name}").read_text("utf-8")
    start = text.index("Word error rate by arm and condition")
    rows = {row[0].split("3 of")[0].split("2 of")[0].rstrip(" ;"): row[1:] for row in reversed(rows_of(text[start:]))}
    for arm, cells in table.groupby("arm", sort=False):
        found = [numbers(cell) for cell in rows[str(arm)]]
        for printed, (_, row) in zip(found, cells.iterrows(), strict=True):
            assert printed == pytest.approx(expected(row), abs=0.051)  # a digit, where rounding is a tie


def test_csv_and_json_have_the_numbers_unrounded(study_dir: Path) -> None:
    table = compare(pd.read_parquet(study_dir / "counts.parquet"), margin_points=2.0)
    listed = pd.read_csv(study_dir / "report.csv")
    pd.testing.assert_frame_equal(listed.fillna({"verdict": "", "caution": ""}), table, check_dtype=False)
    data = json.loads((study_dir / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    stored = pd.DataFrame(data["comparison"])
    pd.testing.assert_frame_equal(stored.replace({None: np.nan}), table, check_dtype=False)
    assert {row["arm"] for row in data["these checkpoints only"]} == set(table["arm"]) - {"baseline"}
    assert len(data["bootstrap"]) == len(table) == len(data["characters"])


def test_every_format_has_the_same_verdicts(study_dir: Path) -> None:
    data = json.loads((study_dir / "report.json").read_text("utf-8"))
    texts = [(study_dir / f"report.{name}").read_text("utf-8") for name in ("html", "md", "tex")]
    for verdict in data["verdicts"]:
        word = verdict["detail"].partition(" <")[0].replace(">= ", "")[:12]
        assert all(word.partition(">")[0] in text for text in texts)


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(ANY)
def test_text_becomes_ascii_without_open_groups(text: str) -> None:
    shown = escape(text)
    assert shown.isascii()
    bare = re.sub(r"\\[{}]", "", re.sub(r"\\textbackslash\{\}", "", shown))
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


def test_common_signs_are_shown_as_themselves() -> None:
    assert escape("é Ç ß Ω β ≥ −5 中") == r"\'{e} \c{C} \ss{} $\Omega$ $\beta$ $\geq$ $-$5 \texttt{U+4E2D}"


NASTY = '\\ { } $ & # ^ _ ~ % `x` "q" --- [a] * <b> | é ß α Ω ≥ … 中文 \U0001f600 ' + "long" * 40


def compiled(folder: Path) -> str:
    """Compile report.tex in place, as it is, and return the log."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:].decode(errors="replace")
    return (folder / "report.log").read_text(errors="replace")


def test_latex_compiles_with_any_text(write_study: WriteStudy, tmp_path: Path) -> None:
    arms = {"baseline": (None, None, 1.0)} | {f"{n} {NASTY}": ("masking", {"kind": NASTY}, 1.1) for n in range(9)}
    folder = write_study(tmp_path / "s", arms=arms, utterances=20, question=NASTY, failed={(f"3 {NASTY}", 1)})
    build(folder, ["tex"])
    assert "Missing character" not in compiled(folder)
    assert (folder / "report.pdf").stat().st_size > 20_000


def test_latex_has_every_figure_and_nothing_overfull(study_dir: Path, tmp_path: Path) -> None:
    for name in ("report.tex", "report-figures.pdf"):
        shutil.copy(study_dir / name, tmp_path)
    log = compiled(tmp_path)
    assert r"Overfull \hbox" not in log
    pages = len(re.findall(rb"/Type /Page\b", (study_dir / "report-figures.pdf").read_bytes()))
    assert pages >= 5
    assert re.findall(r"<use report-figures\.pdf, page (\d+)>", log) == [str(page) for page in range(1, pages + 1)]
    text = (study_dir / "report.tex").read_text("utf-8")
    assert text.count(r"\begin{figure}") == text.count(r"\end{figure}") == pages


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    colour = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_stand_out_from_the_paper_in_light_and_dark() -> None:
    style = (HERE.parents[2] / "ablation" / "report" / "formats" / "style.css").read_text("utf-8")
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w+);", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    assert len(schemes) == 2
    for colours in schemes:
        for ground in ("paper", "sheet"):
            assert all(contrast(colours[name], colours[ground]) >= 4.5 for name in ("ink", "soft", "earns", "harmful"))
        assert all(contrast(colours["ink"], colours[f"{tone}-tint"]) >= 4.5 for tone in ("earns", "harmful"))
        assert all(contrast(colours[f"c{n}"], colours["paper"]) >= 3 for n in range(1, 7))
