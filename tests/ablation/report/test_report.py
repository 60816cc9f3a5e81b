"""The report of a drawn study in all its formats, and of studies to which something happened."""

import csv
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablation.report.build import build, headline_markdown
from ablation.report.content import load
from ablation.report.formats.latex import FIGURES
from ablation.stats.metrics import Metric
from ablation.stats.scoring import pool, score_transcripts
from common.errors import UserError

ARMS = ["baseline", "static-scale", "no-scale", "uniform-masking", "audio-only", "huge", "flaky"]
FORMATS = ["html", "md", "tex", "csv", "json"]
WriteStudy = Callable[..., Path]


def test_all_formats_are_written_and_nothing_else(study_dir: Path) -> None:
    assert {path.name for path in study_dir.glob("*report*")} == {f"report.{name}" for name in FORMATS} | {FIGURES}
    assert build(study_dir, ["csv"]) == [study_dir / "report.csv"]
    assert list(study_dir.glob(".*")) == []


def test_rebuilding_gives_the_same_bytes(study_dir: Path) -> None:
    before = {path: path.read_bytes() for path in study_dir.glob("report*")}
    build(study_dir)
    assert {path: path.read_bytes() for path in study_dir.glob("report*")} == before


def test_every_arm_gets_its_verdict(study_dir: Path) -> None:
    verdicts = {arm: words.text for arm, words in load(study_dir).sentences.items()}
    assert list(verdicts) == [arm for arm in ARMS if arm != "baseline"]
    assert verdicts["audio-only"].startswith("without the video, WER rises by ")
    assert "babble 0 dB" in verdicts["audio-only"]
    assert verdicts["no-scale"].startswith("without the scaling factor, WER falls by ")
    assert verdicts["uniform-masking"].startswith(
        "uniform masking (budget matched) in place of differential masking makes it worse: WER rises by "
    )
    assert verdicts["static-scale"].startswith(
        "static scale (value 0.5) in place of learned scale has an inconclusive effect: "
    )
    assert verdicts["huge"].startswith(
        "huge in place of the baseline's training.learning_rate was not tested: "
        "trials failed: seeds 1, 2, 3: the loss is not finite"
    )
    assert "; 1 of 3 trials failed: seed 2: " in verdicts["flaky"]


def test_pooled_rates_are_of_added_up_counts(study_dir: Path) -> None:
    counts = pd.read_parquet(study_dir / "counts.parquet")
    noisy = pool(counts[counts["condition"] != "clean"], ["arm"]).set_index("arm")["wer"]
    assert load(study_dir).pooled["no-scale"]["noisy"] == noisy["no-scale"]


class Page(HTMLParser):
    """Collects what could fetch or run something, and checks that tags close."""

    VOID = ("meta", "link", "img", "br", "hr", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text("utf-8"))
    assert page.open == []
    return page


def test_the_page_stands_alone_and_runs_nothing(study_dir: Path) -> None:
    page, text = parsed(study_dir / "report.html"), (study_dir / "report.html").read_text("utf-8")
    links = [value for _, has in page.tags for name, value in has.items() if name in ("src", "href", "xlink:href")]
    assert [link for link in links if link and not link.startswith("#")] == ["http://localhost:5000/#/x"]
    assert {link[1:] for link in links if link and link.startswith("#")} <= {has.get("id") for _, has in page.tags}
    assert not {"script", "link", "img", "iframe", "object", "use"} & {tag for tag, _ in page.tags}
    assert not [name for _, has in page.tags for name in has if name.startswith("on")]
    assert "@import" not in text
    assert "url(" not in text
    assert not re.search(r"\bnan\b|\binf\b|None", text)


def test_the_page_can_be_read_aloud(study_dir: Path) -> None:
    page = parsed(study_dir / "report.html")
    pictures = [has for tag, has in page.tags if tag == "svg" and "aria-hidden" not in has]
    assert len(pictures) == 2 + 4 + 3  # differences, SNR; scale, layers at the end and of two arms; three curves
    assert all(has["role"] == "img" and has["aria-label"] for has in pictures)
    assert all(has.get("scope") in ("col", "row") for tag, has in page.tags if tag == "th")
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip([0, *headings], headings, strict=False))
    kinds = [tag for tag, _ in page.tags]
    assert kinds.count("caption") == kinds.count("table")
    assert page.tags[0] == ("html", {"lang": "en"})
    assert next(has for tag, has in page.tags if tag == "a") == {"class": "skip", "href": "#report"}
    regions = [has for _, has in page.tags if has.get("role") == "region"]
    assert all(has["aria-label"] and has["tabindex"] == "0" for has in regions)


