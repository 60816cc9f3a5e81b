"""The emulator's object store: artifacts exist as objects, and nothing else passes from step to step."""

from pathlib import Path

import pytest
from emulator.backend import Backend
from emulator.values import doubles, dumps
from kfp import dsl
from small_pipelines import compiled, handed, opened


def test_a_folder_arrives_with_its_files(backend: Backend, tmp_path: Path) -> None:
    run = backend.run(
        handed(tmp_path),
        {"make": 'mkdir -p "$out"/sub "$out"/empty; printf abc > "$out"/sub/x; printf y > "$out"/y',
         "read": 'grep abc "$in"/sub/x; grep y "$in"/y; ! ls "$in"/empty'},
    )  # fmt: skip
    assert run.state == "SUCCEEDED", run.told()
    assert (run.bytes("uploaded")["worked.made"], run.bytes("downloaded")["checked.made"]) == (4, 4)


def test_an_empty_folder_is_lost(backend: Backend, tmp_path: Path) -> None:
    run = backend.run(handed(tmp_path), {"make": 'mkdir -p "$out"', "read": 'ls "$in"'})
    assert [step.state for step in run.steps] == ["succeeded", "failed"]
    assert "No such file or directory" in run.step("checked").log


def test_an_output_that_is_not_written_is_no_error(backend: Backend, tmp_path: Path) -> None:
    run = backend.run(handed(tmp_path), {"make": "true", "read": '! ls "$in"'})
    assert run.state == "SUCCEEDED", run.told()


def test_a_missing_output_parameter_is_an_error(backend: Backend, tmp_path: Path) -> None:
    @dsl.container_component
    def silent(told: dsl.OutputPath(str)):  # type: ignore[valid-type]
        return dsl.ContainerSpec(image="registry/ablate-python:0123456789ab", command=["true"], args=[told])

    @dsl.pipeline(name="silent")
    def pipeline() -> None:
        silent()

    run = backend.run(compiled(pipeline, tmp_path))
    assert (run.state, run.step("silent").code) == ("FAILED", 1)
    assert "failed to read output parameter" in run.step("silent").reason


def test_a_link_to_a_volume_is_stored_as_what_it_means(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "data").mkdir(parents=True)
    (volume / "data" / "x").write_text("12345")
    backend = Backend(tmp_path / "backend", volumes={"/volume": volume})
    run = backend.run(handed(tmp_path), {"make": 'ln -s /volume/data "$out"', "read": 'grep 5 "$in"/x'})
    assert run.state == "SUCCEEDED", run.told()
    assert run.bytes("uploaded")["worked.made"] == 5


def test_a_cached_step_hands_on_its_old_address(backend: Backend, tmp_path: Path) -> None:
    package, arguments = handed(tmp_path), {"make": 'echo a > "$out"', "read": 'grep a "$in"'}
    first, second = backend.run(package, arguments), backend.run(package, arguments)
    assert [step.state for step in second.steps] == ["cached", "cached"]
    assert second.step_pods == 0
    uri = first.step("worked").artifacts["made"].uri
    assert backend.objects.delete(uri) == 1
    third = backend.run(package, arguments | {"read": 'grep a "$in" || exit 1'})
    assert [step.state for step in third.steps] == [
        "cached",
        "failed",
    ]  # the server does not look whether objects exist


def test_numbers_are_doubles(backend: Backend, tmp_path: Path) -> None:
    @dsl.pipeline(name="number")
    def pipeline(n: int) -> None:
        opened(n=n, run="x")

    run = backend.run(compiled(pipeline, tmp_path), {"n": 2**53 + 1})
    assert run.step("opened").parameters == {"told": f"x:{2**53}"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (0.003, "0.003"),
        (1e20, "100000000000000000000"),
        (True, "true"),
        ([1, {"a": None}], '[1,{"a":null}]'),
        ("ä", '"ä"'),
    ],
)
def test_values_are_written_as_the_server_writes_them(value: object, text: str) -> None:
    assert dumps(doubles(value)) == text
