"""Every rule finds a faulty pipeline that kfp's own compiler has let pass, and our own package breaks none.

Not here, since kfp 2.17's compiler refuses it: a loop over fixed items with the key `name`, an accelerator or cpu that
an upstream step outside of the loop computes, `ignore_upstream_failure` on a step that takes a loop's outputs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl
from kfp.dsl import Dataset, Input, Output

from common.errors import UserError
from pipelines.package.lint import lint

IMAGE = "registry.example:5000/steps/python:1a2b3c4"
GPU = "nvidia.com/gpu"

Check = Callable[[Callable[..., Any]], list[str]]


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


@dsl.pipeline
def make_data_list() -> list[Dataset]:
    with dsl.ParallelFor(["a"]) as item:
        made = make_data(text=item)
    return dsl.Collected(made.outputs["data"])


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Compiles a pipeline with kfp's compiler and lints the file."""

    def compiled(function: Callable[..., Any]) -> list[str]:
        compiler.Compiler().compile(dsl.pipeline(function), str(tmp_path / "pipeline.yaml"))
        return lint(tmp_path / "pipeline.yaml")

    return compiled


def assert_one(found: list[str], *words: str) -> None:
    assert len(found) == 1, found
    for word in words:
        assert word in found[0]


@pytest.mark.parametrize("setting", ["set_cpu_limit", "set_memory_request", "set_accelerator_type"])
def test_an_input_as_a_resource_in_a_loop_is_found(check: Check, setting: str) -> None:
    def faulty(wanted: str = "1") -> None:
        with dsl.ParallelFor(make_list().output) as item:
            getattr(use_text(text=item), setting)(wanted)

    assert_one(check(faulty), "use-text in for-loop-1 refers to wanted", "to nothing", "as an argument")


def test_an_input_as_a_resource_is_accepted_with_an_argument(check: Check) -> None:
    def sound(memory: str = "1Gi") -> None:
        use_text(text="a").set_memory_limit(memory)
        with dsl.ParallelFor(make_list().output):
            use_text(text=memory).set_memory_limit(memory)

    assert check(sound) == []


def test_a_placeholder_without_a_value_is_found(check: Check, tmp_path: Path) -> None:
    def sound(cpu: str = "1") -> None:
        use_text(text="a").set_cpu_limit(cpu)

    assert check(sound) == []
    spec = yaml.safe_load((tmp_path / "pipeline.yaml").read_text())
    del spec["root"]["dag"]["tasks"]["use-text"]["inputs"]["parameters"]["pipelinechannel--cpu"]
    assert_one(lint(spec), "use-text refers to cpu")


def test_an_artifact_that_does_not_reach_a_loop_is_found(check: Check, tmp_path: Path) -> None:
    def sound() -> None:
        made = make_data(text="a")
        with dsl.ParallelFor(["a"]):
            use_data(data=made.output)

    assert check(sound) == []
    spec = yaml.safe_load((tmp_path / "pipeline.yaml").read_text())
    [task] = [task for name, task in spec["root"]["dag"]["tasks"].items() if name.startswith("for-loop")]
    del task["inputs"], spec["components"][task["componentRef"]["name"]]["inputDefinitions"]["artifacts"]
    assert_one(lint(spec), "use-data in for-loop-2 refers to make-data-data")


def test_an_accelerator_limit_from_an_int_is_found(check: Check) -> None:
    def by_input(count: int = 1) -> None:
        use_text(text="a").set_accelerator_type(GPU).set_accelerator_limit(count)

    def by_step() -> None:
        use_text(text="a").set_accelerator_type(GPU).set_accelerator_limit(make_number().output)

    def by_item() -> None:
        with dsl.ParallelFor([1, 2]) as item:
            use_text(text="a").set_accelerator_type(GPU).set_accelerator_limit(item)

    assert_one(check(by_input), "use-text takes count, which is a NUMBER_INTEGER", "without any", "`str`")
    assert_one(check(by_step), "use-text takes make-number-Output, which is a NUMBER_INTEGER")
    assert "use-text in for-loop-2 takes loop-item-param-1, which is a NUMBER_INTEGER" in " ".join(check(by_item))


def test_an_accelerator_limit_from_text_or_constant_is_accepted(check: Check) -> None:
    def sound(count: str = "1") -> None:
        use_text(text="a").set_accelerator_type(GPU).set_accelerator_limit(count)
        use_text(text="a").set_accelerator_type(GPU).set_accelerator_limit(2)
        use_text(text="a").set_accelerator_type(GPU)

    assert check(sound) == []


def test_an_accelerator_limit_without_a_type_is_found(check: Check) -> None:
    def faulty() -> None:
        use_text(text="a").set_accelerator_limit(2)

    assert_one(check(faulty), "use-text requests 2 without a type", "set_accelerator_type")


def test_a_loop_over_artifacts_is_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(make_data_list().output) as item:
            use_data(data=item)

    assert_one(check(faulty), "for-loop-1 runs over a list of artifacts", "URIs")


def test_a_loop_in_an_exit_handler_is_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ExitHandler(use_text(text="end")), dsl.ParallelFor(["a"]) as item:
            use_text(text=item)

    assert_one(check(faulty), "for-loop-3 is in exit-handler-1", "move the loop out")


def test_an_exit_handler_around_steps_is_accepted(check: Check) -> None:
    def sound() -> None:
        with dsl.ExitHandler(use_text(text="end")):
            use_text(text="a")

    assert check(sound) == []


