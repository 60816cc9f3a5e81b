"""One small study, run step by step on real parts: a baseline, an arm that trains, and one that diverges."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from ready_store import copy_database

from components.compare_arms import compare_study
from components.find_finished import find, store_corpus
from components.resolve_plan import resolve
from components.shared import history
from components.shared.evaluate_one import evaluate
from components.shared.train_one import train
from components.shared.trial import Resolved, Status, Todo, Trial
from components.workers.isolation import OnStop, Run, Start, fresh
from corpora.store import Corpus
from tracking.store import client

STEPS = 6


@pytest.fixture(scope="session")
def plan() -> dict[str, Any]:
    """A plan as Kubeflow hands it over, with doubles for whole numbers."""
    return {
        "study": "demo",
        "question": "Do the steps fit together?",
        "corpus": "small://words",
        "seeds": [1.0],
        "conditions": {"babble": [0.0]},
        "max_failed_trials": 1.0,
        "baseline": {
            "training.steps": float(STEPS),
            "training.batch_size": 4.0,
            "encoder.layers": 1.0,
            "encoder.width": 32.0,
            "encoder.feedforward": 64.0,
            "decoder.units": "word",  # a word of the small corpus lasts five frames
        },
        "ablations": [
            {"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}}},
            {"part": "training.learning_rate", "replacements": {"too-fast": 1e6}},
        ],
    }


@dataclass
class Done:
    """The results of the steps: the trials with the two folders of each, the study's folder and its report.

    `described` is the description of the experiment when the study ended; later tests open other studies of that name.
    """

    uri: str
    given: Resolved
    trials: list[Trial]
    trained: list[Path]
    scored: list[Path]
    study: Path
    report: list[Path]
    described: str

    def status(self, arm: str) -> Status:
        return next(status for folder in self.scored if (status := Status.read(folder)).arm == arm)


@pytest.fixture(scope="session")
def done(plan: dict[str, Any], small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    root = tmp_path_factory.mktemp("study")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    copy_database(root / "mlflow.db")
    with keeping_signals():
        given = _opened(plan, uri, small_corpus, "abc")
        items = find(plan, given.trials, Corpus.open(small_corpus).fingerprint, tracking_uri=uri).trials
        trained = [root / f"trained-{number}" for number in range(len(items))]
        scored = [root / f"scored-{number}" for number in range(len(items))]
        for number, (item, first, second) in enumerate(zip(items, trained, scored, strict=True)):
            # A process takes seconds to start, and one trial that has its own is enough.
            start = in_this_process if number else fresh
            train(item, plan, small_corpus, first, tracking_uri=uri, threads=1, start=start)
            evaluate(plan, small_corpus, first, second, tracking_uri=uri, threads=1, start=start)
    study = root / "study"
    report = compare_study(given, study, tracking_uri=uri, code_rev="abc").files
    finished = [Trial.from_json(item) for item in items]
    described = client(uri).get_experiment(finished[0].experiment_id).tags["mlflow.note.content"]
    return Done(uri, given, finished, trained, scored, study, report, described)


def _opened(plan: dict[str, Any], uri: str, corpus: Path, code_rev: str = "") -> Resolved:
    """Open a study with its inputs, as the first steps do."""
    given = Resolved(plan, resolve(plan, uri, code_rev))
    store_corpus(uri, Trial.from_json(given.trials[0]).study_run_id, Corpus.open(corpus).summary())
    return given


@pytest.fixture(scope="session")
def opened() -> Callable[..., Resolved]:
    """Opens a study of any corpus, as the first steps do."""
    return _opened


@pytest.fixture
def opening(small_corpus: Path) -> Callable[..., Resolved]:
    """Opens a study of the small corpus."""
    return lambda plan, uri: _opened(plan, uri, small_corpus)


@pytest.fixture
def searching(opening: Callable[..., Resolved], small_corpus: Path) -> Callable[..., Todo]:
    """Opens a study of the small corpus and returns what is left of it, and what is finished."""

    def call(plan: dict[str, Any], uri: str, force: str = "") -> Todo:
        content = Corpus.open(small_corpus).fingerprint
        return find(plan, opening(plan, uri).trials, content, tracking_uri=uri, force=force)

    return call


@pytest.fixture
def finding(searching: Callable[..., Todo]) -> Callable[..., list[str]]:
    """Opens a study of the small corpus and returns the trials that are left."""
    return lambda *arguments, **more: searching(*arguments, **more).trials


@contextmanager
def in_this_process(module: str, _processes: int = 1, _on_stop: OnStop | None = None) -> Iterator[Run]:
    """A start of workers without processes, as `components.workers.isolation.Start` describes it."""
    yield lambda request: import_module(module).work(dict(request))


@pytest.fixture(scope="session")
def here() -> Start:
    """The start of workers within the process of the test."""
    return in_this_process


@contextmanager
def keeping_signals() -> Iterator[None]:
    """Restore the handler of SIGTERM: steps replace it, since they usually run in their own process."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(autouse=True, scope="session")
def _impatient() -> Iterator[None]:
    """Let steps wait for MLflow for no time, instead of minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "PATIENCE_S", 0.0)
        yield


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    with keeping_signals():
        yield
