"""The deaths of steps: each is written down, and a step that was killed runs once more.

A kill says nothing about the step: memory may have run out, or a person has chosen the wrong process. Every step can be repeated,
since what it stores is found again. A step that is killed twice costs its own trials, and the study ends with a report on the rest.
"""

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from common.files import atomic_write
from components.shared.outcome import AGAIN
from pipelines.local.step import place_of

FOLDER = "deaths"  # in the scratch folder
KILLS = (signal.SIGKILL, signal.SIGTERM)


@dataclass(frozen=True)
class Death:
    """The end of a step by a signal. `place` is the folder of the step, below the scratch folder; `last` means no further try."""

    step: str
    place: str
    signal: str
    last: bool

    def sentence(self) -> str:
        """Return what happened, as a line for the display."""
        happened = f"step {self.step} was killed ({self.signal})"
        return f"{happened} for the second time" if self.last else f"{happened}; it runs again"

    def write(self, root: Path) -> None:
        """Write the record into the scratch folder `root`."""
        (root / FOLDER).mkdir(exist_ok=True)
        number = len(list((root / FOLDER).iterdir()))
        atomic_write(root / FOLDER / f"{number:04}-{self.step}.json", json.dumps(asdict(self)))


def deaths(root: Path) -> list[Death]:
    """Read the records in the scratch folder `root`, the oldest first."""
    return [Death(**json.loads(path.read_text())) for path in sorted((root / FOLDER).glob("[0-9]*.json"))]


def surviving_kills(
    run: Callable[[Mapping[str, str]], int], command: Sequence[str], root: Path, ending: Callable[[], bool]
) -> int:
    """Run a step, and once more if a signal has killed it. Return its exit code.

    `run` gets variables for the environment of the step. `command` is the command of the step, and `ending` says whether the whole
    pipeline is being ended, which is no death.
    """
    code = run({})
    for last in (False, True):
        name = killed_by(code)
        if name is None or ending():
            return code
        place = place_of(command, root)
        death = Death(place.name, str(place), name, last)
        death.write(root)
        print(death.sentence(), flush=True)
        if not last:
            code = run({AGAIN: "1"})
    return code


def killed_by(code: int) -> str | None:
    """Return the name of the signal behind an exit code; None for any other end. Shells and our own steps add 128."""
    number = -code if code < 0 else code - 128
    return signal.Signals(number).name if number in KILLS else None
