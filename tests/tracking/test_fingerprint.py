"""A fingerprint changes with what decides a trial's result, and with nothing else; and it says what has changed."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracking import fingerprint as module
from tracking.fingerprint import (
    SCORING,
    SOURCES,
    TRAINING,
    changes,
    content,
    fingerprint,
    modules,
    scoring_inputs,
    sources_fingerprint,
    trial_inputs,
)

ROOT = Path(__file__).parents[2]
SETTINGS = {"a": 1, "b": {"c": 2}}
COMMENT = '"""Another docstring."""\n# a comment\n'


def trained(settings: dict[str, Any] = SETTINGS, seed: int = 1, corpus: str = "x", noise: str | None = None) -> str:
    return fingerprint(trial_inputs(settings, seed, corpus, noise))


@pytest.mark.parametrize("other", [{"settings": {"a": 1, "b": {"c": 3}}}, {"seed": 2}, {"corpus": "y"}], ids=str)
def test_settings_seed_and_corpus_count(other: dict[str, Any]) -> None:
    assert trained(**other) != trained()


def test_the_order_of_settings_does_not() -> None:
    assert trained({"b": {"c": 2}, "a": 1}) == trained()


def test_conditions_count_for_the_scores_and_not_for_the_training() -> None:
    both, one = scoring_inputs("t", {"babble": (0.0, 5.0)}, {}), scoring_inputs("t", {"babble": (0.0,)}, {})
    assert fingerprint(both) != fingerprint(one)
    assert fingerprint(one) == fingerprint(scoring_inputs("t", {"babble": (0,)}, {}))
    assert fingerprint(one) != fingerprint(scoring_inputs("other", {"babble": (0.0,)}, {}))


def test_recordings_count_by_content_and_name_and_not_by_place(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rain.wav").write_bytes(b"rain")
    assert content(str(tmp_path / "one")) == content(str(tmp_path / "two"))
    assert trained(noise=str(tmp_path / "one")) != trained()
    (tmp_path / "two" / "rain.wav").write_bytes(b"hail")
    content.cache_clear()
    assert content(str(tmp_path / "one")) != content(str(tmp_path / "two"))
    assert content(str(tmp_path / "gone")) == f"absent: {tmp_path / 'gone'}"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes into a copy of our sources, from which fingerprints are then taken: `copy(path, text)` appends."""
    for package in (*SOURCES, "ablation"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "ROOT", tmp_path)

    def append(path: str, text: str) -> None:
        with (tmp_path / path).open("a") as file:
            file.write(text)
        forget()

    forget()
    yield append
    forget()


def forget() -> None:
    modules.cache_clear()
    sources_fingerprint.cache_clear()


@pytest.mark.parametrize(
    ("path", "text", "trains", "scores"),
    [
        ("ablation/significance.py", "# a comment\n", False, False),
        ("ablation/report/content.py", "x = 1\n", False, False),
        ("ablation/scoring.py", "# a comment\n", False, False),
        ("ablation/scoring.py", "x = 1\n", False, True),
        ("training/evaluate.py", "x = 1\n", False, True),
        ("model/fusion.py", "# a comment\n\n\ndef same(): ...\n", True, True),
        ("model/fusion.py", "# a comment\n", False, False),
        ("training/loop.py", "x = 1\n", True, False),  # scores follow from the trial, which is another one
        ("corpora/noise.py", "x = 1\n", True, True),
        ("corpora/synthetic.py", "x = 1\n", False, False),  # the corpus's own fingerprint knows what it made
        ("corpora/show.py", "x = 1\n", False, False),
    ],
)
def test_code_counts_where_it_computes_the_result(
    copy: Callable[[str, str], None], path: str, text: str, trains: bool, scores: bool
) -> None:
    before = modules(TRAINING), modules(SCORING)
    copy(path, text)
    assert (modules(TRAINING) != before[0], modules(SCORING) != before[1]) == (trains, scores)


def test_docstrings_do_not_count_and_other_strings_do(copy: Callable[[str, str], None]) -> None:
    copy("model/siamese.py", "def f(x):\n    return x\n")
    plain = sources_fingerprint()
    file = module.ROOT / "model/siamese.py"
    file.write_text(file.read_text().replace("def f(x):\n", 'def f(x):\n    """Say."""\n    # why\n'))
    forget()
    assert sources_fingerprint() == plain
    file.write_text(file.read_text().replace("return x\n", "return 'x'\n"))
    forget()
    assert sources_fingerprint() != plain


def test_all_that_a_training_imports_is_in() -> None:
    assert {"model/fusion.py", "model/masking.py", "training/batches.py", "corpora/store.py"} <= set(modules(TRAINING))


def test_changes_name_settings_and_files() -> None:
    one = {
        "settings": {"training": {"steps": 6, "beta": 0.3}},
        "seed": 1,
        "code": {"model/a.py": "1", "model/b.py": "2"},
    }
    two = {
        "settings": {"training": {"steps": 7, "beta": 0.3}},
        "seed": 1,
        "code": {"model/a.py": "3", "model/c.py": "4"},
    }
    assert changes(one, one) == []
    assert changes(one, two) == [
        "training.steps: 6 -> 7",
        "model/a.py has changed",
        "model/b.py is gone",
        "model/c.py is new",
    ]
    assert changes({"noise": {}}, {"noise": {"babble": "ab"}}) == ["noise.babble: nothing -> ab"]
