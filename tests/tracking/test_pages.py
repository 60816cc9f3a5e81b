"""MLflow's pages of a study, opened without any link of ours, in a real SQLite store."""

import base64
import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE as NOTE

from tracking import notes
from tracking.creating import create_run
from tracking.datasets import corpus_inputs, log_corpus
from tracking.metrics import LONGEST, metric_name, named_metrics
from tracking.runs import log_scores, log_study_report, reap
from tracking.source import REVISION, source_tags
from tracking.store import client, experiment, prepare_store
from tracking.studies import StudyRuns, open_study
from tracking.view import PLAIN_LENGTH, TAG_PREFIX, saved_view, view_link, view_state

TRIALS: list[dict[str, Any]] = [
    {"arm": "baseline", "seed": 1, "part": None, "params": {}},
    {"arm": "no-scale", "seed": 1, "part": "fusion.scale", "change": "fusion.scale.kind = none", "params": {}},
]
SPEAKERS = {"train": 4, "valid": 1, "test": 2}
CORPUS = {
    "uri": "synthetic://talking-mouth?train=64",
    "fingerprint": "c4065d6c" * 8,
    "train": 64,
    "valid": 8,
    "test": 16,
}
CORPUS |= {"speakers": SPEAKERS}


@pytest.fixture(scope="module")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without experiments of ours, which takes seconds to make."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    prepare_store(f"sqlite:///{file}")
    return file


