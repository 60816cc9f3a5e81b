"""Rules of the lint for steps after failures and repeated steps.

What a server does was read in its compiler and seen on one: a loop runs inside an exit handler, `ignore_upstream_failure` becomes
an exit hook of every step before it, a loop gets no hook. kfp's own compiler refuses some of the faults, which are made by hand.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl
from lint_cases import Check, assert_one, end, make_data, make_list, make_text, use_all, use_text

from pipelines.package.lint import lint


def test_a_loop_in_an_exit_handler_is_accepted(check: Check) -> None:
    def sound(where: str = "") -> None:
        closing = end(where=where).set_caching_options(False)
        with dsl.ExitHandler(closing, name="study"):
            with dsl.ParallelFor(make_list().output) as item:
                made = make_data(text=item)
            use_all(data=dsl.Collected(made.outputs["data"]))

    assert check(sound) == []


def test_an_exit_task_with_the_id_of_the_run_is_accepted(check: Check) -> None:
    def sound() -> None:
        with dsl.ExitHandler(end(where=dsl.PIPELINE_JOB_ID_PLACEHOLDER)):
            use_text(text="a")

    assert check(sound) == []


def test_ignored_failures_of_one_step_are_found(check: Check) -> None:
    def faulty() -> None:
        use_text(text="b").after(use_text(text="a")).ignore_upstream_failure()

    assert_one(check(faulty), "use-text has ignore_upstream_failure", "exit hook of use-text-2", "dsl.ExitHandler")


def test_ignored_failures_of_two_steps_are_found(check: Check) -> None:
    def faulty() -> None:
        first, second = use_text(text="a"), use_text(text="b")
        use_text(text="c").after(first, second).ignore_upstream_failure()

    assert_one(check(faulty), "runs once after each of use-text, use-text-2, the first time too early")


@pytest.mark.parametrize("collected", [False, True])
def test_ignored_failures_of_a_loop_are_found(check: Check, collected: bool) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(["a"]) as item:
            made = make_data(text=item)
        if collected:
            use_all(data=dsl.Collected(made.outputs["data"])).ignore_upstream_failure()
        else:
            use_text(text="a").after(made).ignore_upstream_failure()

    assert_one(check(faulty), "has ignore_upstream_failure", "never runs after for-loop-2", "dsl.ExitHandler")


def test_a_step_after_a_step_after_failures_is_found(check: Check) -> None:
    def faulty() -> None:
        second = use_text(text="b").after(use_text(text="a")).ignore_upstream_failure()
        use_text(text="c").after(second)

    found = check(faulty)
    assert len(found) == 2
    assert "use-text-3 waits for use-text, which a server takes out of the graph" in " ".join(found)


@pytest.fixture
def handled(check: Check, tmp_path: Path) -> Any:
    """Compile a sound pipeline with an exit handler and return it as data."""

    def sound() -> None:
        with dsl.ExitHandler(end()):
            use_text(text="a")
        make_text()

    assert check(sound) == []
    return yaml.safe_load((tmp_path / "pipeline.yaml").read_text())


def test_an_exit_task_that_takes_an_output_is_found(handled: Any) -> None:
    taken = {"taskOutputParameter": {"producerTask": "make-text", "outputParameterKey": "Output"}}
    handled["root"]["dag"]["tasks"]["end"]["inputs"]["parameters"]["where"] = taken
    assert_one(lint(handled), "end takes an output of make-text", "id of the run")


def test_a_step_after_an_exit_task_is_found(handled: Any) -> None:
    handled["root"]["dag"]["tasks"]["make-text"]["dependentTasks"] = ["end"]
    assert_one(lint(handled), "make-text waits for end", "refuses every run")


def test_set_retry_is_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(["a"]) as item:
            use_text(text=item).set_retry(2)

    def sound() -> None:
        with dsl.ParallelFor(["a"]) as item:
            use_text(text=item)

    assert_one(check(faulty), "use-text in for-loop-2 is repeated only after a lost pod", "repeat inside the step")
    assert check(sound) == []
