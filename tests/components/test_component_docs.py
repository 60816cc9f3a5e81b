"""Every component says in its docstring what it reads, writes and returns, and Kubeflow gets these texts."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import docstring_parser
import pytest
from google.protobuf import json_format

from pipelines.ablation_pipeline import ablation_pipeline

ROOT = Path(__file__).parents[2]
COMPONENTS = [
    getattr(import_module(f"components.{path.stem}"), path.stem)
    for path in sorted((ROOT / "components").glob("[a-z]*.py"))
]
EACH = pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.python_func.__name__)


@EACH
def test_the_docstring_names_every_parameter(component: Any) -> None:
    function = component.python_func
    described = docstring_parser.parse(inspect.getdoc(function) or "")
    assert [param.arg_name for param in described.params] == list(inspect.signature(function).parameters)
    assert all(len(str(param.description)) > 15 for param in described.params)
    assert described.returns is not None
    assert described.returns.description
    assert "MLflow:" in (described.long_description or "")


@EACH
def test_outputs_are_marked_in_the_docstring(component: Any) -> None:
    described = {param.arg_name: str(param.description) for param in _params(component)}
    outputs = set(component.component_spec.outputs or {}) - {"Output"}
    assert {name for name, text in described.items() if text.startswith("Output. ")} == outputs


@EACH
def test_the_specification_carries_the_descriptions(component: Any) -> None:
    spec = component.component_spec
    assert spec.description
    compiled = json_format.MessageToDict(ablation_pipeline.pipeline_spec)["components"]
    given = compiled[f"comp-{component.name}"]["inputDefinitions"]
    entries = {**given.get("parameters", {}), **given.get("artifacts", {})}
    assert set(entries) == set(spec.inputs)
    assert [name for name, entry in entries.items() if not entry.get("description")] == []


def _params(component: Any) -> list[docstring_parser.DocstringParam]:
    return docstring_parser.parse(inspect.getdoc(component.python_func) or "").params
