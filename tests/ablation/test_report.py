"""Reports of a study that never ran: its counts are drawn, so that every sort of arm appears."""

import csv
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ablation.errors import UserError
from ablation.report import build, headline_markdown
from ablation.report.content import load
from ablation.scoring import pool
from ablation.significance import compare

CONDITIONS = ["clean", "babble_10db", "babble_5db", "babble_0db", "babble_-5db"]
BASE_WER = dict(zip(CONDITIONS, [0.06, 0.09, 0.15, 0.28, 0.45], strict=True))
EVIL = "<script>alert(1)</script> a|b *c*"
# arm -> (part, spec, factor on the baseline's WER)
ARMS: dict[str, tuple[str | None, Any, float]] = {
    "baseline": (None, None, 1.0),
    "static-scale": ("fusion.scale", {"kind": "static", "value": 0.5}, 1.02),
    "no-scale": ("fusion.scale", {"kind": "none"}, 0.8),
    "uniform-masking": ("masking", {"kind": "uniform", "budget": "matched"}, 1.25),
    "audio-only": ("fusion.tokens", {"kind": "audio_only"}, 1.6),
    "huge": ("training.learning_rate", 1e6, math.nan),
    "flaky": ("siamese", {"kind": "none"}, 1.0),
}
FAILED = {("huge", 1), ("huge", 2), ("huge", 3), ("flaky", 2)}
Trials = dict[str, Any]


def counts(arm: str, seed: int, rng: np.random.Generator, utterances: int = 40) -> pd.DataFrame:
    """Word errors of one trial, substitutions only, six words to an utterance."""
    tables = []
    for condition, wer in BASE_WER.items():
        rate = min(1.0, wer * ARMS[arm][2] * rng.normal(1, 0.015))
        table = pd.DataFrame({"substitutions": rng.binomial(6, rate, utterances)})
        table = table.assign(arm=arm, seed=seed, condition=condition, deletions=0, insertions=0, reference_words=6)
        tables.append(table.assign(utterance_id=[f"u{n}" for n in range(utterances)], speaker="s1"))
    return pd.concat(tables).assign(reference="bin blue at f two now", hypothesis="")


def curves(arm: str, seed: int, rng: np.random.Generator) -> pd.DataFrame:
    """A falling loss, a WER, and a learned scale for the arms that learn one."""
    steps = np.arange(0, 450, 10)
    loss = 5 * np.exp(-steps / 120) + rng.normal(0.4, 0.05, len(steps))
    values = {"loss": loss, "wer/valid": np.clip(loss / 5, 0, 1), "learning_rate": 3e-3 * np.sin(steps / 450 * np.pi)}
    if arm in ("baseline", "uniform-masking"):
        values["fusion/scale"] = 1 - 0.3 * steps / 450 + rng.normal(0, 0.01, len(steps))
    if (arm, seed) in FAILED:
        values = {"loss": np.array([5.0, 4e3, 9e7, np.inf, np.nan])}
    rows = [
        (arm, seed, int(s), metric, v) for metric, line in values.items() for s, v in zip(steps, line, strict=False)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "step", "metric", "value"])


