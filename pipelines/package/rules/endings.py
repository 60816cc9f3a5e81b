"""Steps that run after failures, and repeated steps: a server runs them only in one form.

A server's compiler turns every step that runs after failures into an exit hook. It gives the hook to each task before the step,
but not to loops and importers, and takes the step itself out of the graph.
"""

from collections.abc import Iterator

from pipelines.package.graph import Graph, Task
from pipelines.package.rules.places import where

HANDLER = "exit-handler-"  # kfp's prefix for the graph inside dsl.ExitHandler


def ignored_failures(graph: Graph) -> Iterator[str]:
    """Find steps after failures outside of dsl.ExitHandler."""
    for task in graph.tasks.values():
        before = task.spec.get("dependentTasks", [])
        if not runs_after_failures(task) or all(name.startswith(HANDLER) for name in before):
            continue
        unseen = [name for name in before if graph.tasks[name].iterator or "importer" in graph.tasks[name].executor]
        if unseen:
            what = f"never runs after {unseen[0]}"
        elif len(before) > 1:
            what = f"runs once after each of {', '.join(before)}, the first time too early"
        else:
            what = f"runs as an exit hook of {before[0] if before else 'no task'}, and nothing can come after it"
        yield (
            f"a step after failures is the exit task of dsl.ExitHandler: {where(graph, task)} has ignore_upstream_failure, "
            f"and on a server it {what}; make it the exit task of a handler around those steps"
        )


def exit_tasks(graph: Graph) -> Iterator[str]:
    """Find exit tasks that need other steps, and steps that need exit tasks: the compiler refuses either."""
    for task in graph.tasks.values():
        for name in _producers(task):
            if runs_after_failures(task) and all(each.startswith(HANDLER) for each in task.spec["dependentTasks"]):
                yield (
                    f"an exit task takes inputs of the pipeline and the final status only: {task.name} takes an output of "
                    f"{name}, which may not exist when it runs; let it find the study by the id of the run"
                )
        for name in {*_producers(task), *task.spec.get("dependentTasks", [])} & graph.tasks.keys():
            if runs_after_failures(graph.tasks[name]):
                yield (
                    f"nothing comes after a step that runs after failures: {where(graph, task)} waits for {name}, which a "
                    "server takes out of the graph, and it refuses every run; do the work in that step"
                )


def retries(graph: Graph) -> Iterator[str]:
    """Find set_retry: a server repeats lost pods already, and nothing else."""
    for task in graph.tasks.values():
        if "retryPolicy" in task.spec:
            yield (
                f"set_retry does not repeat a step that failed: on a server, {where(graph, task)} is repeated only after a "
                "lost pod, which happens without it, too; remove it, and repeat inside the step"
            )


def runs_after_failures(task: Task) -> bool:
    """Return True for an exit task and for a step with ignore_upstream_failure."""
    return bool(task.spec.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED")


def _producers(task: Task) -> list[str]:
    """Return the tasks whose outputs a task takes."""
    given = [*task.parameters.values(), *task.artifacts.values()]
    outputs = [each.get("taskOutputParameter") or each.get("taskOutputArtifact") for each in given]
    return [each["producerTask"] for each in outputs if each]
