"""The body of a component runs alone: KFP ships its text, and nothing of the module around it."""

import ast
import builtins
from pathlib import Path

import pytest

COMPONENTS = sorted(path for path in (Path(__file__).parents[2] / "components").glob("*.py") if path.stem != "__init__")


def missing(source: str) -> set[str]:
    """Names that the body of a component uses and does not define."""
    [function] = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(one) == "component" for one in node.decorator_list)
    ]
    names = [node for part in function.body for node in ast.walk(part) if isinstance(node, ast.Name)]
    imported = [alias for part in function.body for node in ast.walk(part) for alias in getattr(node, "names", ())]
    known = {argument.arg for argument in function.args.args} | set(dir(builtins))
    known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    known |= {(alias.asname or alias.name).partition(".")[0] for alias in imported}
    return {node.id for node in names} - known


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_a_component_imports_what_it_uses(path: Path) -> None:
    assert missing(path.read_text(encoding="utf-8")) == set()


def test_a_missing_import_is_found() -> None:
    body = "def helper(): ...\n@component\ndef step(a: int) -> None:\n    import b.c as d\n    e = d(a)\n    helper(len(e))\n"
    assert missing(body) == {"helper"}
