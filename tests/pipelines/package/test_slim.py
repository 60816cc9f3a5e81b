"""The package without the texts that no pod needs: the code stays the same, and so do the descriptions of the form."""

import ast
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.package.compile import compile_package
from pipelines.package.slim import without_docstrings


def code_of(source: str) -> str:
    """The syntax tree of a source, without its docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None and len(node.body) > 1:
            node.body = node.body[1:]
    return ast.dump(tree)


@pytest.mark.parametrize(
    "source",
    [
        'def step(a):\n    """One line."""\n    return a\n',
        'def step(a):\n    """Several\n\n    lines."""\n\n    text = """no\n\ndocstring"""\n    return text + a\n',
        'def step(a):\n    r"""Raw."""\n    def inner():\n        "Inner."\n        return 1\n    return inner\n',
        "def step(a):\n    return a\n",
        'def step(a):\n    """The only statement."""\n',
    ],
)
def test_only_docstrings_go(source: str) -> None:
    slim = without_docstrings(source)
    assert ast.dump(ast.parse(slim)) == code_of(source)
    assert without_docstrings(slim) == slim


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\\"\r\x0c\x00'), max_size=60))
def test_any_docstring_can_go(text: str) -> None:
    source = f'def step():\n    """{text}"""\n    return 1\n'
    assert "return 1" in without_docstrings(source)
    ast.parse(without_docstrings(source))


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = compile_package(tmp_path_factory.mktemp("slim") / "pipeline.yaml", "steps:1")
    return next(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_every_step_keeps_its_code(spec: Any) -> None:
    from pipelines.ablation_pipeline import ablation_pipeline

    whole = dict(ablation_pipeline.pipeline_spec.deployment_spec)["executors"]
    for name, executor in spec["deploymentSpec"]["executors"].items():
        before = str(whole[name]["container"]["command"][3])
        after = executor["container"]["command"][3]
        assert code_of(after) == code_of(before), name
        assert len(after) < len(before)


def test_the_form_keeps_its_descriptions(spec: Any) -> None:
    inputs = spec["root"]["inputDefinitions"]["parameters"]
    assert all(entry["description"] for entry in inputs.values())
    described = [name for name, component in spec["components"].items() if "description:" in yaml.safe_dump(component)]
    assert described == []


def test_a_docstring_in_the_middle_of_a_step_stays() -> None:
    source = textwrap.dedent('''
        def step():
            """Goes."""
            query = """
                stays
            """
            return query
    ''')
    assert "stays" in without_docstrings(source)
    assert "Goes" not in without_docstrings(source)


def test_the_file_is_read_by_kubeflow(tmp_path: Path) -> None:
    from kfp import components

    path = compile_package(tmp_path / "pipeline.yaml", "steps:1")
    assert components.load_component_from_file(str(path)).pipeline_spec.components
