"""Fixtures for the command line: arguments in; exit code, standard output and standard error out."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml


@dataclass
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def ablate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run the entry point of the command line in this process, which is quick."""

    def call(*arguments: object) -> Answer:
        from cli.main import main

        monkeypatch.setattr(sys, "argv", ["ablate", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def plan_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a small plan as YAML, with some keys changed."""

    def write(**changes: Any) -> Path:
        plan = {
            "study": "demo",
            "ablations": [{"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}}}],
        }
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump(plan | changes), encoding="utf-8")
        return path

    return write


@pytest.fixture
def empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set up an empty home directory and an environment without servers and credentials. Return the home directory."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(home))
    for name in ("ENDPOINT", "UI_ENDPOINT", "TOKEN", "COOKIES"):
        monkeypatch.delenv(f"KF_PIPELINES_{name}", raising=False)
    for name in ("MLFLOW_TRACKING_URI", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(home / "no-volume"))
    return home
