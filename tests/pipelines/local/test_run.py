"""Whole studies on this machine, through `ablate run` and Kubeflow's local runner, as a person starts them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ablation.results import read_counts, read_curves, read_study
from components.shared.trial import STATES_FOLDER
from tracking.lease import GONE
from tracking.runs import trial_runs
from tracking.store import client

ROOT = Path(__file__).parents[3]
PLAN = {
    "corpus": "synthetic://talking-mouth?train=40&test=8&valid=4",
    "seeds": [1],
    "conditions": {"babble": [0]},
    "baseline": {
        "training.steps": 6,
        "training.batch_size": 4,
        "encoder.layers": 1,
        "encoder.width": 32,
        "encoder.feedforward": 64,
    },
}
NO_SCALE = {"part": "fusion.scale", "why": "<b>needed</b>?", "replacements": {"no-scale": {"kind": "none"}}}
TOO_FAST = {"part": "training.learning_rate", "replacements": {"too-fast": 1e6}}


@dataclass
class Place:
    """A folder to work in: studies, store and prepared corpora of all runs of this file."""

    root: Path
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.root / 'studies' / 'mlflow.db'}"

    def command(self, study: str, **changes: Any) -> list[str]:
        path = self.root / f"{study}.yaml"
        path.write_text(yaml.safe_dump({"study": study, **PLAN, **changes}))
        return [sys.executable, "-m", "cli.main", "run", str(path)]

    def start(self, command: list[str], **settings: str) -> "subprocess.Popen[str]":
        environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env={**environment, "PYTHONPATH": str(ROOT), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process


@dataclass
class Ended:
    """A run that has ended."""

    place: Place
    folder: Path
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("place"))
    yield place
    for process in place.started:  # a test that failed may have left one
        process.terminate()
        process.communicate()  # it closes the pipes, too: an open one fails a later test


@pytest.fixture(scope="module")
def both(place: Place) -> dict[str, Ended]:
    """A study that goes well and one with an arm that diverges, at once: they share a fresh store and a corpus."""
    arms = {"fine": NO_SCALE, "half": TOO_FAST}
    started = {study: place.start(place.command(study, ablations=[arm])) for study, arm in arms.items()}
    said = {study: process.communicate(timeout=280) for study, process in started.items()}
    return {
        study: Ended(place, place.root / "studies" / study, process.returncode, *said[study])
        for study, process in started.items()
    }


@pytest.fixture
def finished(both: dict[str, Ended]) -> Ended:
    return both["fine"]


@pytest.fixture
def failed(both: dict[str, Ended]) -> Ended:
    return both["half"]


def assert_tidy(folder: Path) -> None:
    """Complete results and the log; no scratch folder, lock or part of a file, and no process of the run."""
    names = {path.name for path in folder.iterdir()}
    assert not [name for name in names if name.startswith(".") or name.endswith(".part")]
    assert processes_of(folder) == []


def processes_of(folder: Path) -> list[int]:
    """Processes whose scratch folder is below `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def runs(place: Place, study: str) -> tuple[Any, list[Any]]:
    """The newest study run of an experiment, and its trial runs."""
    experiment = client(place.uri).get_experiment_by_name(study)
    query = "tags.`ablation.role` = 'study'"
    newest = client(place.uri).search_runs([experiment.experiment_id], query)[0]
    return newest, trial_runs(place.uri, experiment.experiment_id, newest.info.run_id)


@pytest.mark.slow
def test_a_study_ends_well_with_all_of_its_results(finished: Ended) -> None:
    assert (finished.code, finished.err) == (0, "")
    assert "no-scale seed 1: finished, WER" in finished.out
    assert f"Report: {Path('studies') / 'fine' / 'report.html'}" in finished.out
    reports = {f"report.{name}" for name in ("html", "md", "tex", "csv", "json")}
    names = {"study.json", "counts.parquet", "curves.parquet", "run.log", "report-figures.pdf", *reports}
    assert {path.name for path in finished.folder.iterdir()} == names
    assert_tidy(finished.folder)
    study = read_study(finished.folder)
    assert [(trial.arm, trial.status, trial.steps) for trial in study.trials] == [
        ("baseline", "finished", 6),
        ("no-scale", "finished", 6),
    ]
    assert study.conditions == ["clean", "babble_0db"]
    assert (study.corpus["train"], study.corpus["valid"], study.corpus["test"]) == (40, 4, 8)
    assert len(read_counts(finished.folder)) == 2 * 2 * 8
    assert set(read_curves(finished.folder)["arm"]) == {"baseline", "no-scale"}


@pytest.mark.slow
def test_its_report_has_the_numbers_and_escapes_what_people_wrote(finished: Ended) -> None:
    page = (finished.folder / "report.html").read_text()
    assert "&lt;b&gt;needed" in page
    assert "<b>needed" not in page
    table = pd.read_csv(finished.folder / "report.csv")
    assert set(zip(table.arm, table.condition, strict=True)) == {
        (arm, condition) for arm in ("baseline", "no-scale") for condition in ("clean", "babble_0db")
    }


@pytest.mark.slow
def test_its_runs_are_nested_and_its_checkpoint_is_registered(finished: Ended) -> None:
    study, trials = runs(finished.place, "fine")
    assert study.info.status == "FINISHED"
    assert {run.data.tags["ablation.arm"]: run.info.status for run in trials} == {
        "baseline": "FINISHED",
        "no-scale": "FINISHED",
    }
    assert all(run.data.metrics["wer/clean"] >= 0 for run in trials)
    store = client(finished.place.uri)
    trained = {trial.reused_from or trial.run_id for trial in read_study(finished.folder).trials}
    for alias in ("baseline", "champion"):
        version = store.get_model_version_by_alias("fine", alias)
        assert version.tags["arm"] == "baseline"
        assert version.run_id in trained  # the other study, which runs meanwhile, may have trained it
    attached = {item.path for item in store.list_artifacts(study.info.run_id)}
    assert {"report.html", "report.md", "report.tex", "report.csv", "report.json", "study.json"} <= attached


@pytest.mark.slow
def test_the_report_is_written_again_from_what_is_stored(finished: Ended) -> None:
    before = {path: path.read_bytes() for path in finished.folder.glob("report.*")}
    for path in before:
        path.unlink()
    command = [sys.executable, "-m", "cli.main", "report", "fine"]
    place = finished.place
    again = subprocess.run(
        command, cwd=place.root, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert again.stdout.splitlines() == [
        *(f"studies/fine/report.{suffix}" for suffix in ("html", "md", "tex", "csv", "json")),
        "studies/fine/report-figures.pdf",
    ]
    assert {path: path.read_bytes() for path in finished.folder.glob("report.*")} == before


@pytest.mark.slow
def test_a_diverging_arm_fails_the_run_and_no_other_arm(failed: Ended) -> None:
    assert failed.code == 1
    assert failed.err.splitlines() == ["failed: 1 of 2 trials failed; the plan allows 0"]
    study = read_study(failed.folder)
    [bad] = study.failed()
    assert bad.arm == "too-fast"
    assert bad.reason is not None
    assert bad.reason.startswith("training diverged: the loss is nan")
    assert set(read_counts(failed.folder)["arm"]) == {"baseline"}
    assert bad.reason in (failed.folder / "report.md").read_text()
    assert bad.reason in (failed.folder / "report.html").read_text()
    assert "baseline" in (failed.folder / "report.csv").read_text()
    assert_tidy(failed.folder)
    run, trials = runs(failed.place, "half")
    assert run.info.status == "FAILED"
    assert {trial.data.tags["ablation.arm"]: trial.info.status for trial in trials} == {
        "baseline": "FINISHED",
        "too-fast": "FAILED",
    }


def wait_for(condition: Callable[[], object], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def continued(log: Path) -> int:
    """The number of trials that a run continues from a saved state."""
    said = log.read_text() if log.exists() else ""
    return len(re.findall(r"training continues after [1-9]\d* steps", said))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_leaves_nothing_and_a_run_holds_its_folder(place: Place) -> None:
    command = place.command("stopped", baseline=PLAN["baseline"] | {"training.steps": 1_000_000}, ablations=[NO_SCALE])
    folder = place.root / "studies" / "stopped"
    process = place.start(command)
    # A state that is saved on Ctrl-C can come too late where the disk is slow, so wait for those that are saved meanwhile.
    wait_for(lambda: len({path.parent for path in (folder / STATES_FOLDER).glob("*/*.pt")}) == 2)
    assert len(processes_of(folder)) >= 5

    other = place.start(command)
    _, err = other.communicate(timeout=60)
    assert other.returncode == 2
    assert err == "error: another run is writing to studies/stopped; wait for it, or give another folder by --out\n"

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        130,
        "interrupted: all processes are stopped and their runs are marked KILLED; the same command continues from here\n",
    )
    assert "Traceback" not in out
    assert {path.name for path in folder.iterdir()} == {"run.log", STATES_FOLDER}
    assert_tidy(folder)
    study, trials = runs(place, "stopped")
    assert [run.info.status for run in (study, *trials)] == ["KILLED"] * 3
    assert {path.name for path in (place.root / "corpora-cache").glob(".*")} <= {
        ".checked",
        ".links",
    }  # nothing half made

    again = place.start(command)
    wait_for(lambda: continued(folder / "run.log") == 2)
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=60)
    assert again.returncode == 130


@pytest.mark.slow
def test_the_next_run_closes_what_a_killed_one_left(place: Place) -> None:
    command = place.command("killed", baseline=PLAN["baseline"] | {"training.steps": 1_000_000}, ablations=[NO_SCALE])
    folder = place.root / "studies" / "killed"
    process = place.start(command)
    histories = ".work/*/*/train-trials/trained/*/history.jsonl"
    wait_for(lambda: [path.stat().st_size > 0 for path in folder.glob(histories)] == [True, True])
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not processes_of(folder), 5)

    study, trials = runs(place, "killed")
    left = [run.info.run_id for run in (study, *trials) if run.info.status == "RUNNING"]
    assert study.info.run_id in left
    again = place.start(place.command("killed", ablations=[NO_SCALE]))
    out, err = again.communicate(timeout=280)
    assert (again.returncode, err) == (0, "")
    assert "open MLflow runs of an earlier run in this folder" in out or len(left) == 1
    store = client(place.uri)
    closed = [store.get_run(run_id) for run_id in left]
    assert {(run.info.status, run.data.tags["ablation.reason"]) for run in closed} == {("KILLED", GONE)}
    assert_tidy(folder)


@pytest.mark.slow
def test_two_runs_at_once_train_each_trial_once(finished: Ended) -> None:
    place = finished.place
    command, names = place.command("twice", seeds=[1, 2], ablations=[NO_SCALE]), ("twice-1", "twice-2")
    started = [place.start([*command, "--out", str(place.root / "studies" / name)]) for name in names]
    said = [process.communicate(timeout=280) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    folders = [place.root / "studies" / name for name in names]
    trials = [trial for folder in folders for trial in read_study(folder).trials]
    ours = [(trial.arm, trial.seed) for trial in trials if trial.reused_from is None]
    assert sorted(ours) == [("baseline", 2), ("no-scale", 2)]  # seed 1 was trained in another study
    store = client(place.uri)
    trained = [trial.run_id for trial in trials if "seconds/train" in store.get_run(trial.run_id).data.metrics]
    assert len(trained) == len(ours)
    first, second = map(read_counts, folders)
    pd.testing.assert_frame_equal(first, second)
    prints = [version.tags["fingerprint"] for version in store.search_model_versions("name = 'twice'")]
    assert len(prints) == len(set(prints)) == 2  # the baseline, and the candidate or champion


@pytest.mark.slow
def test_bad_input_that_only_a_step_sees_is_one_sentence(place: Place) -> None:
    (place.root / "broken.db").write_bytes(b"this is no database, and long enough for SQLite to notice that")
    process = place.start(place.command("unlucky"), MLFLOW_TRACKING_URI=f"sqlite:///{place.root / 'broken.db'}")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert len(err.splitlines()) == 1
    assert err.startswith("error: the MLflow database sqlite:///")
    assert err.endswith("check MLFLOW_TRACKING_URI\n")
    assert_tidy(place.root / "studies" / "unlucky")


@pytest.mark.slow
def test_a_study_is_served_until_ctrl_c(finished: Ended) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = finished.place.start(
        [sys.executable, "-m", "cli.main", "ui", "fine", "--port", str(port), "--no-browser"]
    )
    assert process.stdout is not None
    link = process.stdout.readline().strip()
    ids = json.loads((finished.folder / "study.json").read_text())["mlflow"]
    assert link.startswith(f"http://127.0.0.1:{port}/#/experiments/{ids['experiment_id']}/runs?viewStateShareKey=")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
        assert answer.status == 200
    busy = finished.place.start([sys.executable, "-m", "cli.main", "ui", "fine", "--port", str(port)])
    assert f"error: port {port} is in use" in busy.communicate(timeout=60)[1]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
