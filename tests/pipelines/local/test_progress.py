"""The state of a running study, read from its folder while it is written, and its display."""

import io
import json
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from common.files import PART
from common.owned_folder import owned_folder
from components.shared.trial import HISTORY_FILE, Resolved, Status, Todo, Trial
from pipelines.local.progress import Progress, describe
from pipelines.local.remaining import Remaining, duration
from pipelines.local.workspace import Workspace

KEYS = [("baseline", 1), ("no-scale", 1)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / ".work" / "run").mkdir(parents=True)
    return Workspace(tmp_path / ".work")


def write(workspace: Workspace, place: str, text: str) -> None:
    path = workspace.root / "run" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def step(workspace: Workspace, number: int, name: str, status: Status) -> Path:
    folder = workspace.root / "run" / str(number) / name / f"{status.arm}-{status.seed}"
    status.write(folder)
    return folder


def ended(workspace: Workspace, name: str) -> None:
    write(workspace, f"{name}/executor_output.json", "{}")


def resolve(workspace: Workspace) -> None:
    item = Trial("baseline", 1, "run", "study", "7", 0.0).to_json()
    write(workspace, "resolve-plan/resolved", Resolved({}, [item]).to_json())
    ended(workspace, "resolve-plan")


def test_the_trials_are_known_once_the_step_has_ended(workspace: Workspace) -> None:
    assert workspace.first_trial() is None
    write(workspace, "resolve-plan/resolved", '{"plan": ')
    assert workspace.first_trial() is None
    resolve(workspace)
    assert workspace.first_trial() == Trial("baseline", 1, "run", "study", "7", 0.0)


def test_trials_that_were_finished_before_are_known(workspace: Workspace) -> None:
    status = Status("no-scale", 1, "r", status="finished")
    write(workspace, "find-finished/todo", Todo({}, [], [asdict(status)]).to_json())
    assert workspace.statuses() == {}
    ended(workspace, "find-finished")
    assert workspace.statuses() == {("no-scale", 1): status}


def test_the_later_step_knows_better(workspace: Workspace) -> None:
    step(workspace, 0, "train-trials/trained", Status("baseline", 1, "r", status="trained"))
    step(workspace, 0, "evaluate-trials/scored", Status("baseline", 1, "r", status="finished"))
    step(workspace, 1, "train-trials/trained", Status("no-scale", 1, "s"))
    assert {key: status.status for key, status in workspace.statuses().items()} == {
        ("baseline", 1): "finished",
        ("no-scale", 1): "running",
    }


def test_files_may_be_written_while_the_folder_is_read(workspace: Workspace) -> None:
    """A file that is written at once has a hidden folder for a moment. It must not be searched: it may be gone by then."""
    ended, reads = threading.Event(), 0

    def keep_writing() -> None:
        while not ended.is_set():
            with owned_folder(workspace.root, ".kfp-run.", PART):
                pass

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            assert workspace.statuses() == {}
            assert workspace.study is None
            assert workspace.unfinished_steps() == []
            reads += 1
    finally:
        ended.set()
        writer.join()
    assert reads > 10


@pytest.mark.parametrize("rest", ["", '{"step": 30, "met'])
def test_progress_is_the_last_whole_line_of_a_history(workspace: Workspace, rest: str) -> None:
    folder = step(workspace, 0, "train-trials/trained", Status("baseline", 1, "r"))
    assert workspace.progress() == {}
    lines = [json.dumps({"step": n, "metrics": {"loss": 1.0, "padding": "x" * 90}}) + "\n" for n in range(0, 21, 1)]
    (folder / HISTORY_FILE).write_text("".join(lines) + rest)
    assert workspace.progress()["baseline", 1][0] == 20


def test_a_log_gets_every_event_once(workspace: Workspace) -> None:
    text = io.StringIO()
    clock = iter([0.0, 41.2, 130.0])
    with Progress(Console(file=text), KEYS, {"baseline": 10, "no-scale": 10}, lambda: next(clock)) as progress:
        progress.update(workspace)
        resolve(workspace)
        progress.update(workspace)
        ended(workspace, "prepare-corpus")
        step(workspace, 0, "train-trials/trained", Status("baseline", 1, "r"))
        progress.update(workspace)
        progress.update(workspace)
        step(workspace, 0, "evaluate-trials/scored", Status("baseline", 1, "r", "finished", wer={"wer/clean": 0.5}))
        step(workspace, 1, "train-trials/trained", Status("no-scale", 1, "s").fail("diverged [at] step 3"))
        progress.update(workspace)
    assert text.getvalue().splitlines() == [
        "checking the plan",
        "preparing the corpus",
        "running the trials",
        "baseline seed 1: training",
        "baseline seed 1: finished, WER 50.0 % clean (1 of 2 done, 41 s)",
        "no-scale seed 1: failed: diverged [at] step 3 (2 of 2 done, 2 min 10 s)",
        "comparing the arms",
    ]


