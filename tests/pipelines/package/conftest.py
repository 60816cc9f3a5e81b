"""A fixture that compiles and lints a pipeline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl
from lint_cases import Check

from pipelines.package.lint import lint


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Compile a pipeline with kfp's compiler and lint the file."""

    def compiled(function: Callable[..., Any]) -> list[str]:
        compiler.Compiler().compile(dsl.pipeline(function), str(tmp_path / "pipeline.yaml"))
        return lint(tmp_path / "pipeline.yaml")

    return compiled
