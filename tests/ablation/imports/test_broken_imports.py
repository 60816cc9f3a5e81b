"""Every mistake in an import is one sentence with numbers and a remedy, and nothing is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablation.imports.folder import import_results
from ablation.imports.options import Options
from common.errors import UserError

HYP = "exp/{arm}/seed{seed}/{condition}.trn"
FILE = Path("exp/no-lm/seed2/clean.trn")
IDS = [f"s{number}-u{number}" for number in range(5)]


def trn(ids: list[str], words: str = "place red at b two") -> str:
    return "".join(f"{words} ({name})\n" for name in ids)


@pytest.fixture(autouse=True)
def exp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound results of 2 arms, 3 seeds and 2 conditions: each mistake is made in them."""
    monkeypatch.chdir(tmp_path)
    for arm in ("baseline", "no-lm"):
        for seed in (1, 2, 3):
            for condition in ("clean", "babble_0db"):
                path = Path(f"exp/{arm}/seed{seed}/{condition}.trn")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(trn(IDS), encoding="utf-8")
    Path("ref").write_text("".join(f"{name} place blue at b two\n" for name in IDS), encoding="utf-8")


def write(text: str | bytes, path: Path | str = FILE) -> None:
    Path(path).write_bytes(text.encode() if isinstance(text, str) else text)


def every(text: str, suffix: str) -> str:
    """Write the same text as a file of every trial, and return the pattern of these files."""
    for path in Path("exp").rglob("*.trn"):
        path.with_suffix(suffix).write_text(text, encoding="utf-8")
    return HYP.replace(".trn", suffix)


def jsonl(**changes: Any) -> str:
    return "".join(json.dumps({"utt_id": name, "ref": "a b", "hyp": "a"} | changes) + "\n" for name in IDS)


def other_reference() -> str:
    pattern = every(jsonl(), ".jsonl")
    write(jsonl(ref="a c"), FILE.with_suffix(".jsonl"))
    return pattern


