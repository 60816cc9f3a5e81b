"""The house keeps its layers: who may import whom, and that every package that is asked for is used."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The arrows of the architecture: each package and what it may import, besides itself.
MAY_IMPORT = {
    "common": set(),
    "ablation": {"common"},
    "corpora": {"common"},
    "model": {"common"},
    "tracking": {"common"},
    "training": {"model", "corpora", "common"},
    "recipes": {"training", "model", "corpora", "ablation", "common"},
    "ablate": {"recipes", "ablation", "common"},
    "components": {"recipes", "tracking", "ablation", "corpora", "common"},
    "pipelines": {"components", "recipes", "tracking", "ablation", "corpora", "common"},
    "cli": {"pipelines", "components", "recipes", "tracking", "ablation", "corpora", "common"},
}
# A foreign package -> the only ones of ours that may import it.
ONLY = {
    "mlflow": {"tracking"},
    "kfp": {"components", "pipelines"},
    "kfp_server_api": {"pipelines"},
    "docker": {"pipelines"},
    "torch": {"model", "training"},
    "torchaudio": {"model", "training"},
    "boto3": {"corpora"},
    "botocore": {"corpora"},
    "s3transfer": {"corpora"},
}
# Runs in the environment that `make mouth` builds, with nothing of ours but the standard library around it.
OTHER_ENVIRONMENT = {"mediapipe", "cv2"}
NOT_IMPORTED = {
    "rapidfuzz": "aligns under jiwer; pinned because it decides between equally good alignments",
    "protobuf": "kfp's, pinned to a version that it can read",
}
COME_ALONG = {
    "botocore": "boto3's errors and settings",
    "s3transfer": "boto3's transfers, whose errors it hands on",
    "requests": "MLflow's connections, for a question that its client would repeat for minutes",
    "sqlalchemy": "the same of its databases",
    "alembic": "the same of the revisions of its databases",
    "markupsafe": "Jinja2's own type for text that is escaped already",
    "urllib3": "kfp-server-api's connections, whose errors it hands on",
}


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports, inside functions too: `model.config.CATALOGUE`; of relative ones, our own."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(root: Path) -> dict[str, Path]:
    """Module name -> file, for all our modules."""
    files = [path for package in MAY_IMPORT for path in sorted((root / package).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def prefixes(name: str, known: Mapping[str, Path]) -> list[str]:
    """The modules of ours in a dotted name, the outermost package first."""
    parts = name.split(".")
    return [each for end in range(1, len(parts) + 1) if (each := ".".join(parts[:end])) in known]


def cycles(root: Path) -> list[set[str]]:
    """Groups of modules that import each other, inside functions too.

    An import runs the packages around its target as well. Those that are also around the importing module run before it.
    A module that imports itself, as a step of the pipeline does to run in a container, is not a cycle.
    """
    known, graph = modules(root), dict[str, set[str]]()
    for module, path in known.items():
        targets = [found for name in imports(path) if (found := prefixes(name, known))]
        around = set(prefixes(module, known))
        graph[module] = {found[-1] for found in targets} | {each for found in targets for each in found} - around
    reached = {module: reachable(module, graph) for module in graph}
    groups = [{other for other in reached[module] if module in reached[other]} for module in graph]
    return [group for place, group in enumerate(groups) if len(group) > 1 and group not in groups[:place]]


def reachable(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    """All modules that a module imports, directly or through others."""
    found, waiting = set[str](), [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def fault(package: str, name: str) -> str | None:
    top = name.partition(".")[0]
    if top in MAY_IMPORT and top not in {package, *MAY_IMPORT[package]}:
        return f"imports {name}; {package} may import {', '.join(sorted(MAY_IMPORT[package]))}"
    if package not in ONLY.get(top, {package}):
        return f"imports {name}, which only {', '.join(sorted(ONLY[top]))} may"
    return None


def violations(root: Path) -> list[str]:
    """Every import that crosses a border, by file."""
    found = []
    for package in MAY_IMPORT:
        for path in sorted((root / package).rglob("*.py")):
            faults = (fault(package, name) for name in imports(path))
            found += [f"{path.relative_to(root)} {text}" for text in faults if text]
    return found


def foreign(root: Path) -> set[str]:
    """Top names of all packages that are imported and are neither ours nor Python's."""
    files = [path for package in MAY_IMPORT for path in (root / package).rglob("*.py")]
    tops = {name.partition(".")[0] for path in files for name in imports(path)}
    return tops - set(MAY_IMPORT) - set(sys.stdlib_module_names) - OTHER_ENVIRONMENT


def required(root: Path) -> list[str]:
    """The names in requirements.txt, as they stand there."""
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [found.group() for line in lines if (found := re.match(r"[A-Za-z0-9._-]+", line))]


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


@cache
def distributions() -> dict[str, set[str]]:
    """Import name -> the packages that bring it."""
    return {top: {normal(name) for name in names} for top, names in packages_distributions().items()}


