"""The summary and the numbers for Kubeflow's page of a run."""

import math
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from ablation.decisions.verdict import Overall
from ablation.report.content import Content, load
from ablation.report.formats import kubeflow
from ablation.report.formats.kubeflow import MOST_COLUMNS, metrics, summary_markdown
from common.conditions import label

WriteStudy = Callable[..., Path]
NAME = re.compile(r"[A-Za-z0-9_.]+")
FEW = ("clean", "babble_-5db")


@pytest.fixture(scope="module")
def content(write_study: WriteStudy, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """The drawn study, without its reports, which take longer to write than all of this."""
    return load(write_study(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def all_failed(write_study: WriteStudy, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """A study in which no trial finished."""
    arms = {"baseline": (None, None, 1.0), "no-scale": ("fusion.scale", {"kind": "none"}, 1.0)}
    failed = {(arm, seed) for arm in arms for seed in (1, 2)}
    return load(write_study(tmp_path_factory.mktemp("failed"), seeds=(1, 2), failed=failed, arms=arms, conditions=FEW))


def many(write_study: WriteStudy, folder: Path, arms: int, **other: object) -> Content:
    """A study of many arms, the last of which is clearly worse."""
    made = {"baseline": (None, None, 1.0)}
    made |= {f"arm-{n}": ("siamese", {"kind": "none"}, 4.0 if n == arms - 1 else 1.0) for n in range(1, arms)}
    options = {"failed": set(), "seeds": (1, 2, 3), "conditions": FEW, "utterances": 40, **other}
    return load(write_study(folder, arms=made, **options))


def unescaped(text: str) -> str:
    plain = text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&amp;", "&")
    return re.sub(r"\\(.)", r"\1", plain).replace("**", "")


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[unescaped(cell).strip() for cell in re.split(r"(?<!\\) \| ", line[2:-2])] for line in lines]


def test_every_line_but_those_of_the_table_is_a_paragraph(content: Content) -> None:
    """Kubeflow's page joins lines that follow each other."""
    lines = summary_markdown(content, report_url="https://a/b", mlflow_url="http://c").splitlines()
    for line, following in pairwise(lines):
        assert not (line and following) or (line[0], following[0]) == ("|", "|")


def test_the_table_has_the_rates_differences_and_p(content: Content) -> None:
    head, _, *body = rows(summary_markdown(content))
    assert head == ["arm", *map(label, content.study.conditions)]
    assert len(head) <= MOST_COLUMNS
    assert [row[0] for row in body] == [arm.arm for arm in content.study.arms]
    for arm, *cells in body:
        for condition, cell in zip(content.study.conditions, cells, strict=True):
            found = content.row(arm, condition)
            if found is None:
                assert cell == "–"
                continue
            assert cell.startswith(f"{100 * found['wer']:.1f} %")
            shown = re.search(r"\((\S+); (?:([0-9.]+)|< 0.001)\)", cell)
            assert (shown is None) == math.isnan(found["p_adjusted"])
            if shown:
                assert float(shown[1].replace("−", "-")) == pytest.approx(100 * found["difference"], abs=0.051)
                assert float(shown[2] or 0) == pytest.approx(found["p_adjusted"], abs=0.0051)


def test_bold_cells_are_the_significant_ones(content: Content) -> None:
    text = summary_markdown(content)
    bold = sum(line.count("**") // 2 for line in text.splitlines() if line.startswith("| "))
    assert bold == content.comparison["verdict"].isin(["worse", "better"]).sum() > 0


def test_each_arm_has_its_verdict_in_words(content: Content) -> None:
    items = [unescaped(line) for line in summary_markdown(content).splitlines() if line.startswith("- ")]
    for arm, words in content.sentences.items():
        assert any(item.startswith(f"- {arm}: {words.claim}") for item in items)


def test_failed_trials_are_listed_by_reason(content: Content) -> None:
    listed = unescaped(summary_markdown(content).partition("## Failed trials")[2])
    huge, flaky = (content.study.of(arm) for arm in ("huge", "flaky"))
    assert f"- huge, seeds 1, 2, 3: {huge[0].reason}" in listed
    assert f"- flaky, seed 2: {flaky[1].reason}" in listed


def test_text_of_users_is_no_markup(content: Content) -> None:
    text = summary_markdown(content)
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\*c", text)
    assert content.study.question in unescaped(text)


def test_addresses_are_links_only_if_a_browser_can_open_them(content: Content) -> None:
    text = summary_markdown(content, report_url="s3://bucket/report.html", mlflow_url="https://mlflow/#/a_b?c=(d)")
    assert "Report: s3://bucket/report.html\n" in text
    assert "](https://mlflow/#/a_b?c=%28d%29)" in text


def test_the_record_s_address_of_mlflow_is_the_default(content: Content) -> None:
    assert "](http://localhost:5000/#/x)" in summary_markdown(content)
    assert "Report" not in summary_markdown(content)


def test_a_study_without_a_finished_trial_has_a_summary(all_failed: Content) -> None:
    text = summary_markdown(all_failed)
    assert "No trial of the baseline finished" in text
    assert rows(text) == []
    assert "no-scale, seeds 1, 2: the loss is not finite" in unescaped(text)
    assert metrics(all_failed) == {"trials_finished": 0.0, "trials_failed": 4.0}


def test_one_seed_has_differences_without_p(write_study: WriteStudy, tmp_path: Path) -> None:
    found = many(write_study, tmp_path, 3, seeds=(1,))
    cells = [cell for row in rows(summary_markdown(found))[3:] for cell in row[1:]]
    assert cells
    assert all(re.fullmatch(r"\d+\.\d % \([+−]\d+\.\d\)", cell) for cell in cells)
    assert not any(name.startswith("p_") for name in metrics(found))


def test_a_large_study_is_cut_to_what_matters(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeflow, "MOST_ARMS", 4)
    monkeypatch.setattr(kubeflow, "MOST_METRICS", 20)
    conditions = ("clean", *(f"babble_{snr}db" for snr in (20, 15, 10, 5, 0)))
    found = many(write_study, tmp_path, 6, conditions=conditions)
    assert found.verdicts["arm-5"].verdict == Overall.WORSE
    text = summary_markdown(found)
    assert [row[0] for row in rows(text)[2:]] == ["baseline", "arm-1", "arm-2", "arm-5"]
    assert len(rows(text)[0]) == MOST_COLUMNS
    assert text.count("\n- ") == 3
    assert "This summary shows 4 of 6 arms and 5 of 6 conditions; the report has all of them." in text
    assert len(metrics(found)) == 20


def test_metrics_are_the_finite_numbers_of_the_comparison(content: Content) -> None:
    found = metrics(content)
    assert all(NAME.fullmatch(name) and math.isfinite(value) for name, value in found.items())
    for kind, column in (("wer", "wer"), ("difference", "difference"), ("p", "p_adjusted")):
        number = content.row("no-scale", "babble_-5db")[column]  # type: ignore[index]
        assert found[f"{kind}_babble_minus5db.no_scale"] == number
    assert "difference_clean.baseline" not in found
    assert not any(name.endswith(".huge") for name in found)
    assert (found["trials_finished"], found["trials_failed"]) == (17, 4)


def test_the_most_important_metrics_come_first(content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(metrics(content))
    assert names[:4] == ["trials_finished", "trials_failed", "wer_clean.baseline", "wer_clean.static_scale"]
    firsts = [next(place for place, name in enumerate(names) if mark in name) for mark in ("_clean.", "_babble_10db.")]
    cer = next(place for place, name in enumerate(names) if name.startswith("cer_"))
    assert firsts[0] < firsts[1] < cer
    assert "cer_p_clean.no_scale" in names
    monkeypatch.setattr(kubeflow, "MOST_METRICS", 5)
    assert list(metrics(content)) == names[:5]


def test_arms_with_the_same_plain_name_keep_their_numbers(write_study: WriteStudy, tmp_path: Path) -> None:
    arms = {
        "baseline": (None, None, 1.0),
        **{name: ("siamese", {"kind": "none"}, 1.1) for name in ("a-b", "a b", "a_b")},
    }
    found = load(write_study(tmp_path, arms=arms, failed=set(), conditions=FEW, utterances=40))
    for name, plain in (("a-b", "a_b"), ("a b", "a_b_2"), ("a_b", "a_b_3")):
        assert metrics(found)[f"wer_clean.{plain}"] == found.row(name, "clean")["wer"]  # type: ignore[index]
