"""The inputs that a version of the pipeline on a server declares, and the check of arguments against them."""

from collections.abc import Mapping
from typing import Any

from common.errors import UserError

TYPES: Mapping[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def check_inputs(declared: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any], where: str) -> None:
    """Check that every argument is an input, that its type and its value are allowed, and that no input is missing.

    Raises UserError. `where` names the version. A server makes these checks for a run, but not for a schedule.
    """
    remedy = "start the command again with the version of `ablate` that uploaded it, or with another --image"
    if unknown := sorted(set(arguments) - set(declared)):
        raise UserError(f"{where} has no input {', '.join(unknown)}; {remedy}")
    missing = [name for name, about in declared.items() if not about.get("isOptional") and name not in arguments]
    if missing:
        raise UserError(f"{where} needs the input {', '.join(missing)}; {remedy}")
    for name, value in arguments.items():
        _check(name, value, declared[name], where)


def _check(name: str, value: Any, about: Mapping[str, Any], where: str) -> None:
    kind = about.get("parameterType", "")
    wrong = isinstance(value, bool) and kind != "BOOLEAN"
    if wrong or not isinstance(value, TYPES.get(kind, (object,))):
        raise UserError(f"the input {name} of {where} is of type {kind}, and the value is {value!r}; correct it")
    if (allowed := about.get("literals")) and value not in allowed:
        raise UserError(f"the input {name} of {where} is one of {', '.join(map(str, allowed))}; got {value!r}")
