"""Recipes by name, and which of them may run.

A plan names its recipe: one that is built in, an entry point of the group `ablate.recipes`, a Python object as
`package.module:OBJECT`, or the path of a recipe file. Names of installed recipes always work. An object or a file runs code that
nobody may have installed, so it must be trusted: the command line trusts what a plan on this machine names, and an image lists
what it trusts in ABLATE_TRUSTED_RECIPES, or keeps recipe files in the folder ABLATE_RECIPES_FOLDER. So a plan that comes from a
form or an address cannot name code.
"""

import importlib
import os
import re
import sys
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.hints import did_you_mean
from recipes.base import Recipe

GROUP = "ablate.recipes"
FOLDER, TRUSTED = "ABLATE_RECIPES_FOLDER", "ABLATE_TRUSTED_RECIPES"
FILES = (".yaml", ".yml")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
OBJECT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
ATTRIBUTES = ("name", "catalogue", "presets", "curves", "needs_video", "distributed", "preload")
METHODS = ("identity", "check", "train", "transcribe")
BUILT_IN = {"smile": "recipes.smile:SMILE"}


def find(name: str) -> Recipe:
    """Return the recipe of a name, a trusted object or a trusted file. Raises UserError."""
    if name in BUILT_IN:
        return _loaded(BUILT_IN[name], name)
    if name in (found := _installed()):
        return _loaded(found[name], name)
    if file := _in_folder(name):
        return _read(file)
    if not is_code(name):
        raise UserError(
            f"unknown recipe {name!r}{did_you_mean(name, known())}; a recipe is also a file, or package.module:OBJECT"
        )
    if name not in _trusted():
        raise UserError(
            f"a plan from a form or an address takes an installed recipe ({', '.join(known())}), got {name!r}: install "
            f"that recipe, or list it in {TRUSTED} of the image"
        )
    return _loaded(name, name) if OBJECT.fullmatch(name) else _read(Path(name))


def known() -> list[str]:
    """Return the names that need no trust: those built in, entry points, and files in the image's folder of recipes."""
    return list(dict.fromkeys([*BUILT_IN, *sorted(_installed()), *(file.stem for file in _folder_files())]))


def is_code(name: str) -> bool:
    """Return whether a name is a Python object or a file, which must be trusted."""
    return bool(OBJECT.fullmatch(name)) or is_file(name)


def is_file(name: str) -> bool:
    """Return whether a name is the path of a recipe file."""
    return Path(name).suffix.lower() in FILES and "://" not in name


def trusted(name: str, folder: Path) -> str:
    """Let this process and those that it starts use a recipe, and return its name, as `located` does. Raises UserError.

    Call this only for what the user of this machine named.
    """
    found = located(name, folder)
    if is_code(found) and found not in _trusted():
        os.environ[TRUSTED] = "\n".join([*_trusted(), found])
    return found


def located(name: str, folder: Path) -> str:
    """Return the name of a recipe; the path of a file as an absolute one, sought in `folder`, then in the working folder.

    Raises UserError if it is in neither.
    """
    if name in known() or not is_file(name):
        return name
    places = [folder / name, Path(name)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        where = " or ".join(dict.fromkeys(str(place.parent.resolve()) for place in places))
        raise UserError(f"a recipe file is read from the plan's folder or the working folder; {name} is not in {where}")
    return str(found.resolve())


def _trusted() -> list[str]:
    return [item.strip() for item in re.split(r"[\n;]", os.environ.get(TRUSTED, "")) if item.strip()]


def _installed() -> dict[str, str]:
    """Return the entry points: name -> object."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def _folder_files() -> list[Path]:
    folder = os.environ.get(FOLDER)
    files = sorted(Path(folder).iterdir()) if folder and Path(folder).is_dir() else []
    return [file for file in files if file.suffix.lower() in FILES and NAME.fullmatch(file.stem)]


def _in_folder(name: str) -> Path | None:
    return next((file for file in _folder_files() if file.stem == name), None)


def _read(file: Path) -> Recipe:
    """Return the recipe in a file. Raises UserError."""
    from recipes.command.recipe import read_recipe

    found: Recipe = read_recipe(file)
    return found


@lru_cache
def _loaded(place: str, name: str) -> Recipe:
    """Return the object `module:OBJECT`, called if it is a class. Raises UserError with the reason if it is not a recipe."""
    module, _, path = place.partition(":")
    _search_working_folder()
    try:
        found: Any = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
        found = found() if isinstance(found, type) else found
    except Exception as error:  # the module is the user's code
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(
            f"the recipe {name!r} cannot be imported ({reason}); correct it, or install its module"
        ) from error
    if missing := [each for each in (*ATTRIBUTES, *METHODS) if not hasattr(found, each)]:
        raise UserError(
            f"a recipe has {', '.join((*ATTRIBUTES, *METHODS))}; {name!r} lacks {', '.join(missing)}: add them, see "
            "docs/recipes-protocol.md"
        )
    if not found.presets:
        raise UserError(
            f"a recipe has at least one preset, and {name!r} has none; name the one of a plan that names none"
        )
    recipe: Recipe = found
    return recipe


def _search_working_folder() -> None:
    """Let modules of the working folder be imported, after all installed ones, now and when the recipe trains."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
