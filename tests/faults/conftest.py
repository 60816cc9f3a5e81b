"""A study that nothing disturbs, once for all files of this folder. Its numbers are those that every rerun has to give."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from injection.facts import Reference, numbers
from injection.processes import end_all
from injection.stages import timed
from injection.study import Place

REFERENCE_S = 240.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.fault)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(900))  # the first one also runs the undisturbed study


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The study that nothing disturbs. Several workers share it."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    root, times = shared / "undisturbed", shared / "undisturbed.json"
    with FileLock(shared / "undisturbed.lock"):
        if not times.is_file():
            place = Place.new(root)
            run = place.start()
            seconds = timed(run, REFERENCE_S)
            assert run.code == 0, run.said + run.log
            times.write_text(json.dumps(seconds))
    place = Place(root)
    return Reference(place, numbers(place), json.loads(times.read_text()))


@pytest.fixture
def copied(reference: Reference, tmp_path: Path) -> Iterator[Place]:
    """A copy of the finished study, to damage."""
    place = reference.place.copy(tmp_path / "copied")
    yield place
    end_all(place.root)


@pytest.fixture
def fresh(reference: Reference, tmp_path: Path) -> Iterator[Place]:
    """A folder with the plan and the prepared corpus, in which nothing has run yet."""
    place = Place.new(tmp_path / "fresh", reference.place.root / "corpora-cache")
    yield place
    end_all(place.root)
