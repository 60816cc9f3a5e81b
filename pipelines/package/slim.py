"""Removes from a compiled package what every pod would carry and no pod needs: docstrings, and descriptions of a step's inputs.

A server stores the command and the component of a step with each of its pods, in one object of at most 1 MiB for the whole run.
Without these texts a study has room for a quarter more turns of the loop. The inputs of the run keep their descriptions.
"""

import ast
from typing import Any

SOURCE = "import kfp"  # the generated start of a lightweight component's source


def slim(spec: dict[str, Any]) -> None:
    """Remove the texts from a compiled pipeline, in place."""
    for component in spec["components"].values():
        for definitions in (component.get("inputDefinitions", {}), component.get("outputDefinitions", {})):
            for entry in (*definitions.get("parameters", {}).values(), *definitions.get("artifacts", {}).values()):
                entry.pop("description", None)
    for executor in spec["deploymentSpec"]["executors"].values():
        container = executor.get("container", {})
        if "command" in container:
            container["command"] = [_slim_text(text) for text in container["command"]]


def _slim_text(text: str) -> str:
    return without_docstrings(text) if text.lstrip().startswith(SOURCE) else text


def without_docstrings(source: str) -> str:
    """Return Python source without the docstrings of its functions. A function that has nothing else keeps its docstring."""
    lines: list[str | None] = [*source.split("\n")]  # not splitlines, which also breaks lines where Python does not
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None and len(node.body) > 1:
            text = node.body[0]
            for number in range(text.lineno - 1, text.end_lineno or text.lineno):
                lines[number] = None
    return "\n".join(line for line in lines if line is not None)
