"""Values of any metric: judged over seeds, against scipy, in their own unit and direction; wrong tables are refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ablate as api
from ablation.report.formats.kubeflow import summary_markdown
from ablation.report.headings import heading
from ablation.stats.measures import known_direction, measure
from ablation.stats.significance import compare

ARMS = {"baseline": 0.0, "small": -0.03, "large": 0.03, "same": 0.0}


def values(seeds: int = 4, *, scale: float = 1.0, items: int = 0, conditions: tuple[str, ...] = ()) -> pd.DataFrame:
    """Draw values around 0.9 with a spread of 0.005 between trials."""
    draw = np.random.default_rng(5)
    rows = [
        {"arm": arm, "seed": seed, "condition": name, "item": f"i{item}", "value": scale * (level + noise)}
        for arm, shift in ARMS.items()
        for seed in range(1, seeds + 1)
        for name in conditions or ("",)
        for level in [0.9 + shift + draw.normal(0, 0.005)]
        for item, noise in enumerate(draw.normal(0, 0.01, items) if items else [0.0])
    ]
    frame = pd.DataFrame(rows)
    return frame.drop(columns=[*([] if items else ["item"]), *([] if conditions else ["condition"])])


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(frame: pd.DataFrame, **options: Any) -> Any:
    frame.to_csv("scores.csv", index=False)
    return api.import_results(scores="scores.csv", out="studies/mine", **options)


def test_unpaired_p_values_are_those_of_scipys_dunnett() -> None:
    frame = values()
    found = compare(frame.assign(condition="test", items=1), paired=False, metric=measure("m", higher_is_better=True))
    sides = {arm: its["value"].to_numpy() for arm, its in frame.groupby("arm")}
    others = [arm for arm in ARMS if arm != "baseline"]
    expected = stats.dunnett(*(sides[arm] for arm in others), control=sides["baseline"], rng=np.random.default_rng(0))
    assert found.set_index("arm").loc[others, "p"].to_numpy() == pytest.approx(expected.pvalue, abs=2e-4)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9, -1.0])
@pytest.mark.parametrize("items", [0, 5])
def test_one_arm_is_tested_as_by_a_paired_t_test_in_any_unit(scale: float, items: int) -> None:
    frame = values(scale=scale, items=items)
    frame = frame[frame["arm"].isin(["baseline", "large"])]
    judged = imported(frame, metric="quality", higher_is_better=True)
    sides = [frame[frame["arm"] == arm].groupby("seed")["value"].mean() for arm in ("large", "baseline")]
    test = stats.ttest_rel(*sides)
    row = judged.row("large", "test")
    assert row["p"] == pytest.approx(test.pvalue, rel=1e-5)
    assert row["difference"] == pytest.approx(float(sides[0].mean() - sides[1].mean()), rel=1e-9)
    low, high = test.confidence_interval()
    assert (row["diff_low"], row["diff_high"]) == pytest.approx((low, high), rel=1e-5)
    assert row["verdict"] == ("better" if scale > 0 else "worse")


@pytest.mark.parametrize(("higher", "verdicts"), [(True, ("worse", "better")), (False, ("better", "worse"))])
def test_the_direction_decides_between_worse_and_better(higher: bool, verdicts: tuple[str, str]) -> None:
    judged = imported(values(), metric="m", higher_is_better=higher, margin_points=0.02)
    assert [judged.verdicts[arm].verdict for arm in ("small", "large", "same")] == [*verdicts, "equivalent"]
    fell, rose = (judged.sentences[arm].text for arm in ("small", "large"))
    assert (f"makes it {verdicts[0]}: m falls by 0.0" in fell, f"makes it {verdicts[1]}: m rises by 0.0" in rose) == (
        True,
        True,
    )
    page = Path("studies/mine/report.html").read_text(encoding="utf-8")
    assert (f"arm is {verdicts[1]} →" in page, f"← {verdicts[0]}" in page) == (True, True)
    assert "less than 0.02 in every condition" in judged.sentences["same"].text


def test_high_values_are_no_error_rates_and_a_constant_metric_is_not_tested() -> None:
    judged = imported(values(scale=100.0), metric="accuracy", unit="%")
    assert judged.verdicts["small"].verdict == "worse"
    frame = values(scale=1e6).assign(value=lambda table: table["arm"].map(dict.fromkeys(ARMS, 1000000.0 / 3)))
    assert {verdict.verdict for verdict in imported(frame, metric="accuracy").verdicts.values()} == {"inconclusive"}


@pytest.mark.parametrize("name", ["seed", "value", "items", "wer", "condition", "<b>|$_{x}\\"])
def test_a_metric_may_have_any_name(name: str) -> None:
    judged = imported(values(), metric=name, higher_is_better=True, unit="$%")
    assert judged.verdicts["small"].verdict == "worse"
    assert judged.sentences["small"].text.count(f"{name} falls by ") == 1


def test_every_format_of_the_report_names_metric_unit_and_direction() -> None:
    judged = imported(
        values(scale=30.0, items=3, conditions=("clean", "babble_0db", "babble_5db")), metric="PSNR", margin_points=0.3
    )
    for name in ("html", "md", "tex"):
        text = Path(f"studies/mine/report.{name}").read_text(encoding="utf-8")
        assert "PSNR" in text
        assert "higher is better" in text
        assert "in dB" in text
        for foreign in (" points", "WER", "of error rates", "utterance", "reference words", "MAPSSWE"):
            assert foreign not in re.sub(r"<style>.*?</style>|<[^>]*>", "", text, flags=re.DOTALL), (name, foreign)
    found = json.loads(Path("studies/mine/report.json").read_text(encoding="utf-8"))
    assert found["measure"] == {"name": "PSNR", "higher_is_better": True, "unit": "dB"}
    assert "dB" in summary_markdown(judged)
    assert "points" not in summary_markdown(judged)


def test_a_comparison_with_an_earlier_study_follows_the_direction(ablate: Callable[..., Any]) -> None:
    imported(values(), metric="accuracy")
    frame = values().assign(value=lambda table: 0.3 + 0.7 * table["value"])
    frame.to_csv("later.csv", index=False)
    api.import_results(scores="later.csv", out="studies/later", metric="accuracy")
    answer = ablate("report", "later", "--compare", "mine", "--format", "md")
    assert (answer.code, answer.err) == (0, "")
    text = Path(answer.out.strip()).read_text(encoding="utf-8")
    assert "4 better" in text
    assert "points" not in text
    assert "a positive difference means that the arm has become better" in text
    api.import_results(scores="later.csv", out="studies/other", metric="loss")
    answer = ablate("report", "other", "--compare", "mine")
    assert (answer.code, "by one metric" in answer.err) == (2, True)


def test_the_gate_takes_such_a_study(ablate: Callable[..., Any], tmp_path: Path) -> None:
    imported(values(), metric="accuracy")
    gate = ablate("gate", "mine", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert (gate.code, "gate passed" in gate.out) == (0, True)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_study(suffix: str) -> None:
    frame = values(items=2, conditions=("a", "b")).assign(metric="F1")
    path = f"scores.{suffix}"
    match suffix:
        case "csv":
            frame.to_csv(path, index=False)
        case "tsv":
            frame.to_csv(path, index=False, sep="\t")
        case "jsonl":
            frame.to_json(path, orient="records", lines=True, double_precision=15)
        case _:
            frame.to_parquet(path)
    judged = api.import_results(scores=path, out="studies/mine")
    pooled = frame.groupby("arm")["value"].mean()
    assert {arm: rates["overall"] for arm, rates in judged.pooled.items()} == pytest.approx(pooled.to_dict())
    assert judged.study.conditions == ["a", "b"]


def test_the_python_comparison_takes_values() -> None:
    frame = values(conditions=("a", "b"))
    table = api.compare(frame, metric="accuracy", margin=0.02)
    rows = table[table["arm"] == "small"]
    assert set(rows["verdict"]) == {"worse"}
    assert {"value", "value_low", "value_high"} <= {*table}
    with pytest.raises(api.UserError, match="direction of the metric"):
        api.compare(frame, metric="niceness")


@pytest.mark.parametrize(
    ("name", "higher"),
    [
        ("Top-1 accuracy", True),
        ("val/loss", False),
        ("mAP@0.5", True),
        ("BLEU-4", True),
        ("accuracy drop", None),
        ("x", None),
    ],
)
def test_directions_are_known_by_whole_names_only(name: str, higher: bool | None) -> None:
    assert known_direction(name) is higher


def _without(frame: pd.DataFrame, rows: slice) -> pd.DataFrame:
    return frame.drop(frame.index[rows])


BROKEN: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any], str]] = {
    "unknown metric": (lambda f: f, {"metric": "niceness"}, "--higher-is-better or --lower-is-better"),
    "no name": (lambda f: f, {}, "give it with --metric NAME"),
    "several metrics": (lambda f: pd.concat([f.assign(metric="a"), f.assign(metric="b")]), {}, "has 2 metrics, 'a', 'b'"),
    "other metric": (lambda f: f.assign(metric="accuracy"), {"metric": "acuracy"}, "did you mean 'accuracy'"),
    "no column": (lambda f: f.rename(columns={"value": "score"}), {"metric": "F1"}, "lacks 'value'; it has 'arm'"),
    "no number": (lambda f: f.assign(value=["91.2%", *f["value"][1:]]), {"metric": "F1"}, "without its unit"),
    "nan": (lambda f: f.assign(value=[float("inf"), *f["value"][1:]]), {"metric": "F1"}, "1 of 80 are not, e.g. 'inf' in"),
    "empty": (lambda f: f.assign(value=[None, *f["value"][1:]]), {"metric": "F1"}, "1 of 80 rows have none, e.g. line 2"),
    "no rows": (lambda f: f.head(0), {"metric": "F1"}, "0 values"),
    "seed": (lambda f: f.assign(seed=["one", *f["seed"][1:]]), {"metric": "F1"}, "line 2 has 'one'"),
    "no baseline": (lambda f: f, {"metric": "F1", "baseline": "base"}, "did you mean 'baseline'"),
    "lost item": (lambda f: _without(f, slice(7, 8)), {"metric": "F1"}, "1 of 16 trials lack some of 5, e.g. arm"),
    "item twice": (lambda f: pd.concat([f, f.head(1)]), {"metric": "F1"}, "1 of 81 rows repeat one, e.g. arm 'baseline', seed 1"),
    "lost trial": (lambda f: _without(f, slice(0, 5)), {"metric": "F1"}, "15 of 16 values are there: 1 of 16 trials lack"),
    "margin": (lambda f: f, {"metric": "F1", "margin_points": -1}, "--margin is more than 0"),
    "other options": (lambda f: f, {"metric": "F1", "ref": "text"}, "--ref is a choice for --hyp"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_wrong_table_is_refused_in_one_sentence(case: str) -> None:
    change, options, said = BROKEN[case]
    with pytest.raises(api.UserError) as caught:
        imported(change(values(items=5)), **options)
    assert said in str(caught.value)
    assert (len(str(caught.value).splitlines()), caught.value.exit_code) == (1, 2)
    assert not Path("studies").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("accuracy", "Accuracy"),
        ("psnr", "PSNR"),
        ("mAP", "mAP"),
        ("val/loss", "Val/loss"),
        ("wer", "WER"),
        ("Top-1", "Top-1"),
    ],
)
def test_a_heading_writes_a_name_as_people_do(name: str, said: str) -> None:
    assert heading(measure(name, higher_is_better=True)) == said