@pytest.fixture
def store(new_store: Path, tmp_path: Path) -> str:
    shutil.copyfile(new_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def opened(store: str, **more: Any) -> StudyRuns:
    given = {"question": "Why?", "params": {}, "conditions": ["clean"], "trials": TRIALS, **more}
    return open_study(store, "demo", **given)


def tags_of(store: str, experiment_id: str) -> dict[str, str]:
    return dict(client(store).get_experiment(experiment_id).tags)


def test_the_description_follows_the_newest_study(store: str) -> None:
    first = opened(store)
    text = tags_of(store, first.experiment_id)[NOTE]
    assert text.startswith("Open: the study demo has 2 trials of 2 arms and no verdicts yet.\n\nWhy?")
    assert f"]({view_link(first.experiment_id, first.study)})" in text
    notes.conclude(store, first.experiment_id, first.study, "The scale matters.")
    assert tags_of(store, first.experiment_id)[NOTE].startswith("The scale matters.\n\n**How to read")
    second = opened(store)
    notes.conclude(store, first.experiment_id, first.study, "Too late.")
    now = tags_of(store, first.experiment_id)[NOTE]
    assert now.startswith("Open:")
    assert second.study in now
    assert first.study not in now


def test_a_study_that_dies_is_not_described_as_open(store: str) -> None:
    runs = opened(store)
    reap(store, runs.experiment_id, runs.study, reason="stopped by Ctrl-C")
    start = "Without verdicts: the study demo has ended: stopped by Ctrl-C\n"
    assert tags_of(store, runs.experiment_id)[NOTE].startswith(start)
    later = opened(store)
    notes.conclude(store, later.experiment_id, later.study, "The scale matters.")
    reap(store, later.experiment_id, later.study)
    assert tags_of(store, later.experiment_id)[NOTE].startswith("The scale matters.")


def test_a_description_of_a_person_is_never_changed(store: str) -> None:
    runs = opened(store)
    client(store).set_experiment_tag(runs.experiment_id, NOTE, "Our own words.")
    again = opened(store)
    notes.conclude(store, again.experiment_id, again.study, "The scale matters.")
    reap(store, again.experiment_id, again.study)
    assert tags_of(store, runs.experiment_id)[NOTE] == "Our own words."


def test_an_experiment_of_an_earlier_version_becomes_one_of_training(store: str) -> None:
    experiment(store, "other")
    earlier = client(store).create_experiment("demo")
    runs = opened(store)
    assert runs.experiment_id == earlier
    for name in ("demo", "other"):
        assert tags_of(store, experiment(store, name))["mlflow.experimentKind"] == "custom_model_development"


def test_every_run_says_what_it_is_and_where_it_comes_from(store: str) -> None:
    runs = opened(store, source=source_tags("ablate run", "8eaa74c2e2fe"))
    client(store).update_run(runs.trials[1], status="RUNNING")
    log_scores(store, runs.trials[1], {"wer/clean": 0.125, "parameters": 5.0}, None)
    study, trial = (client(store).get_run(run).data.tags for run in (runs.study, runs.trials[1]))
    for tags in (study, trial):
        assert tags["mlflow.source.name"] == "ablate run"
        assert tags["mlflow.source.type"] == "LOCAL"
        assert tags["mlflow.source.git.commit"] == "8eaa74c2e2fe"
        assert tags["mlflow.user"]
    start = "Trial of the study demo: no-scale (fusion.scale.kind = none), seed 1."
    table = "| metric | value |\n| --- | --- |\n| wer/clean | 0.1250 |"
    assert trial[NOTE] == f"{start}\n\n{table}"
    log_scores(store, runs.trials[1], {"wer/clean": 0.125, "parameters": 5.0}, None)
    assert client(store).get_run(runs.trials[1]).data.tags[NOTE] == f"{start}\n\n{table}"
    assert trial["mlflow.runType"] == "evaluation"  # MLflow unfolds the parents of such runs
    assert "mlflow.runType" not in study
    assert study[NOTE].startswith("Open:")


@pytest.mark.parametrize(
    ("given", "built", "commit"),
    [("abc+", "def", "abc+"), ("", "def", "def"), ("", "unknown", "sources-"), ("", "", "sources-")],
)
def test_a_commit_is_known_or_a_hash_of_the_sources(
    given: str, built: str, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REVISION, built)
    tags = source_tags("ablate run", given, "registry/ablate-python:1")
    assert tags["mlflow.source.git.commit"].startswith(commit)
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("registry/ablate-python:1", "JOB")


def test_the_user_is_that_of_the_server_else_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    assert source_tags("x", "abc")["mlflow.user"] == "ann"
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # has no entry in /etc/passwd
    assert "mlflow.user" not in source_tags("x", "abc")


def test_the_corpus_is_the_dataset_of_the_runs_and_of_their_error_rates(store: str) -> None:
    runs = opened(store)
    for _ in range(2):
        log_corpus(store, [runs.study, *runs.trials], CORPUS)
    for run_id in (runs.study, *runs.trials):
        run = client(store).get_run(run_id)
        used = run.inputs.dataset_inputs if run.inputs else []
        found: dict[str, Any] = {one.tags[0].value: one.dataset for one in used}
        assert len(used) == 2
        assert [found[name].name for name in ("training", "testing")] == [
            "talking-mouth training",
            "talking-mouth testing",
        ]
        assert {one.digest for one in found.values()} == {CORPUS["fingerprint"][:12]}
        assert json.loads(found["training"].source) == {"uri": CORPUS["uri"]}
        profile = json.loads(str(found["training"].profile))
        assert profile == {
            "num_rows": 72,
            "train utterances": 64,
            "valid utterances": 8,
            "train speakers": 4,
            "valid speakers": 1,
        }
    model = client(store).create_logged_model(runs.experiment_id, name="x", source_run_id=runs.trials[0])
    log_scores(store, runs.trials[0], {"wer/clean": 0.1, "parameters": 5.0}, model.model_id)
    metrics = {metric.key: metric for metric in client(store).get_logged_model(model.model_id).metrics or ()}
    assert metrics["wer/clean"].dataset_name == "talking-mouth testing"
    assert metrics["parameters"].dataset_name is None


def test_a_corpus_without_pictures_and_without_a_name_is_a_dataset() -> None:
    [training, _] = corpus_inputs({"uri": "external://", "fingerprint": "ab", "video": False})
    assert training.dataset.name == "external: training"
    assert [column["name"] for column in json.loads(str(training.dataset.schema))["mlflow_colspec"]] == [
        "id",
        "speaker",
        "audio",
        "text",
    ]


def test_an_external_corpus_is_a_dataset_whose_rows_nobody_has_counted() -> None:
    [training, testing] = corpus_inputs({"uri": "external://digits?version=3", "fingerprint": "ab" * 32})
    assert (training.dataset.name, testing.dataset.name) == ("digits training", "digits testing")
    assert (training.dataset.schema, json.loads(str(training.dataset.profile))) == (None, {})
    assert json.loads(training.dataset.source) == {"uri": "external://digits?version=3"}


def test_names_of_metrics_are_those_that_mlflow_takes() -> None:
    names = {
        "arm/α & β/clean/p": 1.0,
        "arm/__&_β/clean/p": 2.0,
        "/a//../b/": 3.0,
        "x" * 300: 4.0,
        "x" * 299: 5.0,
        "..": 6.0,
    }
    assert [*named_metrics(names).values()] == [*names.values()]
    assert metric_name("arm/no-scale/babble_-5db/difference") == "arm/no-scale/babble_-5db/difference"
    assert metric_name("/a//../b/") == "a/b"
    assert all(0 < len(name) <= LONGEST for name in named_metrics(names))


def test_a_report_of_a_hundred_arms_fits_into_mlflow(store: str, tmp_path: Path) -> None:
    trials = [{"arm": f"arm-{n}", "seed": 1, "part": "x", "change": "y" * 9000, "params": {}} for n in range(2)]
    conditions = [f"babble_{snr}db" for snr in range(40)]
    runs = opened(store, trials=trials, conditions=conditions, metrics=["wer", "cer"], question="q" * 9000)
    numbers = {f"arm/arm {n}: 100 %/{name}/p": 0.5 for n in range(101) for name in conditions[:10]}
    table = "\n".join(f"| arm-{n} | {'verdict ' * 10} |" for n in range(101))
    file = tmp_path / "report.md"
    file.write_text("# report")
    log_study_report(store, runs.study, [file], f"# demo\n\n{table}", numbers)
    notes.conclude(store, runs.experiment_id, runs.study, f"Some matter.\n\n{table}")
    run, tags = client(store).get_run(runs.study), tags_of(store, runs.experiment_id)
    assert len(run.data.metrics) == len(numbers) > 1000
    assert all(line.endswith("|") for line in run.data.tags[NOTE].splitlines() if line.startswith("|"))
    assert run.data.tags[NOTE].endswith(notes.CUT)
    assert len(tags[NOTE]) <= notes.EXPERIMENT_LENGTH
    assert notes.CUT in tags[NOTE]
    assert tags[NOTE].rstrip().endswith(notes.OURS)
    assert len(tags[f"{TAG_PREFIX}{runs.study}"]) <= PLAIN_LENGTH


def test_a_view_is_named_for_new_servers_and_plain_for_older_ones() -> None:
    state = view_state("abc", ["clean"], curves=["loss"])
    view = json.loads(saved_view("demo study", 86_400_000, state))
    assert (view["name"], view["createdAt"]) == ("demo study, 1970-01-02 00:00", 86_400_000)
    assert zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))).decode() == state
    assert json.loads(state).items() <= view.items()
    assert "Training" not in view_state("abc", ["clean"], curves=None)


