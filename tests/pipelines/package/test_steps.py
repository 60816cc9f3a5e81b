"""Names of steps come from the compiled package: a new step needs no entry in any list."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl
from lint_cases import make_list, make_text, use_text

from common.errors import UserError
from pipelines.package.cluster import Cluster
from pipelines.package.steps import Steps, pipeline_steps


@pytest.fixture
def steps(tmp_path: Path) -> Callable[[Callable[..., Any]], Steps]:
    """Compile a pipeline and read its steps."""

    def read(function: Callable[..., Any]) -> Steps:
        compiler.Compiler().compile(dsl.pipeline(function), str(tmp_path / "pipeline.yaml"))
        return Steps.of(tmp_path / "pipeline.yaml")

    return read


def test_steps_of_a_trial_are_those_inside_the_loop(steps: Callable[[Callable[..., Any]], Steps]) -> None:
    def with_loop() -> None:
        with dsl.ParallelFor(make_list().output) as item:
            inner = make_text()
            with dsl.If(inner.output == "a"):
                use_text(text=item)
        use_text(text="end")

    found = steps(with_loop)
    assert set(found.names) == {"make-list", "make-text", "use-text", "use-text-2"}
    assert set(found.trial) == {"make-text", "use-text"}


def test_a_package_without_a_loop_has_no_steps_of_a_trial(steps: Callable[[Callable[..., Any]], Steps]) -> None:
    assert steps(lambda: use_text(text="a") and None) == Steps(("use-text",), ())


def test_a_file_that_is_not_a_package_has_no_steps(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write one: ablate compile"):
        Steps.of(tmp_path / "none.yaml")


def test_every_step_of_the_pipeline_may_have_a_timeout() -> None:
    timeouts = dict.fromkeys(pipeline_steps().names, 60)
    assert Cluster(timeouts=timeouts).timeouts == timeouts
