"""The form for a run: its menus, and the description that says how to fill it in."""

import inspect
from pathlib import Path

from kfp import components

from pipelines.ablation_pipeline import ablation_pipeline
from pipelines.name import DESCRIPTION, INPUTS
from pipelines.package.compile import compile_package
from pipelines.package.form import add_menus, menus
from recipes.smile import CATALOGUE, PRESETS


def test_the_presets_are_a_menu_with_the_value_of_the_plan(tmp_path: Path) -> None:
    """Kubeflow's own loader reads the field. The default is in the list: the server would refuse an unchanged form otherwise."""
    package = compile_package(tmp_path / "pipeline.yaml", "steps:1")
    loaded = components.load_component_from_file(str(package)).pipeline_spec.root.input_definitions.parameters
    values = [value.string_value for value in loaded["preset"].literals]
    assert values == ["", *PRESETS] == list(menus()["preset"])
    assert loaded["preset"].default_value.string_value in values
    assert [name for name, given in loaded.items() if given.literals] == ["preset"]


def test_every_preset_of_the_menu_exists() -> None:
    for preset in filter(None, menus()["preset"]):
        assert CATALOGUE.resolve(preset)


def test_a_pipeline_without_the_input_gets_no_menu() -> None:
    spec = {"root": {"inputDefinitions": {"parameters": {"other": {}}}}}
    add_menus(spec)
    assert spec == {"root": {"inputDefinitions": {"parameters": {"other": {}}}}}


def test_the_description_names_every_input_once() -> None:
    signature = set(inspect.signature(ablation_pipeline.pipeline_func).parameters)
    assert signature == set(INPUTS)
    lines = [line.removeprefix("- ").partition(":")[0] for line in DESCRIPTION.splitlines() if line.startswith("- ")]
    assert lines == list(INPUTS)
    assert max(map(len, DESCRIPTION.splitlines())) <= 120


def test_the_description_reaches_the_page_of_the_pipeline(tmp_path: Path) -> None:
    package = compile_package(tmp_path / "pipeline.yaml", "steps:1")
    info = components.load_component_from_file(str(package)).pipeline_spec.pipeline_info
    assert info.description == DESCRIPTION