def test_nobody_imports_across_a_border() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("ablation", "import torch"),
        ("ablation", "from model.config import CATALOGUE"),
        ("common", "from ablation.results import Study"),
        ("cli", "from training.loop import train_trial"),
        ("recipes", "from components.shared.train_one import train"),
        ("ablation", "def f():\n    import mlflow.entities"),
        ("ablation.report", "from kfp import dsl"),
        ("corpora", "from torch import Tensor"),
        ("corpora", "from ablation.plan.plan import Plan"),
        ("model", "from corpora.schema import FPS"),
        ("training", "from tracking.store import client"),
        ("training", "import boto3"),
        ("tracking", "import components.shared.trial"),
        ("components", "import mlflow"),
        ("components", "from model.smile import Smile"),
        ("components", "from pipelines import places"),
        ("pipelines", "import model"),
    ],
)
def test_a_violation_is_found(tmp_path: Path, package: str, line: str) -> None:
    file = tmp_path / package.replace(".", "/") / "bad.py"
    file.parent.mkdir(parents=True)
    file.write_text(line)
    assert len(violations(tmp_path)) == 1
    assert violations(tmp_path)[0].startswith(str(file.relative_to(tmp_path)))


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("model", "from common.errors import UserError\nimport torch"),
        ("corpora", "from common.hints import did_you_mean\nfrom corpora.readers import grid"),
        ("components", "from recipes.smile import CATALOGUE\nfrom tracking.studies import end_run"),
        ("pipelines", "from . import places\nfrom .places import STUDIES"),
    ],
)
def test_what_is_allowed_is_no_violation(tmp_path: Path, package: str, line: str) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "good.py").write_text(line)
    assert violations(tmp_path) == []


def test_no_modules_import_each_other() -> None:
    assert cycles(ROOT) == []


@pytest.mark.parametrize(
    ("files", "group"),
    [
        ({"a": "from ablation.b import f", "b": "import ablation.a"}, {"ablation.a", "ablation.b"}),
        ({"a": "from ablation import b", "b": "def f():\n    from ablation.a import g"}, {"ablation.a", "ablation.b"}),
        ({"r/__init__": "from ablation.r.a import f", "r/a": "import ablation.b", "b": "from ablation.r import a"},
         {"ablation.r", "ablation.r.a", "ablation.b"}),
        ({"r/__init__": "from ablation.r.a import f", "r/a": "from ablation.r import g"}, {"ablation.r", "ablation.r.a"}),
    ],
    ids=["two modules", "inside a function", "through a package", "a package and its module"],
)  # fmt: skip
def test_an_import_cycle_is_found(tmp_path: Path, files: dict[str, str], group: set[str]) -> None:
    for name, text in files.items():
        path = tmp_path / "ablation" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert cycles(tmp_path) == [group]


def missing(root: Path) -> list[str]:
    """Every import of ours that names no module, by file. mypy is told to ignore those."""
    found = []
    for path in (path for package in MAY_IMPORT for path in sorted((root / package).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in (name for name in names if name.partition(".")[0] in MAY_IMPORT):
                place = root.joinpath(*name.split("."))
                if not place.is_dir() and not place.with_suffix(".py").is_file():
                    found.append(f"{path.relative_to(root)} imports {name}, which does not exist")
    return found


def test_every_import_of_ours_exists(tmp_path: Path) -> None:
    assert missing(ROOT) == []
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bad.py").write_text("from model.gone import x")
    assert missing(tmp_path) == ["model/bad.py imports model.gone, which does not exist"]


# Files outside of recipes that may name parts of a model: readers of plans, with examples in their texts, and old folders.
NAME_PARTS = {
    "ablation/plan/shorthands.py": "examples in its texts",
    "ablation/plan/ablations.py": "examples in its texts",
    "ablation/plan/naming.py": "examples in its texts",
    "ablation/plan/readings.py": "examples in its texts",
    "ablation/report/wording.py": "examples in its texts",
    "ablation/report/verdict_wording.py": "examples in its texts",
    "ablation/report/figures/earlier_curves.py": "study folders of versions without recipes",
    "pipelines/ablation_pipeline.py": "an example in the help of the form",
}
OF_SMILE = re.compile(
    r"fusion[./]|omega_|\bsiamese\b|[\"'`]masking[\"'`]|mask/|\bfrontend\.|\bencoder\.|\bdecoder\.(?!exceptions)"
)


def test_no_part_of_smile_is_named_outside_of_its_recipe() -> None:
    found = {}
    for package in ("components", "tracking", "ablation", "pipelines", "cli"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith("ablation/plan/markdown/") and (match := OF_SMILE.search(path.read_text("utf-8"))):
                found[name] = match.group()
    assert {name: word for name, word in found.items() if name not in NAME_PARTS} == {}


def test_smile_is_reached_through_the_registry_only() -> None:
    """All but the registry, the tests and the generators of documents."""
    outside = [path for package in MAY_IMPORT if package != "recipes" for path in (ROOT / package).rglob("*.py")]
    assert [path for path in outside if any(name.startswith("recipes.smile") for name in imports(path))] == []


def test_tests_and_images_are_no_packages() -> None:
    assert [path for folder in ("tests", "docker") for path in (ROOT / folder).rglob("__init__.py")] == []


def test_every_package_is_listed_for_the_build() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f'"{package}*"' in text for package in MAY_IMPORT)


def test_every_requirement_is_imported_or_has_a_reason() -> None:
    used = {name for top in foreign(ROOT) for name in distributions().get(top, ())}
    idle = {name for name in required(ROOT) if normal(name) not in used}
    assert idle == set(NOT_IMPORTED)


def test_everything_imported_is_required() -> None:
    asked = {normal(name) for name in required(ROOT)}
    imported = foreign(ROOT) - set(COME_ALONG)
    assert [top for top in sorted(imported) if not asked & distributions().get(top, set())] == []


def test_requirements_are_pinned() -> None:
    for file in ("requirements.txt", "requirements-dev.txt", "requirements-mouth.txt"):
        lines = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        assert [line for line in lines if not re.match(r"[\w.-]+(\[[\w,]+\])?==[\w.]+(\s|$)", line)] == [], file