def test_measurements_of_the_models_are_in_every_format(study_dir: Path) -> None:
    for name in ("html", "md", "tex"):
        text = (study_dir / f"report.{name}").read_text("utf-8")
        plain = (
            text.replace("$-$", "−")
            .replace("~\\%", " %")
            .replace("\\%", "%")
            .replace("-{}", "-")
            .replace("\u00a0", " ")
        )
        assert all(f"{1_200_000 - 30_000 * n:,}" in plain for n in range(len(ARMS)))
        assert "−30,000 (−2.5 %)" in plain
        assert plain.count("19.0 %, runs of 5.4") == len(ARMS)
        assert plain.count("not an input") == 1
        assert "compute the same function: keep one" in text
    data = json.loads((study_dir / "report.json").read_text("utf-8"))
    assert data["measured"]["arms"]["no-scale"]["parameters"] == 1_140_000
    assert data["measured"]["same"] == [["static-scale", "no-scale"]]


def test_a_study_that_was_not_measured_says_nothing_of_it(write_study: WriteStudy, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", utterances=4, hygiene=None)
    assert "What each arm changed" not in build(folder, ["md"])[0].read_text("utf-8")


def test_the_reasoning_of_the_plan_is_kept(write_study: WriteStudy, tmp_path: Path) -> None:
    said = "First a thought & 5 %.\n<script>Then another.</script>"
    for reasoning, times in ((said, 1), (None, 0)):
        folder = write_study(tmp_path / f"s{times}", utterances=4, seeds=(1,), failed=set(), reasoning=reasoning)
        for path in build(folder, ["md", "html", "tex"])[:3]:
            text = path.read_text("utf-8")
            assert text.count("First a thought") == text.count("Then another") == times
            assert "<script>Then" not in text


def test_every_metric_of_the_plan_has_a_table(write_study: WriteStudy, tmp_path: Path, sentence_metric: Metric) -> None:
    arms = {"baseline": (None, None, 1.0), "a": ("masking", {"kind": "none"}, 1.5)}
    folder = write_study(tmp_path / "s", arms=arms, failed=set(), utterances=15, metrics=["ser", "wer"])
    score_transcripts(pd.read_parquet(folder / "counts.parquet")).to_parquet(folder / "counts.parquet")
    text, data, tex = (path.read_text("utf-8") for path in build(folder, ["md", "json", "tex"])[:3])
    assert "& SER clean & SER noisy &" in tex
    assert "| SER clean | SER noisy |" in text
    assert "## Sentence error rate by arm and condition" in text
    assert "**Word error rate by arm and condition**" in text
    assert f"The sentence error rate (SER) is the number of {sentence_metric.description}" in text
    assert len(json.loads(data)["comparison"]) == len(json.loads(data)["other_metrics"]["wer"]) == 2 * 5
    assert set(json.loads(data)["pooled_ser"]) == set(arms)


def test_user_text_is_escaped(study_dir: Path) -> None:
    text = (study_dir / "report.md").read_text("utf-8")
    assert "&lt;script&gt;" in (study_dir / "report.html").read_text("utf-8")
    assert "<script" not in text
    for lines in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines.splitlines()}) == 1


def test_markdown_links_to_mlflow_by_web_addresses_only(write_study: WriteStudy, tmp_path: Path) -> None:
    def links(url: str | None) -> list[str]:
        folder = write_study(tmp_path / "s", utterances=4, mlflow={"url": url})
        text = build(folder, ["md"])[0].read_text("utf-8")
        return re.findall(r"(?<!\\)\]\((.*?)\)", text)

    address = "http://[::1]:5000/#/experiments/7/runs?viewStateShareKey=ab&compareRunsMode=CHART"
    assert links(address) == [address, address]  # at the top and in the provenance
    assert links("http://h/a) <b>|`c`") == ["http://h/a%29%20%3Cb%3E%7C%60c%60"] * 2
    assert links("javascript:alert(1)") == links(None) == []


