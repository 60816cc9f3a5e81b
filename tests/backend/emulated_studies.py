"""Small real studies on the emulated server, with a real MLflow server that their steps reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.backend import Backend
from emulator.records import Run

from pipelines.package.compile import compile_package

IMAGE = "registry/ablate-python:0123456789ab"
CORPUS = "synthetic://talking-mouth?train=24&test=4&valid=2"
TINY = {
    "training.steps": 3,
    "training.batch_size": 4,
    "encoder.layers": 1,
    "encoder.width": 32,
    "encoder.feedforward": 64,
}
NO_SCALE = {"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}}}
OPEN = {"RUNNING", "SCHEDULED"}


def plan(study: str, **changes: Any) -> dict[str, Any]:
    """Return a plan of two arms. Other `training.steps` or seeds make trials that no earlier study has finished."""
    baseline = TINY | changes.pop("baseline", {})
    whole = {"study": study, "corpus": CORPUS, "seeds": [1], "conditions": {}, "ablations": [NO_SCALE]}
    return whole | {"baseline": baseline} | changes


@dataclass
class Place:
    """A namespace with volumes for corpora and states, the package, and MLflow."""

    folder: Path
    address: str
    backend: Backend = field(init=False)
    package: Path = field(init=False)

    def __post_init__(self) -> None:
        volumes = {f"/{name}": self.folder / name for name in ("corpora", "states")}
        for volume in volumes.values():
            volume.mkdir()
            volume.chmod(0o777)
        self.backend = Backend(self.folder / "backend", volumes=volumes)
        self.package = compile_package(self.folder / "package.yaml", image=IMAGE)

    def run(self, given: Mapping[str, Any], arguments: Mapping[str, Any] | None = None, **settings: Any) -> Run:
        """Run a plan with the corpus and the states on volumes."""
        inputs = {
            "plan": dict(given),
            "tracking_uri": self.address,
            "corpora_root": "/corpora",
            "state_root": "/states",
        }
        return self.backend.run(self.package, inputs | dict(arguments or {}), **settings)

    def runs(self, run: Run) -> tuple[Any, dict[tuple[str, int], Any]]:
        """Return the study's run in MLflow that a run has opened, and its trial runs by arm and seed."""
        from tracking.runs import trial_runs
        from tracking.store import client
        from tracking.studies import KFP_RUN

        store = client(self.address)
        for experiment in store.search_experiments():
            for study in store.search_runs([experiment.experiment_id], f"tags.`{KFP_RUN}` = '{run.id}'"):
                trials = trial_runs(self.address, experiment.experiment_id, study.info.run_id)
                return study, {
                    (each.data.tags["ablation.arm"], int(each.data.tags["ablation.seed"])): each for each in trials
                }
        raise AssertionError(f"no study has the run {run.id}\n{run.told()}")

    def statuses(self, run: Run) -> dict[tuple[str, int], str]:
        """Return the statuses of the trials' runs."""
        return {key: trial.info.status for key, trial in self.runs(run)[1].items()}

    def attached(self, run: Run) -> set[str]:
        """Return the names of the files of the study's run in MLflow."""
        from tracking.store import client

        return {Path(item.path).name for item in client(self.address).list_artifacts(self.runs(run)[0].info.run_id)}
