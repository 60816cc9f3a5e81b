"""Creations through a network that loses replies, in front of a real MLflow server: nothing exists twice, nothing stays open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_proxy import DELAY, ERRORS, LATE, LOST, NONE, FaultProxy
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow_servers import MlflowServer

from tracking import creating
from tracking.checkpoints import log_checkpoint, register
from tracking.creating import TOKEN, passes, patiently
from tracking.runs import end_run, start_trial, trial_runs
from tracking.store import client
from tracking.studies import StudyRuns, open_study

TRIALS = [{"arm": arm, "seed": seed, "part": None, "params": {"x": 1}} for seed in (1, 2) for arm in ("baseline", "b")]
CREATIONS = ("experiments/create", "runs/create", "logged-models", "registered-models/create", "model-versions/create")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again sooner than in a real outage."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    monkeypatch.setattr(creating, "FIRST_PAUSE_S", 0.05)


def study_of(uri: str, name: str, folder: Path) -> StudyRuns:
    """A whole study, as its steps store it: each trial with a checkpoint, the first one registered."""
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    runs = open_study(uri, name, question="Why?", params={"p": 1}, conditions=["clean"], trials=TRIALS)
    models = []
    for number, run_id in enumerate(runs.trials):
        patiently(uri, lambda run_id=run_id, number=number: start_trial(uri, run_id, f"f{number}"))  # type: ignore[misc]
        models.append(patiently(uri, lambda run_id=run_id: log_checkpoint(uri, run_id, folder, {"arm": "x"})))  # type: ignore[misc]
        patiently(uri, lambda run_id=run_id: end_run(uri, run_id, "FINISHED"))  # type: ignore[misc]
    for number, alias in ((0, "baseline"), (1, "candidate"), (0, "champion")):
        register(uri, name, models[number], {"arm": "x", "fingerprint": f"f{number}"}, [alias])
    patiently(uri, lambda: end_run(uri, runs.study, "FINISHED"))
    return runs


def check_alone(uri: str, name: str, runs: StudyRuns) -> None:
    """Check that the study's runs, models and versions exist once, and that none is open, in the trash neither."""
    asked = client(uri)
    found = asked.search_runs([runs.experiment_id])
    assert sorted(run.info.run_id for run in found) == sorted([runs.study, *runs.trials])
    everything = asked.search_runs([runs.experiment_id], run_view_type=ViewType.ALL)
    assert {run.info.status for run in everything} <= {"FINISHED", "KILLED"}
    assert {run.info.status for run in found} == {"FINISHED"}
    assert all(run.data.params["x"] == "1" for run in trial_runs(uri, runs.experiment_id, runs.study))
    models = asked.search_logged_models([runs.experiment_id])
    assert sorted(str(model.source_run_id) for model in models) == sorted(runs.trials)
    assert {str(model.status) for model in models} == {"READY"}
    versions = asked.search_model_versions(f"name = '{name}'")
    assert sorted(version.tags["fingerprint"] for version in versions) == ["f0", "f1"]
    aliases = asked.get_registered_model(name).aliases
    assert aliases["baseline"] == aliases["champion"] != aliases["candidate"]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "amount"), [(ERRORS, 0.3), (LOST, 0.3), (LATE, 0.3), (DELAY, 0.15)])
def test_a_study_exists_once_behind_a_bad_network(
    server: MlflowServer, mode: str, amount: float, tmp_path: Path
) -> None:
    with FaultProxy(server.port, mode, amount) as proxy:
        runs = study_of(proxy.address, f"bad-{mode}", tmp_path / "checkpoint")
    assert sum(proxy.seen.values()) < 400
    check_alone(server.address, f"bad-{mode}", runs)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [LOST, LATE])
def test_a_lost_reply_of_each_creation_leaves_no_ghost(server: MlflowServer, mode: str, tmp_path: Path) -> None:
    """The first reply to each kind of creation is lost, all in one study: what exists twice names the kind that failed."""
    with FaultProxy(server.port, mode, once=set(CREATIONS)) as proxy:
        runs = study_of(proxy.address, f"once-{mode}", tmp_path / "checkpoint")
    assert proxy.once == set()
    assert proxy.done[mode] == len(CREATIONS)
    check_alone(server.address, f"once-{mode}", runs)


def test_requests_of_a_healthy_study(server: MlflowServer, tmp_path: Path) -> None:
    """A server with users needs 0.7 to 1 s for each: one search per study, trial and version more than without the checks."""
    with FaultProxy(server.port, NONE) as proxy:
        open_study(proxy.address, "healthy", question="", params={}, conditions=["clean"], trials=TRIALS)
        opening = sum(proxy.seen.values())
        study_of(proxy.address, "healthy", tmp_path / "checkpoint")
    assert opening <= 10 + 4 * len(TRIALS)


def test_a_study_run_has_a_token(store: str) -> None:
    runs = open_study(store, "demo", question="", params={}, conditions=["clean"], trials=[])
    assert len(client(store).get_run(runs.study).data.tags[TOKEN]) == 32


def test_only_faults_of_the_server_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def fail(code: str) -> None:
        tries.append(1)
        raise MlflowException("no", getattr(__import__("mlflow").protos.databricks_pb2, code))

    monkeypatch.setattr(creating, "PATIENCE_S", 0.3)
    for code, repeated in (("INTERNAL_ERROR", True), ("RESOURCE_DOES_NOT_EXIST", False), ("PERMISSION_DENIED", False)):
        for uri in ("http://127.0.0.1:9", "sqlite:///here.db"):
            tries.clear()
            with pytest.raises(MlflowException):
                patiently(uri, lambda code=code: fail(code))  # type: ignore[misc]
            assert (len(tries) > 1) is (repeated and uri.startswith("http"))
    assert not passes(FileNotFoundError("model.safetensors"))
