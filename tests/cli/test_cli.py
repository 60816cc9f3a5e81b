"""Quick commands: plans are shown and checked, and every mistake is one sentence and exit code 2."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app
from cli.report import names_of
from cli.run import _program

ROOT = Path(__file__).parents[2]
PLANS = sorted(path for path in (ROOT / "plans").iterdir() if path.is_file())

Ablate = Callable[..., Any]
PlanFile = Callable[..., Path]


def commands(group: Any, prefix: str = "") -> list[str]:
    """Return the full names of all commands and sub-commands."""
    found = []
    for name, command in group.commands.items():
        found += commands(command, f"{prefix}{name} ") if hasattr(command, "commands") else [f"{prefix}{name}"]
    return found


COMMANDS = commands(get_command(app))


def assert_one_sentence(answer: Any, *words: str) -> None:
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) == 1
    assert answer.out == ""
    for word in words:
        assert word in answer.err


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_every_shipped_plan_is_shown_with_all_arms(ablate: Ablate, path: Path) -> None:
    answer, listed = ablate("plan", path), ablate("plan", path, "--json")
    assert (answer.code, answer.err, listed.code, listed.err) == (0, "", 0, "")
    plan = json.loads(listed.out)
    keys = "study question arms seeds trials contrasts conditions power measured readings warnings"
    assert list(plan) == keys.split()
    assert plan["arms"][0] == {"arm": "baseline", "part": None, "action": None, "why": "", "overrides": {}}
    assert all(arm["arm"] in answer.out for arm in plan["arms"])
    assert len(plan["trials"]) == len(plan["arms"]) * len(plan["seeds"])
    assert plan["conditions"][0] == "clean"
    assert f"= {len(plan['trials'])} trials" in answer.out


@pytest.mark.parametrize("front_matter", [True, False])
def test_the_founding_plan_gives_its_four_arms(ablate: Ablate, tmp_path: Path, front_matter: bool) -> None:
    text = (ROOT / "plans" / "smile.md").read_text(encoding="utf-8")
    path = tmp_path / "plan.md"
    path.write_text(text if front_matter else text.split("---\n", 2)[2].lstrip(), encoding="utf-8")
    arms = json.loads(ablate("plan", path, "--json").out)["arms"]
    assert [arm["arm"] for arm in arms] == ["baseline", "static-scale", "no-scale", "uniform-masking"]
    assert arms[3]["overrides"] == {"masking": {"kind": "uniform"}}


def test_options_change_seeds_corpus_keys_and_settings(ablate: Ablate, plan_file: PlanFile) -> None:
    options = [
        "--seeds",
        "4,5",
        "--corpus",
        "grid://x",
        "--set",
        "training.steps=7",
        "--set",
        "conditions={white: [3]}",
    ]
    plan = json.loads(ablate("plan", plan_file(), "--json", *options).out)
    assert (plan["seeds"], plan["conditions"]) == ([4, 5], ["clean", "white_3db"])
    assert "grid://x" in ablate("plan", plan_file(), *options).out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--corpus", "foo://x"), ["no corpus scheme 'foo'", "grid"]),
        (("--corpus", "grid"), ["a corpus is a URI", "got 'grid'"]),
        (("--corpus", "synthetic://talking-mouth?trian=5"), ["trian", "train"]),
        (("--corpus", "sound://x"), ["needs pictures", "sound://x"]),
        (("--corpus", "s3://"), ["s3://"]),
        (("--seeds", "1,x"), ["seeds are whole numbers", "'x'", "write e.g. 1,2,3"]),
        (("--seeds", "[1,2"), ["seeds are whole numbers", "'[1'"]),
        (("--seeds", "1;2"), ["seeds are whole numbers", "'1;2'"]),
        (("--seeds", ""), ["`seeds` is empty"]),
        (("--seeds", "3,3"), ["seed 3 occurs 2 times"]),
        (("--seeds", "9" * 30), ["a seed is a whole number from 0 to 4294967295"]),
    ],
)
def test_a_corpus_or_seeds_that_cannot_be_are_refused_before_a_run(
    ablate: Ablate, plan_file: PlanFile, options: tuple[str, str], words: list[str]
) -> None:
    for command in ("plan", "run"):
        answer = ablate(command, plan_file(), *options)
        assert answer.code == 2
        assert [word for word in words if word not in answer.err] == []


def test_seeds_may_be_written_as_in_a_plan(ablate: Ablate, plan_file: PlanFile) -> None:
    assert json.loads(ablate("plan", plan_file(), "--json", "--seeds", "[1, 2, 9]").out)["seeds"] == [1, 2, 9]


def test_identical_arms_give_a_warning(ablate: Ablate, plan_file: PlanFile) -> None:
    arms = {"one": {"kind": "static", "value": 1.0}, "none": {"kind": "none"}}
    path = plan_file(ablations=[{"part": "fusion.scale", "replacements": arms}])
    [warning] = json.loads(ablate("plan", path, "--json", "--probe").out)["warnings"]
    assert warning.startswith("arms 'none' and 'one' compute the same function")
    assert warning in ablate("plan", path, "--probe").out
    assert "not probed: --probe finds arms that compute the same" in ablate("plan", path).out


def test_one_seed_gives_a_warning(ablate: Ablate, plan_file: PlanFile) -> None:
    assert "one seed gives no verdict" in ablate("plan", plan_file(seeds=[1])).out


def scale(**spec: Any) -> dict[str, Any]:
    return {"ablations": [{"part": "fusion.scale", "replacements": {"a": spec}}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ablations": [{"part": "fusion.scal", "replacements": {"a": {"kind": "none"}}}]}, ["fusion.scale"]),
        ({"ablations": [{"part": "maskign", "action": "remove"}]}, ["unknown part 'maskign'", "'masking'"]),
        (scale(kind="banana"), ["unknown kind 'banana'", "learned, static"]),
        (scale(kind="static", value="banana"), ["fusion.scale.value", "number", "'banana'"]),
        (scale(kind="static", value=11), ["fusion.scale.value", "10", "11"]),
        (scale(kind="learned"), ["equals the baseline"]),
        ({"ablations": 2 * scale(kind="none")["ablations"]}, ["two arms are named 'a'"]),
        ({"seeds": [1, 1]}, ["seed 1 occurs 2 times"]),
        ({"conditions": {"bable": [0]}}, ["unknown noise 'bable'", "babble"]),
        ({"preset": "huge"}, ["unknown preset 'huge'", "tiny"]),
        ({"steps": 4}, ["unknown key 'steps'"]),
        ({"study": "Not a Name"}, ["not-a-name"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_in_a_plan_is_one_sentence(
    ablate: Ablate, plan_file: PlanFile, changes: dict[str, Any], words: list[str]
) -> None:
    path = plan_file(**changes)
    for command in ("plan", "run"):
        assert_one_sentence(ablate(command, path), str(path) if "study" in changes else "", *words)


@pytest.mark.parametrize(
    ("text", "suffix", "words"),
    [
        ("- a\n- b\n", "yaml", ["a plan is a mapping"]),
        ("", "yaml", ["a plan is a mapping"]),
        ("study: [", "yaml", ["valid YAML: line 1"]),
        ("study: a\nstudy: b\n", "yaml", ["twice"]),
        ("{}", "json", ["a plan needs a `study`"]),
        (
            "- **Ablated Part**: the flux capacitor\n- **Action**: REMOVE\n",
            "md",
            ["the flux capacitor", "fusion.scale"],
        ),
        ("Just prose.\n", "md", ["Ablated Part"]),
    ],
)
def test_a_file_that_is_not_a_plan_is_one_sentence(
    ablate: Ablate, tmp_path: Path, text: str, suffix: str, words: list[str]
) -> None:
    path = tmp_path / f"plan.{suffix}"
    path.write_text(text, encoding="utf-8")
    assert_one_sentence(ablate("plan", path), str(path), *words)


def test_a_plan_that_is_not_text_is_one_sentence(ablate: Ablate, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_bytes(b"study: \xff")
    assert_one_sentence(ablate("plan", tmp_path / "plan.yaml"), "UTF-8")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("training.stepps=4", ["training.stepps", "did you mean 'training.steps'"]),
        ("banana=4", ["banana"]),
        ("training.steps", ["key=value"]),
        ("training.steps=many", ["training.steps", "'many'"]),
        ("fusion.scale=banana", ["unknown kind 'banana'"]),
        ("steps=5", ["did you mean 'training.steps'"]),
        ("seed=[1]", ["did you mean 'seeds'"]),
        ("training={steps: 5}", ["write `training.steps: 5`"]),
        ("seeds=[]", ["`seeds` is empty"]),
    ],
)
def test_a_mistake_in_a_setting_is_one_sentence(
    ablate: Ablate, plan_file: PlanFile, setting: str, words: list[str]
) -> None:
    assert_one_sentence(ablate("plan", plan_file(), "--set", setting), *words)


def test_missing_files_and_studies_are_one_sentence(
    ablate: Ablate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_sentence(ablate("plan", "none.yaml"), "no plan file at none.yaml")
    assert_one_sentence(ablate("report", "none"), "no study 'none'", "ablate run")
    assert_one_sentence(ablate("ui"), "no study in studies/")
    assert_one_sentence(ablate("ui", "none"), "no study 'none'")
    assert_one_sentence(ablate("corpus", "verify", "none"), "none", "ablate corpus prepare")
    assert_one_sentence(ablate("corpus", "show", "none"), "none", "ablate corpus prepare")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("grid://nowhere", ["nowhere does not exist"]),
        ("grid://empty", ["clips.csv", "s1, s2"]),
        ("grid://mute", ["empty transcript", "s1-a"]),
        ("gird://x", ["no corpus scheme 'gird'", "did you mean 'grid'"]),
        ("talking-mouth", ["a corpus is a URI"]),
        ("synthetic://talking-mouth?trian=4", ["trian", "train"]),
        ("synthetic://talking-mouth?train=few", ["train", "few"]),
    ],
)
def test_an_unreadable_corpus_is_one_sentence(
    ablate: Ablate, plan_file: PlanFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, words: list[str]
) -> None:
    """`run` reports it before it starts or writes anything, like `corpus prepare`."""
    plan = plan_file(corpus=uri)
    (tmp_path / "empty").mkdir()
    (tmp_path / "mute").mkdir()
    (tmp_path / "mute" / "clips.csv").write_text("file,speaker,clip,transcript\na.mpg,s1,a,\n")
    monkeypatch.chdir(tmp_path)
    for arguments in (["run", plan], ["corpus", "prepare", uri]):
        assert_one_sentence(ablate(*arguments), *words)
    assert not (tmp_path / "studies").exists()
    assert not [path for path in tmp_path.glob("corpora-cache/*") if path.is_dir()]


def test_a_prepared_corpus_is_verified_and_drawn(ablate: Ablate, small_corpus: Path, tmp_path: Path) -> None:
    verified = ablate("corpus", "verify", small_corpus)
    assert verified.code == 0
    assert json.loads(verified.out)["train"] == 40
    drawn = ablate("corpus", "show", small_corpus, "-o", tmp_path / "sheet.png", "--count", 2)
    assert (drawn.code, drawn.out.strip()) == (0, str(tmp_path / "sheet.png"))
    assert (tmp_path / "sheet.png").is_file()


def test_results_cannot_replace_a_file(ablate: Ablate, plan_file: PlanFile) -> None:
    path = plan_file()
    assert_one_sentence(ablate("run", path, "--out", path), "results go to a folder", "File exists", "--out")


def test_results_need_a_writable_folder(ablate: Ablate, plan_file: PlanFile, tmp_path: Path) -> None:
    (tmp_path / ".out.lock").mkdir()
    answer = ablate("run", plan_file(), "--out", tmp_path / "out")
    assert_one_sentence(answer, "results go to a folder that can be written to", "Is a directory", "--out")


def test_ctrl_c_during_imports_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    door = [sys.executable, "-c", "from cli.entry import main; main()"]
    done = subprocess.run(
        door, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(ablate: Ablate, command: str) -> None:
    answer = ablate(*command.split(), "--help")
    assert (answer.code, answer.err) == (0, "")
    assert f"Example: ablate {command}" in answer.out


def test_report_writes_every_format_by_default() -> None:
    from ablation.report.build import FORMATS

    [option] = [each for each in get_command(app).commands["report"].params if each.name == "formats"]
    assert names_of(option.default) == list(FORMATS)
    assert set(re.findall(r"\w+", option.help)) >= set(FORMATS)


def test_the_list_of_commands_is_complete_and_not_cut(ablate: Ablate) -> None:
    answer = ablate()
    assert all(command.split()[0] in answer.out + answer.err for command in COMMANDS)
    assert "Which component of a model is worth keeping? Ablation studies from plan to report." in " ".join(
        (answer.out + answer.err).split()
    )
    assert "..." not in (answer.out + answer.err).replace("[ARGS]...", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "error: no such command 'frobnicate'; `ablate --help` lists what there is"),
        (["run"], "error: missing argument 'PLAN'; `ablate run --help` lists what there is"),
        (["run", "x.yaml", "--seed", "1"], "no such option: --seed (Possible options: --seeds, --set)"),
        (["run", "x.yaml", "--trials-at-once", "0"], "'--trials-at-once'"),
        (["gate", "smile", "--margin", "x"], "'--margin'"),
        (["gate", "smile", "--margin", "-1"], "greater than or equal to 0"),  # every study would fail, or be a finding
        (["gate", "smile", "--out", "x"], "give --from-mlflow too, or leave --out out"),
        (["corpus", "prepare"], "`ablate corpus prepare --help`"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(ablate: Ablate, words: list[str], said: str) -> None:
    assert_one_sentence(ablate(*words), said)


def test_a_group_without_a_command_shows_its_help(ablate: Ablate) -> None:
    answer = ablate("recipe")
    assert answer.code == 2
    assert "check" in answer.err + answer.out
    assert "error" not in answer.err


@pytest.mark.parametrize(("path", "program"), [("", "elsewhere/ablate"), ("here", "ablate")])
def test_the_last_line_names_a_program_that_the_shell_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, program: str
) -> None:
    """`make study` calls it in .venv/bin, which is not on the PATH before the environment is active."""
    (tmp_path / "here").mkdir()
    installed = tmp_path / "here" / "ablate"
    installed.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / path) if path else "")
    monkeypatch.setattr(sys, "argv", ["elsewhere/ablate", "run"])
    assert _program() == program
