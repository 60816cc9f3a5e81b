"""The control flow of one run: graphs, loops, exit tasks, and the end of the run."""

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from emulator.driver import Job, before, cache_key, resolve, turn_inputs
from emulator.graph import Execution
from emulator.objects import Objects
from emulator.package import Package
from emulator.records import Run, Step
from emulator.steps import Attempts, Cluster
from emulator.values import DriverFailed, Json, doubles, dumps
from emulator.workflow import CONTAINER_DRIVER, DAG_DRIVER, MOST_BYTES, TOO_LARGE, Workflow, pod_patch

EXIT_TASK = "ALL_UPSTREAM_TASKS_COMPLETED"
Cache = dict[str, tuple[dict[str, Json], dict[str, Any]]]


class Engine:
    """One run of a package. Everything that a run leaves is in `run`."""

    def __init__(self, package: Package, job: Job, cluster: Cluster, objects: Objects, cache: Cache) -> None:
        self.package, self.job, self.cluster, self.objects, self.cache = package, job, cluster, objects, cache
        self.run = Run(job.id, job.name)
        self.workflow = Workflow(job.name, package)
        self._ids, self._lock = itertools.count(1), threading.Lock()
        self._errors: list[BaseException] = []

    def go(self, inputs: Mapping[str, Json]) -> Run:
        """Run everything. Raises what the emulator itself stumbles over."""
        root = Execution(next(self._ids), "root", self.package.root, parameters=dict(inputs))
        self._driver("(0).root", DAG_DRIVER, root.component, {"runtime-config": dumps({"parameterValues": inputs})})
        self.workflow.graph("(0).root", "root")
        done = self._graph(root, "(0).root(0)")
        if self._errors:
            raise self._errors[0]
        self._size(exact=True)
        if self.cluster.stopped.is_set():
            self.run.states.append("CANCELING")
        self.run.state = "SUCCEEDED" if done and not self.over else "FAILED"
        self.run.states.append(self.run.state)
        self.run.packed_from = self.workflow.packed_from
        return self.run

    @property
    def over(self) -> bool:
        """True if nothing but exit tasks may start: after a Terminate, or when the workflow is too large to be stored."""
        return self.cluster.stopped.is_set() or bool(self.run.message) or bool(self._errors)

    def _graph(self, graph: Execution, path: str, turn: int | None = None) -> bool:
        """Run the tasks of a graph, each as soon as those before it have succeeded. Others go on when one fails."""
        tasks: Mapping[str, Any] = graph.component["dag"]["tasks"]
        exits = {
            before: name
            for name, task in tasks.items()
            if task.get("triggerPolicy", {}).get("strategy") == EXIT_TASK
            for before in task["dependentTasks"]
        }
        ended: dict[str, bool] = {}
        changed = threading.Condition()

        def one(name: str) -> None:
            earlier = before(tasks[name])
            with changed:
                changed.wait_for(lambda: all(each in ended for each in earlier))
                ready = all(ended[each] for each in earlier)
            good = self._guarded(lambda: self._task(name, tasks, exits.get(name), graph, path, turn, ready))
            with changed:
                ended[name] = good
                changed.notify_all()

        threads = [
            threading.Thread(target=one, args=(name,), daemon=True) for name in tasks if name not in exits.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return all(ended.values())

    def _guarded(self, call: Callable[[], bool]) -> bool:
        """Keep an error of the emulator itself for the end, so that no thread waits for ever."""
        try:
            return call()
        except BaseException as error:
            self._errors.append(error)
            return False

    def _task(
        self,
        name: str,
        tasks: Mapping[str, Any],
        exit_task: str | None,
        graph: Execution,
        path: str,
        turn: int | None,
        ready: bool,
    ) -> bool:
        """Run a task, then the exit task that belongs to it. An exit task does not change the state of the run."""
        task, place = tasks[name], f"{path}.{name}"
        component = self.package.component(task)
        if task.get("triggerPolicy", {}).get("condition"):
            raise NotImplementedError(f"{name}: the emulator has no conditions")
        if not ready or self.over:
            self._omit(name, component, place, turn)
            return False
        started: list[bool] = []
        if "parameterIterator" in task:
            return self._loop(name, task, component, graph, place)
        good = self._nested(name, task, component, graph, place, turn, started)
        if exit_task and started and not self.run.message:  # after a Terminate, too
            other = tasks[exit_task]
            hook = f"{place}.onExit(0).{exit_task}"
            self._container(exit_task, other, self.package.component(other), graph, hook, turn, leaving=True)
        return good

    def _nested(
        self,
        name: str,
        task: Mapping[str, Any],
        component: Mapping[str, Any],
        graph: Execution,
        path: str,
        turn: int | None,
        started: list[bool],
    ) -> bool:
        """Run a step or a graph inside a graph. `started` gets an entry once its driver has succeeded."""
        if "dag" not in component:
            step = self._container(name, task, component, graph, path, turn)
            started += [] if step.state == "driver-failed" else [True]
            return step.good
        inner = self._execution(name, task, component, graph, path)
        if inner is None:
            return False
        started.append(True)
        self.workflow.graph(path, f"comp-{name}")
        return self._graph(inner, f"{path}(0)", turn)

    def _execution(
        self, name: str, task: Mapping[str, Any], component: Mapping[str, Any], graph: Execution, path: str
    ) -> Execution | None:
        """Let the driver of a graph resolve its inputs. Return None if it fails."""
        self._driver(path, DAG_DRIVER, component, {"task": dumps(task)})
        try:
            parameters, artifacts = resolve(name, task, component, graph, self.job)
        except DriverFailed as error:
            self._record(Step(name, None, "driver-failed", reason=str(error)))
            return None
        inner = Execution(next(self._ids), name, component, graph, parameters=parameters, artifacts=artifacts)
        graph.children.append(inner)
        return inner

    def _loop(
        self, name: str, task: Mapping[str, Any], component: Mapping[str, Any], graph: Execution, path: str
    ) -> bool:
        """Run all turns of a loop, as many at a time as it allows. A turn that fails fails the loop at its end."""
        self.workflow.graph(path, f"{name}-iterator")
        loop = self._execution(name, task, component, graph, f"{path}(0).iteration")
        if loop is None:
            return False
        items = task["parameterIterator"]["items"]
        if "raw" in items:
            loop.parameters[task["parameterIterator"]["itemInput"]] = doubles(json.loads(items["raw"]))
            task = task | {
                "parameterIterator": task["parameterIterator"]
                | {"items": {"inputParameter": task["parameterIterator"]["itemInput"]}}
            }
        loop.turns = len(loop.parameters[task["parameterIterator"]["items"]["inputParameter"]])
        group = f"{path}(0).iteration-iterations"
        self.workflow.turns(group, f"{name}-iteration")
        limit = task.get("iteratorPolicy", {}).get("parallelismLimit") or loop.turns or 1

        def one(index: int) -> bool:
            return self._guarded(lambda: self._turn(name, task, loop, index, f"{group}({index}:{index})"))

        with ThreadPoolExecutor(min(limit, 64)) as pool:
            return all(list(pool.map(one, range(loop.turns))))

    def _turn(self, name: str, task: Mapping[str, Any], loop: Execution, index: int, path: str) -> bool:
        if self.over:
            return False
        place = f"{path}(0).iteration-item"
        self.workflow.graph(
            path, f"{name}-iteration", (("parent-dag-id", str(loop.id)), ("iteration-index", str(index)))
        )
        self._driver(place, DAG_DRIVER, loop.component, {"task": dumps(task), "iteration-index": str(index)})
        parameters = turn_inputs(loop, task, index)
        made = Execution(
            next(self._ids), name, loop.component, loop, None, index, "RUNNING", parameters, loop.artifacts
        )
        loop.children.append(made)
        self.workflow.graph(place, name)
        return self._graph(made, f"{place}(0)", index)

    def _container(
        self,
        name: str,
        task: Mapping[str, Any],
        component: Mapping[str, Any],
        graph: Execution,
        path: str,
        turn: int | None,
        leaving: bool = False,
    ) -> Step:
        """Run one step, or let a cached result take its place."""
        label = component["executorLabel"]
        container, settings = self.package.container(label), self.package.pods.get(label, {})
        given = {"task": dumps(task), "container": dumps(container), "kubernetes-config": dumps(settings)}
        try:
            parameters, artifacts = resolve(name, task, component, graph, self.job)
        except DriverFailed as error:
            self._driver(path, CONTAINER_DRIVER, component, given)
            return self._record(Step(name, turn, "driver-failed", reason=str(error)))
        parts = {
            "component": component, "container": container, "settings": settings, "artifacts": artifacts,
            "objects": self.objects, "cluster": self.cluster, "leaving": leaving,
        }  # fmt: skip
        attempts = Attempts.of(name, turn, parameters, parts, self.job)
        execution = Execution(next(self._ids), name, component, graph)
        graph.children.append(execution)
        patch = pod_patch(attempts.command(execution.id, self.job), container, settings)
        self._driver(path, CONTAINER_DRIVER, component, given, patch)
        self.workflow.step(path, patch)
        self._record(attempts.step)
        key = cache_key(container, parameters, artifacts) if task.get("cachingOptions", {}).get("enableCache") else None
        if not self._from_cache(key, attempts.step):
            attempts.run()
        self._publish(execution, attempts, key)
        self._size()
        return attempts.step

    def _from_cache(self, key: str | None, step: Step) -> bool:
        if key is None or key not in self.cache:
            return False
        step.state, (step.parameters, step.artifacts) = "cached", self.cache[key]
        return True

    def _publish(self, execution: Execution, attempts: Attempts, key: str | None) -> None:
        """Store outputs and state of a step, unless its launcher died."""
        step = attempts.step
        execution.out_parameters, execution.out_artifacts = step.parameters, step.artifacts
        with self._lock:
            if step.state == "cached":
                execution.state = "CACHED"
            elif step.state == "succeeded":
                execution.ended("COMPLETE")
                if key is not None:
                    self.cache[key] = (step.parameters, step.artifacts)
            elif attempts.published and step.pods:
                execution.ended("FAILED")

    def _driver(
        self,
        path: str,
        template: str,
        component: Mapping[str, Any],
        inputs: Mapping[str, str],
        patch: str | None = None,
    ) -> None:
        """Count the pod of a driver."""
        with self._lock:
            self.run.driver_pods += 1
        given = [("component", dumps(component)), *inputs.items(), ("parent-dag-id", "1244"), ("task-name", path[-30:])]
        outputs = [("execution-id", "1244"), ("iteration-count", "0"), ("condition", "nil")]
        if patch is not None:
            outputs = [("pod-spec-patch", patch), ("cached-decision", "false"), ("condition", "nil")]
        self.workflow.driver(path, template, given, outputs)

    def _record(self, step: Step) -> Step:
        with self._lock:
            self.run.steps.append(step)
        return step

    def _omit(self, name: str, component: Mapping[str, Any], path: str, turn: int | None) -> None:
        """Record all steps that never start."""
        self.workflow.omitted(path)
        if "dag" not in component:
            self._record(Step(name, turn, "omitted"))
            return
        for inner, task in component["dag"]["tasks"].items():
            self._omit(inner, self.package.component(task), f"{path}(0).{inner}", turn)

    def _size(self, exact: bool = False) -> None:
        """Measure the workflow. One that is too large even when packed fails the run on the spot."""
        self.run.packed_bytes = self.workflow.packed_bytes(exact)
        if self.run.packed_bytes > MOST_BYTES:
            self.run.message = f"{TOO_LARGE} compressed size {self.run.packed_bytes} > maxSize {MOST_BYTES}"