def test_a_terminal_gets_a_line_per_trial(workspace: Workspace) -> None:
    text = io.StringIO()
    folder = step(workspace, 0, "train-trials/trained", Status("baseline", 1, "r"))
    ended(workspace, "prepare-corpus")
    (folder / HISTORY_FILE).write_text('{"step": 4, "metrics": {"loss": 2.5}}\n')
    with Progress(
        Console(file=text, force_terminal=True, width=100), KEYS, {"baseline": 10, "no-scale": 10}
    ) as progress:
        progress.update(workspace)
    assert "trials: 0 of 2 done, 0 s" in text.getvalue()
    assert "training, step 5 of 10, loss 2.500" in text.getvalue()
    assert "no-scale seed 1" in text.getvalue()
    assert "waiting" in text.getvalue()


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"wer/clean": 0.5}, "finished, WER 50.0 % clean"),
        ({"cer/clean": 0.25}, "finished, CER 25.0 % clean"),  # `metrics: [cer]`
        ({"cer/clean": 0.25, "wer/clean": 0.5}, "finished, WER 50.0 % clean"),
        ({}, "finished"),
        (None, "finished"),
    ],
)
def test_a_finished_trial_shows_a_rate_that_it_has(rates: dict[str, float] | None, words: str) -> None:
    assert describe(Status("baseline", 1, "r", status="finished", wer=rates)) == words


@pytest.mark.parametrize(
    ("earlier", "words"),
    [({"reused_from": "a", "scored_by": "a"}, "used again"), ({"reused_from": "a"}, "scored again"), ({}, "finished")],
)
def test_a_trial_of_an_earlier_study_is_named(earlier: dict[str, str], words: str) -> None:
    assert describe(Status("baseline", 1, "r", status="finished", **earlier)) == words  # type: ignore[arg-type]


def test_the_remaining_time_follows_the_work_that_is_done() -> None:
    """Four of twelve trials were used again at once; the fifth takes 50 s, so the other seven take 350 s."""
    now = 0.0
    time_ = Remaining(lambda: now)
    assert time_.left(4, 12) is None
    now = 5.0
    assert time_.left(4.5, 12) is None  # too early to tell
    now = 50.0
    assert time_.left(5, 12) == "5 min 50 s"
    assert time_.left(12, 12) is None
    assert time_.elapsed() == "50 s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (130, "2 min 10 s"),
        (1500, "25 min"),
        (3600, "1 h"),
        (11100, "3 h 5 min"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_low_terminal_shows_running_and_failed_trials_and_counts_the_others(workspace: Workspace) -> None:
    ended(workspace, "prepare-corpus")
    keys = [("baseline", seed) for seed in range(1, 41)]
    for turn, seed in enumerate(range(1, 21)):
        step(
            workspace, turn, "evaluate-trials/scored", Status("baseline", seed, "r", "finished", wer={"wer/clean": 0.5})
        )
    step(workspace, 20, "train-trials/trained", Status("baseline", 21, "r").fail("diverged"))
    step(workspace, 21, "train-trials/trained", Status("baseline", 22, "r"))
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=9)
    progress = Progress(console, keys, {"baseline": 10})
    shown, hidden = progress._fitting(workspace.statuses())
    assert [seed for _, seed in shown] == [1, 2, 3, 4, 21, 22]
    assert hidden == "16 finished, 18 waiting"
    assert Progress(console, keys[:6], {"baseline": 10})._fitting({}) == (keys[:6], "")


@pytest.mark.parametrize("width", [40, 60, 120])
def test_a_trial_has_one_line_whatever_the_width(workspace: Workspace, width: int) -> None:
    """A line that wraps pushes others out of the terminal, which has one line for each trial."""
    ended(workspace, "prepare-corpus")
    keys = [("uniform-masking-matched-budget", 1), ("no-scale", 1)]
    reason = "its process was killed (SIGKILL), probably for lack of memory\ngive it a smaller batch"
    step(workspace, 0, "train-trials/trained", Status(*keys[0], "r").fail(reason))
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    progress = Progress(console, keys, dict.fromkeys((arm for arm, _ in keys), 10))
    heading = "trials: 1 of 2 done, 7 min, about 4 min 40 s left"
    console.print(progress.table(heading, progress._rows(workspace.statuses(), {})))
    heading_line, first, second = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert heading[: width - 3] in heading_line
    assert " seed 1  failed: its p" in first
    assert second.split() == ["no-scale", "seed", "1", "waiting"]
    assert first.index("failed") == second.index("waiting") <= width // 2


def test_a_terminal_without_a_cursor_gets_the_lines_of_a_log(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    text = io.StringIO()
    with Progress(Console(file=text, force_terminal=True), KEYS, {"baseline": 10, "no-scale": 10}) as progress:
        progress.update(workspace)
    assert text.getvalue() == "checking the plan\n"
