"""A study in front of an MLflow server that fails, loses answers, is slow, or is away for a minute."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_proxy import DELAY, ERRORS, LATE, LOST, NO_ARTIFACTS, FaultProxy
from injection.chain import record
from injection.facts import Reference, litter, numbers, store
from injection.processes import end_all, until_gone
from injection.stages import reach
from injection.study import Place, Run
from mlflow_servers import MlflowServer

FULL = bool(os.environ.get("ABLATE_FAULT_FULL"))
RECORD = os.environ.get("ABLATE_FAULT_RECORD")
SEED = int(os.environ.get("ABLATE_FAULT_SEED", "1"))
MODES = [(LOST, 0.3), *([(ERRORS, 0.3), (LATE, 0.3), (DELAY, 2.0)] if FULL else [])]
AWAY_S = 60.0
ENDS_S = 900.0
VERSIONS = 2  # baseline and candidate, each a fingerprint of its own
# MLflow's client tries again sooner than in a real outage, and as often: by default it waits for minutes in a study.
QUICK = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0", "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.2"}
ONLY_WITH_TIME = pytest.mark.skipif(not FULL, reason="takes minutes: set ABLATE_FAULT_FULL=1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def place(reference: Reference, server: MlflowServer, tmp_path: Path) -> Iterator[Place]:
    place = Place.new(tmp_path / "place", reference.place.root / "corpora-cache")
    place.settings = {"MLFLOW_TRACKING_URI": server.address}
    yield place
    end_all(place.root)


def _is_complete(place: Place, run: Run, server: MlflowServer, reference: Reference) -> None:
    """One study run, one version per fingerprint, nothing open or pending, and the undisturbed numbers."""
    assert (run.code, "Traceback" in run.said) == (0, False), run.said + run.log[-3000:]
    assert numbers(place) == reference.numbers
    kept = store(server.database)
    assert kept.faults() == []
    assert kept.study_runs == ["FINISHED"]
    assert kept.versions == VERSIONS
    assert litter(place) == []
    assert until_gone(place.root, 5.0)[1] == []


@dataclass
class Ended:
    """A study that ran to its end behind a bad network, with the server on which it is."""

    place: Place
    server: MlflowServer
    run: Run
    done: Counter[str]


@pytest.fixture(scope="module")
def behind(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, float], Ended]]:
    """Return a study behind a bad network of one kind, which is carried out once."""
    with ExitStack() as stack:
        ended: dict[str, Ended] = {}

        def study(mode: str, amount: float) -> Ended:
            if mode not in ended:
                root = tmp_path_factory.mktemp(mode)
                server = stack.enter_context(MlflowServer(root / "server"))
                place = Place.new(root / "place", reference.place.root / "corpora-cache")
                place.settings = {"MLFLOW_TRACKING_URI": server.address}
                stack.callback(end_all, place.root)
                with FaultProxy(server.port, mode, amount, SEED) as proxy:
                    run = place.finish(timeout_s=ENDS_S, MLFLOW_TRACKING_URI=proxy.address, **QUICK)
                ended[mode] = Ended(place, server, run, proxy.done)
            return ended[mode]

        yield study


@pytest.mark.slow
@pytest.mark.timeout(ENDS_S)
@pytest.mark.parametrize(("mode", "amount"), MODES)
def test_a_study_survives_a_bad_network(
    mode: str, amount: float, behind: Callable[[str, float], Ended], reference: Reference
) -> None:
    found = behind(mode, amount)
    print(found.done)
    run = found.run
    record(RECORD, proxy=mode, amount=amount, seed=SEED, code=run.code, seconds=run.seconds, done=dict(found.done))
    assert found.done[mode] > 0
    _is_complete(found.place, run, found.server, reference)


def _kill(server: MlflowServer) -> Callable[[], None]:
    server.kill()
    return server.start


def _pause(server: MlflowServer) -> Callable[[], None]:
    server.signal(signal.SIGSTOP)
    return lambda: server.signal(signal.SIGCONT)


@ONLY_WITH_TIME
@pytest.mark.timeout(ENDS_S)
@pytest.mark.parametrize("stage", ["find-finished", "train-trials", "evaluate-trials", "compare-arms"])
@pytest.mark.parametrize("leave", [_kill, _pause])
def test_a_study_survives_a_server_that_is_away_for_a_minute(
    leave: Callable[[MlflowServer], Callable[[], None]],
    stage: str,
    place: Place,
    server: MlflowServer,
    reference: Reference,
) -> None:
    run = place.start()
    assert reach(run, stage)
    back = leave(server)
    time.sleep(AWAY_S)
    back()
    run.wait(ENDS_S)
    record(RECORD, away=leave.__name__, stage=stage, code=run.code, seconds=run.seconds, said=run.last)
    _is_complete(place, run, server, reference)


@pytest.mark.slow
@pytest.mark.timeout(ENDS_S)
def test_files_that_mlflow_cannot_give_are_made_again(
    behind: Callable[[str, float], Ended], reference: Reference
) -> None:
    """A finished study is run again, and no download works. The report appears, and its numbers are the same."""
    found = behind(*MODES[0])
    assert found.run.code == 0, found.run.said
    with FaultProxy(found.server.port, NO_ARTIFACTS) as proxy:
        run = found.place.finish(timeout_s=ENDS_S, MLFLOW_TRACKING_URI=proxy.address, **QUICK)
    record(RECORD, proxy=NO_ARTIFACTS, code=run.code, seconds=run.seconds, said=run.said[-500:])
    assert proxy.done[NO_ARTIFACTS] > 0
    assert run.code == 0, run.said
    assert f"Report: {Path('studies') / 'faulty' / 'report.html'}" in run.said
    assert numbers(found.place) == reference.numbers
    assert store(found.server.database).faults() == []
    assert litter(found.place) == []
