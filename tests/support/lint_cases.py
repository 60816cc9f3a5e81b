"""Components for faulty pipelines, and the check for exactly one fault."""

from collections.abc import Callable
from typing import Any

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

Check = Callable[[Callable[..., Any]], list[str]]
IMAGE = "registry.example:5000/steps/python:1a2b3c4"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def make_list() -> list[str]:
    return ["a"]


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def make_text() -> str:
    return "a"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def make_number() -> int:
    return 1


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def make_data(text: str, data: Output[Dataset]) -> None: ...


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def use_text(text: str) -> None: ...


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def use_list(items: list) -> None: ...


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def use_data(data: Input[Dataset]) -> None: ...


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def use_all(data: Input[list[Dataset]] = None) -> None: ...


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def use_three(one: Input[list[Dataset]], two: Input[list[Dataset]], three: Input[list[Dataset]]) -> None: ...


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def end(status: dsl.PipelineTaskFinalStatus, where: str = "") -> None: ...


@dsl.pipeline
def make_data_list() -> list[Dataset]:
    with dsl.ParallelFor(["a"]) as item:
        made = make_data(text=item)
    return dsl.Collected(made.outputs["data"])


def assert_one(found: list[str], *words: str) -> None:
    assert len(found) == 1, found
    for word in words:
        assert word in found[0]
