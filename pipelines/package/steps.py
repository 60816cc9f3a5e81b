"""The names of the steps, read from the compiled pipeline. No other list of steps exists."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from pipelines.package.graph import graphs, read_package


@dataclass(frozen=True)
class Steps:
    """Names of all steps, and of the steps that run once per trial. Both keep the order of the package."""

    names: tuple[str, ...]
    trial: tuple[str, ...]

    @classmethod
    def of(cls, package: Path | Mapping[str, Any]) -> Self:
        """Read a package, as a file or already parsed. The steps of a trial are those inside the loop."""
        found = [
            (task.name, graph.loop is not None)
            for graph in graphs(read_package(package))
            for task in graph.tasks.values()
            if task.container
        ]
        return cls(tuple(name for name, _ in found), tuple(name for name, looped in found if looped))


@cache
def pipeline_steps() -> Steps:
    """Return the steps of `pipelines.ablation_pipeline`. The first call imports kfp and compiles, in about a second."""
    from kfp import compiler

    from pipelines.ablation_pipeline import ablation_pipeline

    with tempfile.TemporaryDirectory(prefix="ablate-") as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(ablation_pipeline, str(path))
        return Steps.of(path)