def test_markdown_of_forty_arms_fits_into_kubeflows_page(write_study: WriteStudy, tmp_path: Path) -> None:
    """Kubeflow's page shows Markdown without HTML in it, and only so much of it."""
    evil = {f"arm-{n} <script>alert({n})</script>": ("siamese", {"kind": "none"}, 1 + n / 100) for n in range(40)}
    arms = {"baseline": (None, None, 1.0), **evil}
    folder = write_study(tmp_path / "s", arms=arms, failed=set(), utterances=20)
    text = build(folder, ["md"])[0].read_text("utf-8")
    assert all(f"| arm-{n} &lt;script>" in text for n in range(40))
    assert not re.search(r"(?<!\\)<", text)
    assert len(text) < 400_000


def test_the_headline_is_markdown_with_every_arm(study_dir: Path) -> None:
    text = headline_markdown(load(study_dir))
    assert text.startswith("# made-up: Which parts of SMILE")
    assert all(f"| {arm} |" in text for arm in ARMS)
    assert "**without the video, WER rises by " in text
    assert len(text) < 5000
    assert "fusion.scale: static (value 0.5)" in text


def test_one_seed_has_no_verdicts_and_says_so(write_study: WriteStudy, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", seeds=(1,), failed={("huge", 1)})
    build(folder)
    words = {arm: words.text for arm, words in load(folder).sentences.items() if arm != "huge"}
    assert all(text.endswith(" was not tested: one seed") for text in words.values())
    assert words["audio-only"] == "the model without the video was not tested: one seed"
    assert "With one seed, differences cannot be distinguished from chance" in (folder / "report.md").read_text("utf-8")


def test_studies_without_baseline_or_any_trial_are_reported(write_study: WriteStudy, tmp_path: Path) -> None:
    lost = write_study(tmp_path / "lost", failed={("baseline", 1), ("baseline", 2), ("baseline", 3)})
    build(lost)
    assert load(lost).sentences["no-scale"].text == (
        "the model without the scaling factor was not tested: no trial of the baseline finished"
    )
    nothing = write_study(tmp_path / "nothing", failed={("flaky", 1)})
    study = json.loads((nothing / "study.json").read_text())
    for trial in study["trials"]:
        trial.update(status="failed", reason="stopped")
    (nothing / "study.json").write_text(json.dumps(study))
    pd.read_parquet(nothing / "counts.parquet").iloc[:0].to_parquet(nothing / "counts.parquet")
    pd.read_parquet(nothing / "curves.parquet").iloc[:0].to_parquet(nothing / "curves.parquet")
    assert [path.name for path in build(nothing)] == [f"report.{name}" for name in FORMATS]
    assert "No trial of the baseline finished" in (nothing / "report.html").read_text("utf-8")


def test_perfect_scores_do_not_break_the_pictures(write_study: WriteStudy, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s")
    counts = pd.read_parquet(folder / "counts.parquet").assign(substitutions=0, deletions=0, insertions=0)
    counts.to_parquet(folder / "counts.parquet")
    build(folder)
    assert load(folder).sentences["no-scale"].evidence == [
        "no significant difference; the trials do not vary between seeds"
    ]


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("study.json", None, "study.json is missing; give the folder that `ablate run` or `ablate import` printed"),
        ("study.json", b"{", "is not valid JSON"),
        ("study.json", b"", "is empty"),
        ("study.json", b'{"study": "\xff"}', "study.json is not UTF-8 text .byte 12.; run the study again"),
        ("study.json", b"[" * 100_000, "is nested too deeply; run the study again"),
        ("study.json", b'{"study": "s"}', "is not what `ablate run` writes: preset: field required"),
        ("counts.parquet", None, "counts.parquet is missing; run the study again"),
        ("curves.parquet", "short", "lacks the columns metric, value"),
        ("counts.parquet", b"PAR1 cut short", "counts.parquet is damaged"),
    ],
)
def test_a_broken_folder_gets_one_clear_sentence(
    write_study: WriteStudy, tmp_path: Path, file: str, content: Any, sentence: str
) -> None:
    folder = write_study(tmp_path / "s")
    if content is None:
        (folder / file).unlink()
    elif content == "short":
        pd.read_parquet(folder / file)[["arm", "seed", "step"]].to_parquet(folder / file)
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        build(folder)


def test_an_unknown_format(study_dir: Path) -> None:
    with pytest.raises(UserError, match=r"unknown report format 'pdf'.*Known: html, md, tex, csv, json"):
        build(study_dir, ["pdf"])


def test_the_csv_has_one_row_per_arm_and_condition(study_dir: Path) -> None:
    with (study_dir / "report.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 5
    assert rows[0]["arm"] == "baseline"
