"""An external corpus in the steps: nothing is prepared, and all trials have to have the same references."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from common.errors import UserError
from components.prepare_corpus import NOTE_FILE, prepare_for_trials
from components.shared import same_references
from components.shared.corpus_reference import CorpusReference
from components.shared.inputs import Overrides, checked_inputs
from components.shared.transcripts import transcript_table
from components.shared.trial import COUNTS_FILE, Status, plan_of
from recipes.base import Transcript

URI = "external://digits?version=3"


PLAN = {"study": "x", "corpus": URI, "conditions": {"hiss": [0]}}


@pytest.mark.parametrize("rooted", [True, False])
def test_nothing_is_prepared_and_the_address_is_the_fingerprint(tmp_path: Path, rooted: bool) -> None:
    root, inside = tmp_path / "corpora", tmp_path / "corpus"
    found = prepare_for_trials(URI, str(root) if rooted else "", tmp_path / "reference", inside)
    assert found == CorpusReference.read(tmp_path / "reference")
    assert (found.uri, found.place, found.summary) == (URI, URI, {"uri": URI, "fingerprint": found.fingerprint})
    assert found.data(inside, str(root) if rooted else "") == inside
    assert [path.name for path in inside.iterdir()] == [NOTE_FILE]
    assert not root.exists()
    other = prepare_for_trials("external://digits?version=4", "", tmp_path / "reference", inside)
    assert other.fingerprint != found.fingerprint


def trial_with(folder: Path, arm: str, seed: int, texts: Mapping[str, str]) -> Path:
    """The folder of a scored trial whose references are these."""
    status = Status(arm, seed, f"{arm}-{seed}", "finished").write(folder / f"{arm}-{seed}")
    rows = [(name, text, condition) for condition in ("clean", "hiss_0db") for name, text in texts.items()]
    table = pd.DataFrame(rows, columns=["utterance_id", "reference", "condition"])
    table.to_parquet(folder / f"{arm}-{seed}" / COUNTS_FILE)
    return folder / f"{status.arm}-{seed}"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"a": "one", "b": "three"}, "'b' has 'three' here and 'two' in baseline seed 1, whose references 2 of 3 trials have"),
        ({"a": "one"}, "this one lacks 'b' of baseline seed 1"),
        ({"a": "one", "b": "two", "c": "x"}, "this one has 'c', which baseline seed 1 lacks"),
    ],
)  # fmt: skip
def test_a_trial_with_other_references_fails_and_names_the_utterance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: Mapping[str, str], said: str
) -> None:
    recorded: list[Status] = []
    monkeypatch.setattr(same_references, "record_failure", lambda status, _out, _uri: recorded.append(status) or status)
    usual = {"a": "one", "b": "two"}
    folders = [trial_with(tmp_path, "other", 1, changed), *(trial_with(tmp_path, "baseline", n, usual) for n in (1, 2))]
    failed = Status("lost", 1, "lost").fail("killed").write(tmp_path / "lost")
    same_references.fail_others(plan_of(PLAN), [*folders, tmp_path / "lost"], "sqlite://")
    assert [each.arm for each in recorded] == ["other"]
    assert said in str(recorded[0].reason)
    assert [(folder / COUNTS_FILE).is_file() for folder in folders] == [False, True, True]
    assert Status.read(tmp_path / "lost") == failed


def test_references_that_read_alike_are_the_same(tmp_path: Path) -> None:
    folders = [trial_with(tmp_path, "x", 1, {"a": "One, two."}), trial_with(tmp_path, "y", 1, {"a": "one two"})]
    same_references.fail_others(plan_of(PLAN), folders, "sqlite://")
    assert all((folder / COUNTS_FILE).is_file() for folder in folders)


TEXTS = {
    "no reference": ([Transcript("a", "clean", "x")], "has no texts of .* the transcript of 'a' under 'clean' has no reference"),
    "another reference": (
        [Transcript("a", "clean", "x", "one"), Transcript("a", "hiss_0db", "x", "two")],
        "has one reference under all conditions, and 'a' has 'two' under 'hiss_0db' and 'one' before",
    ),
    "another speaker": (
        [Transcript("a", "clean", "x", "one", "s1"), Transcript("a", "hiss_0db", "x", "one", "s2")],
        "has one speaker, and 'a' has 's2'",
    ),
    "no words": ([Transcript("a", "clean", "x", ""), Transcript("a", "hiss_0db", "x", "?")], "needs words, and 1 transcripts"),
    "none": ([], "needs words, and 0 transcripts"),
    "one condition": ([Transcript("a", "clean", "x", "one")], "1 of 2, e.g. 'a' under 'hiss_0db', have none"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "said"), TEXTS.values(), ids=TEXTS)
def test_transcripts_without_their_references_are_refused(found: list[Transcript], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        transcript_table(found, tmp_path, plan_of(PLAN))


def test_inputs_of_the_service_are_refused_for_a_recipe_that_reads_folders() -> None:
    smile = {"study": "x", "corpus": URI, "ablations": [{"part": "masking", "action": "remove"}]}
    with pytest.raises(UserError, match="recipe 'smile' trains on a prepared corpus"):
        checked_inputs(smile, "", Overrides(), "0")
    with pytest.raises(UserError, match="recipe 'smile' trains on a prepared corpus"):
        checked_inputs(smile | {"corpus": "grid://x"}, "", Overrides(corpus=URI), "0")
