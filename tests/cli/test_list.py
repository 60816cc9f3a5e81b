"""`ablate list`, `ablate corpus list|clean`, `--version`, and studies whose last run left no result."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpora import cache
from corpora.prepare import prepare
from pipelines.local.listing import DAMAGED, FINISHED, IMPORTED, RUNNING, UNFINISHED, listed, state_of
from pipelines.local.study_folder import locked

Ablate = Callable[..., Any]
RECORD = {
    "arms": [{}, {}],
    "seeds": [1, 2],
    "trials": [{"status": "finished"}] * 3 + [{"status": "failed"}],
    "corpus": {"uri": "synthetic://talking-mouth"},
    "created": "2026-03-01T12:30:00+00:00",
}


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "studies"


def write(studies: Path, name: str, record: object = RECORD, *, log_later: bool = False, log: bool = True) -> Path:
    """Write what a run leaves in a study's folder. With `log_later`, another run has begun since."""
    folder = studies / name
    folder.mkdir(parents=True)
    now = time.time()
    if log:
        (folder / "run.log").write_text("")
        os.utime(folder / "run.log", (now, now + (10 if log_later else -10)))
    if record is not None:
        (folder / "study.json").write_text(record if isinstance(record, str) else json.dumps(record))
        os.utime(folder / "study.json", (now, now))
    return folder


def test_every_state_is_told(studies: Path) -> None:
    write(studies, "done")
    write(studies, "elsewhere", RECORD | {"imported": {"files": 3}}, log=False)
    write(studies, "stopped", None)
    write(studies, "stopped-later", log_later=True)
    write(studies, "broken", "{")
    write(studies, "odd", {"trials": 3})
    (studies / "artifacts").mkdir()
    held = write(studies, "busy", None)
    with locked(held):
        found = {each.study: each for each in listed(studies)}
        assert state_of(held) == RUNNING
    assert {name: each.state for name, each in found.items()} == {
        "done": FINISHED,
        "elsewhere": IMPORTED,
        "stopped": UNFINISHED,
        "stopped-later": UNFINISHED,
        "broken": DAMAGED,
        "odd": DAMAGED,
        "busy": RUNNING,
    }
    assert (found["done"].trials, found["done"].planned, found["done"].arms, found["done"].seeds) == (3, 4, 2, 2)
    assert (found["stopped"].planned, found["stopped-later"].planned) == (0, 4)
    assert not list(studies.glob(".done*"))  # to look makes no lock file


def test_list_prints_a_table_for_programs_and_people(ablate: Ablate, studies: Path) -> None:
    assert "no study in studies/" in ablate("list").out
    write(studies, "done")
    heads, row = ablate("list").out.splitlines()
    assert dict(zip(heads.split("\t"), row.split("\t"), strict=True)) == {
        "study": "done",
        "state": "finished",
        "date": "2026-03-01 12:30",
        "arms": "2",
        "seeds": "2",
        "trials": "3 of 4",
        "corpus": "synthetic://talking-mouth",
    }
    assert json.loads(ablate("list", "--json").out)[0]["study"] == "done"


def test_a_study_has_one_line_of_a_terminal(ablate: Ablate, studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = {"uri": "synthetic://talking-mouth?train=2000&test=300&valid=200"}
    write(studies, "done", RECORD | {"corpus": long})
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    _heads, row = ablate("list").out.splitlines()
    assert row.startswith("done")
    assert row.rstrip().endswith("…")
    assert "synthetic://talk" in row


def test_a_study_without_a_result_is_named(ablate: Ablate, studies: Path) -> None:
    folder = write(studies, "stopped", None)
    answer = ablate("report", "stopped")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "error: study 'stopped' has no result: its run was interrupted or failed (see stopped/run.log); "
        "the same `ablate run` continues it\n"
    ).replace("stopped/", "studies/stopped/")
    with locked(folder):
        assert "it is running; wait for its end" in ablate("report", "stopped").err


def test_version_names_the_package(ablate: Ablate) -> None:
    answer = ablate("--version")
    assert (answer.code, answer.out.split()[0]) == (0, "ablate")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell: str) -> None:
    """As the shell asks: the typed words in the environment of the real command."""
    ablate = str(Path(sys.executable).with_name("ablate"))
    asked = {
        "_ABLATE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "ablate corpus cl",
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": "ablate corpus cl",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    said = subprocess.run([ablate], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert "clean" in said.stdout
    assert "verify" not in said.stdout


@pytest.fixture
def corpora(studies: Path) -> tuple[Path, Path]:
    """Two prepared corpora, last used a day ago and a hundred days ago."""
    root = studies.parent / "corpora-cache"
    found = [prepare(f"synthetic://talking-mouth?train=4&test={test}&valid=2", root) for test in (2, 3)]
    for path, days in zip(found, (1.5, 100), strict=True):
        os.utime(path, (time.time(), time.time() - days * 86400))
    return found[0], found[1]


def test_prepared_corpora_are_listed_with_their_sizes(ablate: Ablate, corpora: tuple[Path, Path]) -> None:
    told = json.loads(ablate("corpus", "list", "--json").out)
    assert [Path(each["path"]).name for each in told] == [path.name for path in corpora]
    assert [each["bytes"] for each in told] == [cache.size(path) for path in corpora]
    assert {(each["state"], each["in_use"]) for each in told} == {("complete", False)}
    lines = ablate("corpus", "list").out.splitlines()
    assert "used 1 day ago" in lines[0] or "used 2 days ago" in lines[0]
    assert lines[-1].endswith("in 2 folders of corpora-cache/")


def test_clean_removes_only_what_is_idle_and_only_when_told(ablate: Ablate, corpora: tuple[Path, Path]) -> None:
    new, old = corpora
    assert "would remove" in ablate("corpus", "clean").out
    assert all(path.is_dir() for path in corpora)
    said = ablate("corpus", "clean", "--unused-days", "30", "--yes").out
    assert (new.is_dir(), old.is_dir()) == (True, False), said
    cache.link(new, new.parents[1] / "a-run-uses-it")
    assert "(in use)" in ablate("corpus", "clean", new.name, "--yes").out
    assert new.is_dir()


@pytest.mark.usefixtures("studies")
@pytest.mark.parametrize("command", [("list",), ("corpus", "list", "--root"), ("corpus", "clean", "--root")])
def test_a_list_of_what_is_no_folder_is_refused(ablate: Ablate, command: tuple[str, ...]) -> None:
    Path("file").write_text("x", encoding="utf-8")
    answer = ablate(*command, "file")
    assert (answer.code, answer.out) == (2, "")
    assert "file is a file; give the folder" in answer.err
    answer = ablate(*command, "mispelt")
    assert (answer.code, answer.out) == (2, "")
    assert "no folder mispelt; give an existing folder" in answer.err


def test_clean_refuses_a_name_that_is_not_there(ablate: Ablate, corpora: tuple[Path, Path]) -> None:
    answer = ablate("corpus", "clean", "grid", "--yes")
    assert (answer.code, "no prepared corpus 'grid'" in answer.err) == (2, True)
    assert all(path.is_dir() for path in corpora)
