"""Rules of the lint: each finds a faulty pipeline that kfp's own compiler accepts, and our package has no fault.

Some faults have no test because kfp 2.17's compiler refuses them: a loop over fixed items with the key `name`, an accelerator
or cpu from an upstream step outside of the loop, `ignore_upstream_failure` on a step that takes the outputs of a loop.
"""

from pathlib import Path

import pytest
import yaml
from kfp import compiler, dsl
from lint_cases import Check, assert_one, make_data, make_list, make_number, use_data, use_text

from common.errors import UserError
from pipelines.package.lint import lint

GPU = "nvidia.com/gpu"


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


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("steps", ["'steps'", "git revision"]),
        ("registry:5000/steps", ["'registry:5000/steps'", "git revision"]),
        ("steps:latest", ["can change while the nodes"]),
        ("registry/Steps:1", ["lower case"]),
        ("steps:1 2", ["is not;"]),
    ],
)
def test_an_image_that_does_not_identify_its_code_is_found(check: Check, image: str, words: list[str]) -> None:
    def faulty() -> None:
        use_text(text="a").set_container_image(image)
        use_text(text="b").set_container_image(image)

    assert_one(check(faulty), "use-text, use-text-2", *words)


def test_of_many_steps_with_the_same_image_three_are_named(check: Check) -> None:
    def faulty() -> None:
        for text in "abcde":
            use_text(text=text).set_container_image("steps")

    assert_one(check(faulty), "'steps' of use-text, use-text-2, use-text-3 and 2 more steps can change")


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
