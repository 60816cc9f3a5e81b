"""The GPUs of this machine that its processes may use, as `nvidia-smi` lists them and CUDA_VISIBLE_DEVICES allows.

torch is not asked: a process that asks it holds memory of a GPU until it ends, and the import takes seconds.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VISIBLE = "CUDA_VISIBLE_DEVICES"
QUERY = ("--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits")
LONGEST_S = 20.0  # a driver that has to load first takes seconds
MIB = 2**20


@dataclass(frozen=True)
class Card:
    """A GPU by the name that CUDA_VISIBLE_DEVICES takes, and its memory in bytes; None if it is not known."""

    name: str
    memory: int | None = None


def visible_cards(environment: Mapping[str, str] = os.environ) -> tuple[Card, ...]:
    """Return the cards that a process with this environment may use; () without a GPU or without its driver."""
    found = _listed()
    chosen = environment.get(VISIBLE)
    return tuple(found) if chosen is None or not found else _allowed(chosen, found)


def _listed() -> Sequence[Card]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        said = subprocess.run(
            [program, *QUERY], capture_output=True, text=True, timeout=LONGEST_S, check=True, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.SubprocessError):  # the driver is broken or gone, so CUDA finds nothing either
        return ()
    return [_card(*line.split(",", 1)) for line in said.splitlines() if line.startswith("GPU-") and "," in line]


def _card(name: str, memory: str) -> Card:
    mib = memory.strip()
    return Card(name.strip(), int(mib) * MIB if mib.isdecimal() else None)


def _allowed(chosen: str, found: Sequence[Card]) -> tuple[Card, ...]:
    """Return the chosen cards under the given names. As in CUDA, the first name that is not valid ends the list.

    CUDA numbers cards in an order of its own, so a number has the smallest memory that any card has.
    """
    least = min((card.memory for card in found if card.memory is not None), default=None)
    allowed: dict[str, Card] = {}
    for name in (each.strip() for each in chosen.split(",")):
        if name.isdecimal() and int(name) < len(found):
            allowed[name] = Card(name, least)
        elif name.startswith("GPU-") and (same := [card for card in found if card.name.startswith(name)]):
            allowed[name] = Card(name, same[0].memory)
        elif name.startswith("MIG-"):
            allowed[name] = Card(name)
        else:
            break
    return tuple(allowed.values())
