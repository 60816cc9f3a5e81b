"""Example utterances: the ones that differ most, and words in the right columns."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.records import Study
from ablation.report.examples import NOTHING, align, choose, examples
from ablation.results import COUNTS_COLUMNS, read_counts, read_texts
from ablation.stats.scoring import COUNTS, score, score_transcripts

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=6).map(" ".join)


def test_words_stand_under_each_other() -> None:
    rows = align("Bin blue at F, two now", "bin green green at two now please", "blue at f 2 now")
    assert rows == [
        ("bin", "***", "blue", "at", "f", "two", "now", "***"),
        ("bin", "GREEN", "GREEN", "at", "***", "two", "now", "PLEASE"),
        ("***", "", "blue", "at", "f", "[2]", "now", ""),
    ]
    assert align("", "", "a b") == [("***", "***"), ("", ""), ("A", "B")]


@given(reference=WORDS, first=WORDS, second=WORDS)
def test_an_alignment_shows_exactly_the_errors_that_are_counted(reference: str, first: str, second: str) -> None:
    said, *heard = align(reference, first, second)
    assert [word for word in said if word != NOTHING] == reference.split()
    for row, hypothesis in zip(heard, (first, second), strict=True):
        assert len(row) == len(said)
        assert [word.lower() for word in row if word not in ("", NOTHING)] == hypothesis.split()
        wrong = Counter("insertions" if a == NOTHING else "substitutions" for a, b in zip(said, row, strict=True)
                        if b.isupper() and b)  # fmt: skip
        [count] = score([reference], [hypothesis])
        assert wrong["insertions"] == count.insertions
        assert wrong["substitutions"] == count.substitutions
        assert row.count(NOTHING) == count.deletions


def counts(errors: dict[tuple[str, int, str, str], int]) -> pd.DataFrame:
    rows = [(*key, "s1", number, 0, 0, 9) for key, number in errors.items()]
    return pd.DataFrame(rows, columns=["arm", "seed", "condition", "utterance_id", "speaker", *COUNTS])


def test_the_largest_differences_come_first_and_each_utterance_once() -> None:
    base = {("baseline", s, c, u): 2 for s in (1, 2) for c in ("clean", "n_0db") for u in ("u1", "u2", "u3")}
    arm = {("x", s, c, u): 2 for _, s, c, u in base}
    arm |= {
        ("x", 1, "clean", "u2"): 5,
        ("x", 2, "clean", "u2"): 6,
        ("x", 1, "n_0db", "u2"): 4,
        ("x", 2, "n_0db", "u3"): 0,
    }
    chosen = choose(counts({**base, **arm}), "baseline", ["baseline", "x", "never ran"], per_arm=3)
    assert [(c.arm, c.condition, c.utterance_id, c.seed) for c in chosen] == [
        ("x", "clean", "u2", 2),
        ("x", "n_0db", "u3", 2),
    ]
    assert [(c.baseline_errors, c.arm_errors, c.seeds) for c in chosen] == [(4, 11, 2), (4, 2, 2)]


def test_only_seeds_that_both_have_count() -> None:
    table = counts({("baseline", 1, "clean", "u"): 1, ("x", 1, "clean", "u"): 3, ("x", 2, "clean", "u"): 9})
    [choice] = choose(table, "baseline", ["x"], 2)
    assert (choice.seed, choice.seeds, choice.baseline_errors, choice.arm_errors) == (1, 1, 1, 3)
    assert choose(table[table["arm"] == "x"], "baseline", ["x"], 2) == []
    assert choose(table.iloc[:0], "baseline", ["x"], 2) == []


@pytest.fixture
def study() -> Study:
    return Study(preset="tiny", study="s", corpus={}, seeds=[1], conditions=["clean"], trials=[],
                 arms=[{"arm": "baseline"}, {"arm": "x"}])  # fmt: skip


def test_texts_come_from_the_seed_that_was_chosen(study: Study, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    said = ["lay red now", "set white by e", "place it"]
    rows = [
        (arm, seed, "clean", f"u{n}", "s1", text, " ".join(rng.permutation(text.split())) if arm == "x" else text)
        for arm in ("baseline", "x") for seed in (1, 2) for n, text in enumerate(said)
    ]  # fmt: skip
    texts = pd.DataFrame(
        rows, columns=["arm", "seed", "condition", "utterance_id", "speaker", "reference", "hypothesis"]
    )
    table = score_transcripts(texts)[COUNTS_COLUMNS]
    table.to_parquet(tmp_path / "counts.parquet")
    found = examples(study, table, tmp_path, per_arm=2)
    assert found
    for example in found:
        key = example.choice
        row = texts[(texts["arm"] == "x") & (texts["seed"] == key.seed) & (texts["utterance_id"] == key.utterance_id)]
        reference, hypothesis = row.iloc[0][["reference", "hypothesis"]]
        assert (example.said, example.baseline, example.arm) == tuple(align(reference, reference, hypothesis))


def test_counts_are_read_without_texts_and_texts_of_some_utterances_only(tmp_path: Path) -> None:
    table = counts({("baseline", 1, "clean", u): 1 for u in ("u1", "u2")}).assign(reference="r", hypothesis="h")
    table.to_parquet(tmp_path / "counts.parquet")
    assert list(read_counts(tmp_path)) == [name for name in COUNTS_COLUMNS if name not in ("reference", "hypothesis")]
    assert read_texts(tmp_path, ["u2"]).to_dict("records") == [
        {"arm": "baseline", "seed": 1, "condition": "clean", "utterance_id": "u2", "reference": "r", "hypothesis": "h"}
    ]
