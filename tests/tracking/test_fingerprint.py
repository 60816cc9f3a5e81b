"""A fingerprint changes with what decides a trial's result, and with nothing else; and it says what has changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common import source_code
from common.content import content
from common.source_code import FOLLOWED, computed_by, sources_fingerprint, used_by
from recipes.smile import TRAINING, TRANSCRIPTION
from tracking import fingerprint as fingerprints
from tracking.fingerprint import OLD_CODE, changes, fingerprint, scoring_inputs, trial_inputs

SCORING = (*TRANSCRIPTION, *fingerprints.SCORING)

ROOT = Path(__file__).parents[2]
SETTINGS = {"a": 1, "b": {"c": 2}}
COMMENT = '"""Another docstring."""\n# a comment\n'


def trained(settings: dict[str, Any] = SETTINGS, seed: int = 1, corpus: str = "x", noise: str | None = None) -> str:
    return fingerprint(trial_inputs(settings, seed, corpus, {"babble": noise} if noise else {}))


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
    assert fingerprint(one) != fingerprint(scoring_inputs("t", {"babble": (0,)}, {}, "none"))
    assert fingerprint(one) != fingerprint(one | {"normalise": {"name": "basic", "version": 1}})


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
def copy(sources: Path) -> Callable[[str, str], None]:
    """`copy(path, text)` appends to a file of a copy of our sources."""

    def append(path: str, text: str) -> None:
        with (sources / path).open("a") as file:
            file.write(text)
        source_code.forget()

    return append


@pytest.mark.parametrize(
    ("path", "text", "trains", "scores"),
    [
        ("ablation/stats/significance.py", "# a comment\n", False, False),
        ("ablation/report/content.py", "x = 1\n", False, False),
        ("ablation/stats/scoring.py", "# a comment\n", False, False),
        ("ablation/stats/scoring.py", "x = 1\n", False, True),
        ("common/normalise.py", "x = 1\n", False, True),
        ("training/evaluate.py", "x = 1\n", False, True),
        ("model/fusion.py", "# a comment\n\n\ndef same(): ...\n", True, True),
        ("model/fusion.py", "# a comment\n", False, False),
        ("training/loop.py", "x = 1\n", True, False),  # another trial has other scores
        ("corpora/noise.py", "x = 1\n", True, True),
        (
            "corpora/synthetic/talking_mouth.py",
            "x = 1\n",
            False,
            False,
        ),  # the corpus's own fingerprint knows what it made
        ("corpora/show.py", "x = 1\n", False, False),
    ],
)
def test_code_counts_where_it_computes_the_result(
    copy: Callable[[str, str], None], path: str, text: str, trains: bool, scores: bool
) -> None:
    before = computed_by(TRAINING), computed_by(SCORING)
    copy(path, text)
    assert (computed_by(TRAINING) != before[0], computed_by(SCORING) != before[1]) == (trains, scores)


def test_docstrings_do_not_count_and_other_strings_do(copy: Callable[[str, str], None]) -> None:
    copy("model/siamese.py", "def f(x):\n    return x\n")
    plain = sources_fingerprint()
    file = source_code.ROOT / "model/siamese.py"
    file.write_text(file.read_text().replace("def f(x):\n", 'def f(x):\n    """Say."""\n    # why\n'))
    source_code.forget()
    assert sources_fingerprint() == plain
    file.write_text(file.read_text().replace("return x\n", "return 'x'\n"))
    source_code.forget()
    assert sources_fingerprint() != plain


def test_everything_that_training_imports_counts() -> None:
    assert {"model/fusion.py", "model/masking.py", "training/batches.py", "corpora/store.py"} <= set(used_by(TRAINING))


def move(old: str, new: str) -> None:
    """Move a module of the copy to another place and name, and let all importers take it from there."""
    root = source_code.ROOT
    (root / new.replace(".", "/")).parent.mkdir(parents=True, exist_ok=True)
    (root / f"{old.replace('.', '/')}.py").rename(root / f"{new.replace('.', '/')}.py")
    (old_package, _, old_name), (new_package, _, new_name) = old.rpartition("."), new.rpartition(".")
    whole = f"from {old_package} import {old_name}\n", f"from {new_package} import {new_name} as {old_name}\n"
    for path in (path for package in FOLLOWED for path in (root / package).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(f"from {old} import", f"from {new} import").replace(*whole), encoding="utf-8")
    source_code.forget()


@pytest.mark.parametrize("old", ["model.fusion", "training.checkpoint", "corpora.noise"])
@pytest.mark.usefixtures("copy")
def test_a_moved_module_keeps_every_fingerprint(old: str) -> None:
    before = computed_by(TRAINING), computed_by(SCORING)
    move(old, f"{old.partition('.')[0]}.elsewhere.renamed")
    assert (computed_by(TRAINING), computed_by(SCORING)) == before
    assert f"{old.partition('.')[0]}/elsewhere/renamed.py" in used_by(TRAINING)


def test_a_change_in_a_moved_module_is_seen(copy: Callable[[str, str], None]) -> None:
    before = computed_by(TRAINING)
    move("model.fusion", "model.elsewhere.renamed")
    copy("model/elsewhere/renamed.py", "x = 1\n")
    assert computed_by(TRAINING) != before


def test_modules_that_swap_their_names_are_another_program(copy: Callable[[str, str], None]) -> None:
    copy("model/one.py", "def f(x):\n    return x\n")
    copy("model/two.py", "def f(x):\n    return 2 * x\n")
    copy("training/loop.py", "from model.one import f\nfrom model.two import f as g\n")
    before = computed_by(TRAINING)
    (source_code.ROOT / "model/one.py").write_text("def f(x):\n    return 2 * x\n")
    (source_code.ROOT / "model/two.py").write_text("def f(x):\n    return x\n")
    source_code.forget()
    assert computed_by(TRAINING) != before


def code(**files: str) -> dict[str, Any]:
    return {
        "computes": str(sorted(files.values())),
        "files": {f"model/{name}.py": text for name, text in files.items()},
    }


def test_changes_name_settings_and_files() -> None:
    one = {"settings": {"training": {"steps": 6, "beta": 0.3}}, "seed": 1, "code": code(a="1", b="2")}
    two = {"settings": {"training": {"steps": 7, "beta": 0.3}}, "seed": 1, "code": code(a="3", c="4")}
    assert changes(one, one) == []
    assert changes(one, two) == [
        "training.steps: 6 -> 7",
        "model/a.py has changed",
        "model/c.py is new",
        "model/b.py is gone",
    ]
    assert changes({"noise": {}}, {"noise": {"babble": "ab"}}) == ["noise.babble: nothing -> ab"]


@pytest.mark.parametrize(("files", "last"), [(4, "model/d.py is new"), (5, "2 more files differ")])
def test_a_new_version_is_not_a_list_of_all_its_files(files: int, last: str) -> None:
    now = code(**{name: f"{number}" for number, name in enumerate("abcdefgh"[:files])})
    found = changes({"seed": 1, "code": code()}, {"seed": 2, "code": now})
    assert found[:4] == ["seed: 1 -> 2", "model/a.py is new", "model/b.py is new", "model/c.py is new"]
    assert found[4:] == [last]


def test_a_file_that_only_moved_is_no_change() -> None:
    assert changes({"code": code(a="1")}, {"code": code(elsewhere="1")}) == []


@pytest.mark.parametrize("earlier", [{"seed": 1, "code": {"model/a.py": "1"}}, {"seed": 1}], ids=["by name", "none"])
def test_a_trial_of_an_earlier_version_says_why_it_is_trained_again(earlier: dict[str, Any]) -> None:
    assert changes(earlier, {"seed": 1, "code": code(a="1")}) == [OLD_CODE]