def test_the_pages_of_a_study_cost_few_requests(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with users needs 0.7 to 1 s for each."""
    made: list[str] = []
    real = client(store)
    for name in ("set_experiment_tag", "set_tag", "log_batch", "get_run", "get_experiment", "log_inputs"):
        monkeypatch.setattr(real, name, _counted(made, name, getattr(real, name)))
    runs = opened(store)
    assert made == ["set_experiment_tag"] * 2 + ["log_batch"] * len(TRIALS)
    made.clear()
    log_corpus(store, [runs.study, *runs.trials], CORPUS)
    assert made == ["log_inputs"] * 3
    made.clear()
    log_scores(store, runs.trials[0], {"wer/clean": 0.1}, None)
    assert made == ["get_run", "log_batch"]
    made.clear()
    log_study_report(store, runs.study, [], "note", {"arm/a/clean/p": 0.1})
    notes.conclude(store, runs.experiment_id, runs.study, "Done.")
    assert made == ["set_tag", "get_run", "log_batch", "get_experiment", "set_experiment_tag"]


def _counted(made: list[str], name: str, call: Any) -> Any:
    def counted(*arguments: Any, **more: Any) -> Any:
        made.append(name)
        return call(*arguments, **more)

    return counted


def test_runs_of_an_earlier_version_get_no_second_description(store: str) -> None:
    experiment_id = experiment(store, "demo")
    old = create_run(store, experiment_id, "baseline seed 1", {"ablation.role": "trial"})
    log_scores(store, old.info.run_id, {"wer/clean": 0.5}, None)
    assert client(store).get_run(old.info.run_id).data.tags[NOTE].startswith(notes.SCORES)
