"""`ablate import` makes a study that the other commands take like any other."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablation.results import read_study

Ablate = Callable[..., Any]
HYP = "exp/{arm}/seed{seed}/{condition}.trn"


def write_results(shift: float = 0.0) -> None:
    """Write results of 2 arms, 3 seeds and 2 conditions; the arm no-lm has 30 points more errors."""
    draw, words = random.Random(3), ["red", "blue", "green", "white"]
    said = {f"s{number % 3}-u{number}": draw.choices(words, k=5) for number in range(40)}
    Path("ref").write_text("".join(f"{name} {' '.join(text)}\n" for name, text in said.items()), encoding="utf-8")
    for arm, rate in (("baseline", 0.1 + shift), ("no-lm", 0.4)):
        for seed in (1, 2, 3):
            for condition in ("clean", "babble_0db"):
                path = Path(HYP.format(arm=arm, seed=seed, condition=condition))
                path.parent.mkdir(parents=True, exist_ok=True)
                lines = [
                    " ".join(word for word in text if draw.random() > rate) + f" ({name})\n"
                    for name, text in said.items()
                ]
                path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_results()


def test_an_imported_study_is_reported_gated_and_compared(ablate: Ablate, tmp_path: Path) -> None:
    Path("arms.yaml").write_text(
        "no-lm: {part: the language model, action: remove, why: It is large.}", encoding="utf-8"
    )
    options = ["--hyp", HYP, "--ref", "ref", "--arms", "arms.yaml", "--margin", 2, "--metrics", "wer,cer"]
    answer = ablate("import", *options, "--out", "studies/mine")
    assert (answer.code, answer.err) == (0, "")
    paths = answer.out.split()
    assert "studies/mine/report.html" in paths
    assert all(Path(path).is_file() for path in paths)
    assert not Path("studies/mine/curves.parquet").exists()
    assert not list(Path("studies").glob(".*"))

    assert ablate("report", "mine").out.split() == paths
    text = Path("studies/mine/report.md").read_text(encoding="utf-8")
    assert "removing the language model makes it worse" in text
    assert "12 files (trn)" in text
    assert "cost are left out" in text
    assert "## Cost" not in text
    assert "## Training" not in text
    found = json.loads(Path("studies/mine/report.json").read_text(encoding="utf-8"))
    assert found["imported"]["references"] == "ref"
    assert all(row["detectable"] > 0 for row in found["comparison"] if row["arm"] == "no-lm")

    ui = ablate("ui", "mine")
    assert (ui.code, "report.html" in ui.err) == (2, True)
    gate = ablate("gate", "mine", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert (gate.code, "gate passed" in gate.out) == (0, True)

    write_results(shift=0.3)
    assert ablate("import", *options, "--out", "studies/later").code == 0
    changed = ablate("report", "later", "--compare", "mine", "--format", "md")
    assert (changed.code, changed.err) == (0, "")
    assert "worse" in Path(changed.out.strip()).read_text(encoding="utf-8")
    same = ablate("report", "mine", "--compare", "studies/mine")
    assert (same.code, "studies/mine is both" in same.err) == (2, True)


def test_lists_are_given_at_once_or_one_by_one(ablate: Ablate) -> None:
    given = ["import", "--hyp", HYP, "--ref", "ref"]
    assert ablate(*given, "--metrics", "cer", "--metrics", "wer", "--out", "one").code == 0
    assert ablate(*given, "--metrics", "cer, wer", "--out", "all").code == 0
    measured = [list(read_study(Path(name)).trials[0].wer) for name in ("one", "all")]
    assert measured[0] == measured[1]
    assert measured[0][0].startswith("cer/")
    assert {key.partition("/")[0] for key in measured[0]} == {"cer", "wer"}
    keys = ["--keys", "id=utt", "--keys", "hyp=utt=b"]
    wrong = ablate(*given, *keys, "--keys", "id=other", "--out", "keys")
    assert (wrong.code, "'utt' and 'other'" in wrong.err) == (2, True)


def test_one_seed_gives_no_verdict(ablate: Ablate) -> None:
    answer = ablate("import", "--hyp", "exp/{arm}/seed1/clean.trn", "--ref", "ref", "--out", "one")
    assert (answer.code, answer.err) == (0, "")
    text = Path("one/report.md").read_text(encoding="utf-8")
    assert "arm no-lm was not tested" in text
    assert "estimates and no verdicts" in text


def test_an_import_may_be_repeated(ablate: Ablate) -> None:
    for rounds in ([1, 2, 3], [1, 2, 3]):
        answer = ablate("import", "--hyp", HYP, "--ref", "ref", "--out", "studies/mine")
        assert (answer.code, answer.err) == (0, "")
        assert json.loads(Path("studies/mine/study.json").read_text(encoding="utf-8"))["seeds"] == rounds


def test_a_mistake_is_one_sentence_and_exit_code_2(ablate: Ablate) -> None:
    Path(HYP.format(arm="no-lm", seed=2, condition="clean")).unlink()
    answer = ablate("import", "--hyp", HYP, "--ref", "ref", "--out", "studies/mine")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: 11 of 12 files are there")
    assert len(answer.err.splitlines()) == 1
    assert not Path("studies").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("study.json", b""),
        ("study.json", b"{}"),
        ("study.json", b"["),
        ("counts.parquet", b""),
        ("counts.parquet", None),
    ],
)
def test_a_damaged_imported_study_asks_for_the_import(ablate: Ablate, name: str, content: bytes | None) -> None:
    ablate("import", "--hyp", HYP, "--ref", "ref", "--out", "studies/mine")
    path = Path("studies/mine") / name
    path.unlink() if content is None else path.write_bytes(content)
    answer = ablate("report", "studies/mine")
    assert answer.code in (1, 2)
    assert len(answer.err.splitlines()) == 1
    assert "ablate import" in answer.err
    assert "same `ablate run`" not in answer.err