def write_study(folder: Path, seeds: tuple[int, ...] = (1, 2, 3), failed: set[tuple[str, int]] = FAILED) -> Path:
    """A study's folder as `compare_arms` leaves it."""
    rng = np.random.default_rng(0)
    pairs = [(arm, seed) for seed in seeds for arm in ARMS]
    finished = [pair for pair in pairs if pair not in failed and not math.isnan(ARMS[pair[0]][2])]
    trials = [
        {"arm": a, "seed": s, "status": "finished", "reason": None, "run_id": "r", "parameters": 1_234_567,
         "train_seconds": 80.5, "evaluate_seconds": 9.0, "steps": 450}
        if (a, s) in finished
        else {"arm": a, "seed": s, "status": "failed", "reason": f"the loss is not finite at step 30 {EVIL}"}
        for a, s in pairs
    ]  # fmt: skip
    study = {
        "study": "made-up",
        "question": f"Which parts of SMILE earn their place? {EVIL}",
        "preset": "tiny",
        "corpus": {"uri": "synthetic://talking-mouth?train=2000&test=300", "fingerprint": "ab12" * 16, "test": 300},
        "seeds": list(seeds),
        "conditions": CONDITIONS,
        "baseline": "baseline",
        "arms": [
            {"arm": arm, "part": part, "action": part and "replace", "why": f"why {arm}?" if part else "",
             "overrides": {part: spec} if part else {}}
            for arm, (part, spec, _) in ARMS.items()
        ],
        "trials": trials,
        "provenance": {"git_revision": "0123abc", "versions": {"torch": "2.11.0", "numpy": "2.4"}},
        "mlflow": {"tracking_uri": "sqlite:///studies/mlflow.db", "url": "http://localhost:5000/#/x"},
        "created": "2026-01-01T00:00:00+00:00",
        "wall_seconds": {"prepare_corpus": 61.0, "train_trial": 423.0},
        "a key of a later version": 1,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    pd.concat([counts(a, s, rng) for a, s in finished]).to_parquet(folder / "counts.parquet")
    pd.concat([curves(a, s, rng) for a, s in pairs]).to_parquet(folder / "curves.parquet")
    return folder


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up study with all its reports."""
    folder = write_study(tmp_path_factory.mktemp("study"))
    build(folder)
    return folder


def test_all_formats_are_written_and_nothing_else(study_dir: Path) -> None:
    assert sorted(path.name for path in study_dir.glob("*report*")) == ["report.csv", "report.html", "report.md"]
    assert build(study_dir, ["csv"]) == [study_dir / "report.csv"]
    assert list(study_dir.glob(".*")) == []


def test_rebuilding_gives_the_same_bytes(study_dir: Path) -> None:
    before = (study_dir / "report.html").read_bytes()
    build(study_dir)
    assert (study_dir / "report.html").read_bytes() == before


def test_every_arm_gets_its_verdict(study_dir: Path) -> None:
    verdicts = {arm: verdict.text for arm, verdict in load(study_dir).verdicts.items()}
    assert list(verdicts) == [arm for arm in ARMS if arm != "baseline"]
    assert verdicts["audio-only"].startswith("fusion.tokens earns its place (without it worse by ")
    assert "babble 0 dB" in verdicts["audio-only"]
    assert verdicts["no-scale"].startswith("fusion.scale is harmful (without it better by ")
    assert verdicts["static-scale"].startswith("no difference shown (would have seen >= ")
    assert verdicts["huge"].startswith("not judged (trials failed: seeds 1, 2, 3: the loss is not finite")
    assert "; 1 of 3 trials failed: seed 2: " in verdicts["flaky"]


def test_the_three_formats_say_the_same_numbers(study_dir: Path) -> None:
    page, text = (study_dir / "report.html").read_text("utf-8"), (study_dir / "report.md").read_text("utf-8")
    table = pd.read_csv(study_dir / "report.csv")
    expected = compare(pd.read_parquet(study_dir / "counts.parquet"))
    pd.testing.assert_frame_equal(table.fillna({"verdict": ""}), expected, check_dtype=False)
    for wer in expected["wer"]:
        assert f"<b>{100 * wer:.1f} %</b>" in page
        assert f"{100 * wer:.1f} %" in text


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
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_runs_nothing(study_dir: Path) -> None:
    text = (study_dir / "report.html").read_text("utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.links == ["http://localhost:5000/#/x"]
    assert not {"link", "img", "iframe", "object", "use"} & set(page.tags)
    assert "script" not in page.tags
    assert "@import" not in text
    assert "url(" not in text
    assert text.count("<svg") >= 2 + 4
    assert not re.search(r"\bnan\b|\binf\b|None", text)


def test_user_text_is_escaped(study_dir: Path) -> None:
    text = (study_dir / "report.md").read_text("utf-8")
    assert "&lt;script&gt;" in (study_dir / "report.html").read_text("utf-8")
    assert "<script" not in text
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| huge")}
    assert widths == {4, 6, 7}  # failed trials; headline; table of conditions and cost


def test_the_headline_is_markdown_with_every_arm(study_dir: Path) -> None:
    text = headline_markdown(study_dir)
    assert text.startswith("# made-up: Which parts of SMILE")
    assert all(f"| {arm} |" in text for arm in ARMS)
    assert "**fusion.tokens earns its place** (without it worse by" in text
    assert "fusion.scale: static (value 0.5)" in text


def test_one_seed_has_no_verdicts_and_says_so(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", seeds=(1,), failed={("huge", 1)})
    build(folder)
    assert {v.text for arm, v in load(folder).verdicts.items() if arm != "huge"} == {"not judged (one seed)"}
    assert "With one seed, differences cannot be told from chance" in (folder / "report.md").read_text("utf-8")


def test_a_study_without_its_baseline_or_without_any_finished_trial_is_still_reported(tmp_path: Path) -> None:
    lost = write_study(tmp_path / "lost", failed={("baseline", 1), ("baseline", 2), ("baseline", 3)})
    build(lost)
    assert load(lost).verdicts["no-scale"].text == "not judged (no trial of the baseline finished)"
    nothing = write_study(tmp_path / "nothing", failed={("flaky", 1)})
    study = json.loads((nothing / "study.json").read_text())
    for trial in study["trials"]:
        trial.update(status="failed", reason="stopped")
    (nothing / "study.json").write_text(json.dumps(study))
    pd.read_parquet(nothing / "counts.parquet").iloc[:0].to_parquet(nothing / "counts.parquet")
    pd.read_parquet(nothing / "curves.parquet").iloc[:0].to_parquet(nothing / "curves.parquet")
    assert [path.name for path in build(nothing)] == ["report.html", "report.md", "report.csv"]
    assert "No trial of the baseline finished" in (nothing / "report.html").read_text("utf-8")


def test_perfect_scores_do_not_break_the_pictures(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s")
    pd.read_parquet(folder / "counts.parquet").assign(substitutions=0).to_parquet(folder / "counts.parquet")
    build(folder)
    assert load(folder).verdicts["no-scale"].text == "no difference shown (the seeds show no spread)"


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("study.json", None, "study.json is missing; give the folder that `ablate run` printed"),
        ("study.json", b"{", "is no valid JSON"),
        ("study.json", b'{"study": "s"}', "is not what `ablate run` writes: preset: Field required"),
        ("counts.parquet", None, "counts.parquet is missing; run the study again"),
        ("curves.parquet", "short", "lacks the columns metric, value"),
    ],
)
def test_a_broken_folder_gets_one_clear_sentence(tmp_path: Path, file: str, content: Any, sentence: str) -> None:
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
    with pytest.raises(UserError, match=r"unknown report format 'pdf'.*Known: html, md, csv"):
        build(study_dir, ["pdf"])


def test_the_csv_has_one_row_per_arm_and_condition(study_dir: Path) -> None:
    with (study_dir / "report.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * len(CONDITIONS)
    assert rows[0]["arm"] == "baseline"