Broken = tuple[str, Callable[[], Any], dict[str, Any], list[str]]
CASES: list[Broken] = [
    ("missing utterance", lambda: write(trn(IDS[1:])), {}, ["lacks 1 of 5", "'s0-u0'", "--missing as-deletions"]),
    ("missing in several files", lambda: write("six " + Path("ref").read_text() + "u6 x\n", "ref"), {}, ["11 other files"]),
    ("extra utterance", lambda: write(trn([*IDS, "x"])), {}, ["has 1 utterances", "5 references", "--extra ignore"]),
    ("duplicate id", lambda: write(trn([*IDS, IDS[0]])), {}, ["1 of 5 occur more often", "lines 1 and 6", "remove"]),
    ("other reference in a file", other_reference, {"ref": None}, ["5 of 5", "'a c'", "score both on the same texts"]),
    ("other reference than the file", lambda: every(jsonl(), ".jsonl"), {}, ["5 of 5 utterances", "'a b'"]),
    ("empty file", lambda: write(""), {}, ["is empty", "0 utterances"]),
    ("white space only", lambda: write(" \n\n"), {}, ["is empty"]),
    ("wrong encoding", lambda: write("ä (s1)\nö (s2)\n".encode("latin-1")), {}, ["0xe4 in line 1", "iconv"]),
    ("UTF-16 without a mark", lambda: write("a (s1)".encode("utf-16-le")), {}, ["NUL", "UTF-8"]),
    ("one seed missing", lambda: shutil.rmtree("exp/no-lm/seed3"), {}, ["10 of 12 files", "1 of 6 trials", "seed 3"]),
    ("one condition missing", lambda: FILE.unlink(), {}, ["11 of 12 files", "'no-lm', seed 2", "--missing-trials"]),
    ("no match in the folder", lambda: "exp/{arm}/seed_{seed}/{condition}.trn", {}, ["0 files", "'seed_{seed}'", "'seed1'"]),
    ("no match at all", lambda: "nowhere/{arm}.trn", {}, ["0 files", "'nowhere'"]),
    ("two readings", lambda: (write("", "a-b-c-1.trn"), "{arm}-{condition}-{seed}.trn")[1], {}, ["two ways", "'a-b'"]),
    ("two files of a trial", lambda: "exp/{arm}/seed{seed}/*.trn", {}, ["babble_0db.trn and", "clean.trn", "seed 1"]),
    ("seed is no number", lambda: Path("exp/no-lm/seed3").rename("exp/no-lm/seed3b"), {}, ["whole number", "seed3b"]),
    ("mixed formats", lambda: write("s0-u0 a\n", "exp/no-lm/seed2/clean.txt") or FILE.unlink(), {"hyp": "mixed"},
     ["11 of trn", "1 of kaldi", "clean.txt", "--format"]),
    ("ids in another case", lambda: write(trn([name.upper() for name in IDS])), {}, ["5 of 5 ids", "case", "'S0-U0'"]),
    ("other ids", lambda: write(trn([f"x-{name}" for name in IDS])), {}, ["none of the 5 ids", "--id REGEX"]),
    ("line without id", lambda: write(trn(IDS) + "place red\n"), {}, ["line 6", "'place red'", "(id)"]),
    ("alternatives", lambda: write("a { b / c } (s0)\n"), {}, ["line 1", "alternatives"]),
    ("no references", lambda: None, {"ref": None}, ["no references", "--ref FILE"]),
    ("references are no file", lambda: None, {"ref": "gone"}, ["no file gone"]),
    ("references with an arm", lambda: None, {"ref": "{arm}/ref"}, ["{condition} only"]),
    ("empty references", lambda: write("\n".join(IDS), "ref"), {}, ["all 5 references", "empty"]),
    ("broken JSON", lambda: every('{"a"', ".json"), {}, ["not valid JSON"]),
    ("endless JSON", lambda: every("[" * 100_000, ".json"), {}, ["not valid JSON", "recursion"]),
    ("broken line of JSON", lambda: every('{"id": "a", "hyp": "b"}\n{"id": }', ".jsonl"), {}, ["line 2"]),
    ("no hypotheses", lambda: every('{"id": "a", "ref": "b"}\n', ".jsonl"), {}, ["1 of 1", "--keys hyp=NAME"]),
    ("no ids", lambda: every('{"ref": "a", "hyp": "b"}\n', ".jsonl"), {}, ["ref, hyp", "--keys id=NAME"]),
    ("two keys of ids", lambda: None, {"keys": "id=a,hyp=h,id=b"}, ["one name for id", "'a'", "'b'", "leave out one"]),
    ("lists of other lengths", lambda: every('{"utt_id": ["a"], "ref": ["x"], "hypo": []}', ".json"), {}, ["hypo 0"]),
    ("short row", lambda: every("id,hyp\na\n", ".csv"), {}, ["2 columns", "line 2", "quotes"]),
    ("recogs without ids", lambda: every("ref=['A']\nhyp=['B']\n", ".txt"), {}, ["line 1", "writes ids"]),
    ("unknown field", lambda: HYP.replace("{seed}", "{sed}"), {}, ["{sed}", "did you mean 'seed'"]),
    ("no arm", lambda: "exp/baseline/seed{seed}/{condition}.trn", {}, ["{arm}"]),
    ("no baseline", lambda: None, {"baseline": "base"}, ["'base'", "2 arms", "did you mean 'baseline'"]),
    ("unknown arm", lambda: write("no-ml: {part: x}", "arms.yaml"), {"arms": Path("arms.yaml")}, ["did you mean 'no-lm'"]),
    ("unknown action", lambda: write("no-lm: {action: drop}", "arms.yaml"), {"arms": Path("arms.yaml")}, ["'drop'"]),
    ("no arms file", lambda: None, {"arms": Path("arms.yaml")}, ["arms.yaml"]),
    ("speakers without a match", lambda: None, {"speaker": "^z"}, ["finds nothing", "'s0-u0'"]),
    ("speaker is no expression", lambda: None, {"speaker": "("}, ["regular expression"]),
    ("speakers lack some", lambda: write("s0-u0 s0\n", "utt2spk"), {"speakers": Path("utt2spk")}, ["4 of 5"]),
    ("unknown format", lambda: None, {"format": "tnr"}, ["did you mean 'trn'"]),
    ("unknown choice", lambda: None, {"missing": "as-deletion"}, ["as-deletions"]),
    ("a file is in the way", lambda: write("", "study"), {}, ["is a file", "--out"]),
    ("a folder is in the way", lambda: (Path("study").mkdir(), write("", "study/x"))[0], {}, ["other files", "--out"]),
]  # fmt: skip


@pytest.mark.parametrize(("make", "options", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_broken_import_is_one_sentence(make: Callable[[], Any], options: dict[str, Any], words: list[str]) -> None:
    made, options = make(), {"ref": "ref"} | options
    pattern = made if isinstance(made, str) else HYP
    patterns = [HYP, HYP.replace(".trn", ".txt")] if options.pop("hyp", None) else [pattern]
    before = sorted(Path().rglob("*"))
    with pytest.raises(UserError) as error:
        import_results(patterns, Path("study"), Options(**options))
    said = str(error.value)
    assert ("\n" in said, error.value.exit_code) == (False, 2)
    for word in words:
        assert word in said
    assert sorted(Path().rglob("*")) == before


def test_a_study_that_ran_here_is_not_replaced() -> None:
    import_results(HYP, Path("study"), Options(ref="ref"))
    record = json.loads(Path("study/study.json").read_text(encoding="utf-8"))
    record |= {"imported": None, "sha256": {}}
    Path("study/study.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(UserError, match="does not replace"):
        import_results(HYP, Path("study"), Options(ref="ref"))
