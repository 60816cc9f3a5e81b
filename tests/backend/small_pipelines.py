"""Small pipelines for the tests of the emulator. Their steps are shell commands, which start at once, but for one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

IMAGE = "registry/ablate-python:0123456789ab"


def shell(script: str, *words: Any) -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image=IMAGE, command=["sh", "-ec", script, "sh"], args=list(words))


@dsl.container_component
def opened(n: int, run: str, told: dsl.OutputPath(str)):  # type: ignore[valid-type]
    return shell('mkdir -p "$(dirname $1)"; printf %s "$2:$3" > "$1"', told, run, n)


@dsl.container_component
def listed(items: list, found: dsl.OutputPath(list)):  # type: ignore[valid-type, type-arg]
    return shell('printf %s "$2" > "$1"', found, items)


@dsl.container_component
def worked(item: str, script: str, made: dsl.Output[dsl.Dataset]):
    return shell('out="$1" item="$2"; mkdir -p "$(dirname $out)"; eval "$3"', made.path, item, script)


@dsl.container_component
def checked(script: str, made: dsl.Input[dsl.Dataset]):
    return shell('in="$1"; eval "$2"', made.path, script)


@dsl.container_component
def joined(made: dsl.Input[list[dsl.Dataset]]):  # type: ignore[valid-type]
    return shell("echo joined", made)


@dsl.container_component
def said(script: str):
    return shell('eval "$1"', script)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def closed(run: str, status: dsl.PipelineTaskFinalStatus, told: dsl.Output[dsl.Markdown]) -> str:
    with open(told.path, "w") as file:  # noqa: PTH123 (the step has this function's text only)
        file.write("the end")
    told.metadata["pages"] = 3
    return f"{run} {status.state} {status.pipeline_job_resource_name} {status.pipeline_task_name}"


def compiled(pipeline: Callable[..., Any], folder: Path) -> Path:
    """Compile a pipeline and return the file."""
    path = folder / "package.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return path


def one(folder: Path, limit: str | None = None) -> Path:
    """A pipeline of one step that runs a script, with a memory limit."""

    @dsl.pipeline(name="one")
    def pipeline(script: str) -> None:
        task = said(script=script)
        if limit:
            task.set_memory_limit(limit)

    return compiled(pipeline, folder)


def loop(folder: Path, parallelism: int | None = None) -> Path:
    """A pipeline as ours: an exit task around a step, a loop over a list, and a step after the loop."""

    @dsl.pipeline(name="loop")
    def pipeline(items: list, script: str = 'echo "made $item" > "$out"') -> None:  # type: ignore[type-arg]
        closing = closed(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
        with dsl.ExitHandler(closing, name="study"):
            first = opened(n=3, run=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
            found = listed(items=items).after(first)
            with dsl.ParallelFor(found.outputs["found"], name="chunks", parallelism=parallelism) as item:
                made = worked(item=item, script=script)
                tested = checked(script="echo checked", made=made.outputs["made"])
            said(script="echo last").after(tested)
            said(script="echo apart")

    return compiled(pipeline, folder)


def handed(folder: Path) -> Path:
    """A pipeline of two steps: one makes an artifact, the other reads it."""

    @dsl.pipeline(name="handed")
    def pipeline(make: str, read: str) -> None:
        made = worked(item="x", script=make)
        checked(script=read, made=made.outputs["made"])

    return compiled(pipeline, folder)


def collected(folder: Path) -> Path:
    """A pipeline that collects the artifacts of a loop."""

    @dsl.pipeline(name="collected")
    def pipeline(items: list) -> None:  # type: ignore[type-arg]
        found = listed(items=items)
        with dsl.ParallelFor(found.outputs["found"]) as item:
            made = worked(item=item, script='echo > "$out"')
        joined(made=dsl.Collected(made.outputs["made"]))

    return compiled(pipeline, folder)


def alive(marker: str) -> list[int]:
    """Return processes of this machine whose command line has a text, but for this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