def test_an_importer_in_a_loop_is_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(["s3://a"]) as item:
            use_data(data=dsl.importer(artifact_uri=item, artifact_class=Dataset).output)

    def sound() -> None:
        imported = dsl.importer(artifact_uri="s3://a", artifact_class=Dataset)
        with dsl.ParallelFor(["a"]):
            use_data(data=imported.output)

    assert_one(check(faulty), "importer in for-loop-2", "import before")
    assert check(sound) == []


def test_ignored_failures_of_a_loop_are_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(["a"]) as item:
            made = make_data(text=item)
        use_text(text="a").after(made).ignore_upstream_failure()

    def sound() -> None:
        use_text(text="b").after(use_text(text="a")).ignore_upstream_failure()

    assert_one(check(faulty), "use-text comes after for-loop-2", "as data")
    assert check(sound) == []


def test_nested_loops_are_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(["a"]), dsl.ParallelFor(["b"]) as inner:
            use_text(text=inner)

    def sound() -> None:
        for items in (["a"], ["b"]):
            with dsl.ParallelFor(items) as item:
                use_text(text=item)

    assert_one(check(faulty), "for-loop-4 is in for-loop-2", "one flat list")
    assert check(sound) == []


def test_a_parameter_of_an_outer_step_in_a_loop_is_found(check: Check) -> None:
    def directly() -> None:
        made = make_text()
        with dsl.ParallelFor(["a"]):
            use_text(text=made.output)

    def in_a_condition(when: str = "a") -> None:
        made = make_text()
        with dsl.If(when == "a"), dsl.ParallelFor(["a"]) as item, dsl.If(made.output == "a"):
            use_text(text=item)

    def the_whole_list() -> None:
        made = make_list()
        with dsl.ParallelFor(made.output):
            use_list(items=made.output)

    assert_one(check(directly), "use-text in for-loop-2 uses the parameter Output of make-text", "as an artifact")
    assert_one(check(in_a_condition), "uses the parameter Output of make-text")
    assert_one(check(the_whole_list), "use-list in for-loop-1 uses the parameter Output of make-list")


def test_valid_values_in_a_loop_are_accepted(check: Check) -> None:
    def sound(text: str = "a") -> None:
        data = make_data(text=text)
        with dsl.ParallelFor(make_list().output) as item:
            use_text(text=item)
            use_text(text=text)
            use_data(data=data.output)
            inner = make_text()
            use_text(text=inner.output)
            with dsl.If(inner.output == "a"):
                use_text(text=inner.output)

    assert check(sound) == []


@pytest.mark.parametrize("items", ["computed", "fixed"])
def test_a_key_called_name_is_found(check: Check, items: str) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(make_list().output if items == "computed" else ["a"]) as item:
            use_text(text=item.name)

    def sound() -> None:
        with dsl.ParallelFor(make_list().output) as item:
            use_text(text=item.arm)

    assert_one(check(faulty), "cannot be `name`", "use-text in for-loop", "another name")
    assert check(sound) == []


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("steps", ["'steps'", "git revision"]),
        ("registry:5000/steps", ["'registry:5000/steps'", "git revision"]),
        ("steps:latest", ["can change while the cache"]),
        ("registry/Steps:1", ["lower case"]),
        ("steps:1 2", ["is not;"]),
    ],
)
def test_an_image_that_does_not_identify_its_code_is_found(check: Check, image: str, words: list[str]) -> None:
    def faulty() -> None:
        use_text(text="a").set_container_image(image)
        use_text(text="b").set_container_image(image)

    assert_one(check(faulty), "use-text, use-text-2", *words)


@pytest.mark.parametrize("image", ["steps:1", "a.b:5000/c/d-e:v1.2_x", "steps@sha256:" + "0a" * 32])
def test_an_image_that_identifies_its_code_is_accepted(check: Check, image: str) -> None:
    def sound(own: str = "x:1") -> None:
        use_text(text="a").set_container_image(image)
        use_text(text="a").set_container_image(own)

    assert check(sound) == []


def test_a_step_without_an_image_is_found(check: Check) -> None:
    with pytest.warns(FutureWarning, match="default base_image"):

        @dsl.component(install_kfp_package=False)
        def bare() -> None: ...

    @dsl.container_component
    def empty() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="", command=["true"])

    assert_one(check(lambda: bare() and None), "every step names its image", "of bare", "base_image")
    assert_one(check(lambda: empty() and None), "every step names its image", "of empty", "base_image")


def test_all_faults_are_reported_at_once(check: Check) -> None:
    def faulty(cpu: str = "1") -> None:
        with dsl.ParallelFor(["a"]) as item:
            use_text(text=item.name).set_cpu_limit(cpu).set_container_image("steps")

    assert len(check(faulty)) == 3


def test_our_pipeline_has_no_fault(tmp_path: Path) -> None:
    from pipelines.ablation_pipeline import ablation_pipeline

    compiler.Compiler().compile(ablation_pipeline, str(tmp_path / "pipeline.yaml"))
    assert lint(tmp_path / "pipeline.yaml") == []


@pytest.mark.parametrize("text", [None, "", "- a", "study: x", "a: [", b"\xff"])
def test_a_file_that_is_not_a_package_is_refused(tmp_path: Path, text: str | bytes | None) -> None:
    path = tmp_path / "pipeline.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match="write one: ablate compile"):
        lint(path)
