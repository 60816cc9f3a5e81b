"""The reason why a step failed, as a file that other processes read instead of searching the log for it.

The environment variable ABLATE_PROBLEMS names the folder of these files. Without it a step reports only on stderr, as it
does in a cluster, where the log of the pod is the place to look.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from common.errors import UserError
from common.files import atomic_write
from common.redact import redact

PROBLEMS_FOLDER = "ABLATE_PROBLEMS"
Kind = Literal["bad_input", "too_many_failed", "crash"]


class TooManyFailed(RuntimeError):
    """More trials failed than the plan allows. The study counts as failed; its report is complete."""


@dataclass(frozen=True)
class Problem:
    """The reason why one step ended early.

    `step` is the name of the step in Kubeflow, e.g. `train-trial`. `kind` is `bad_input` if the user can correct it,
    `too_many_failed` if the plan's limit on failed trials is exceeded, and `crash` for everything else. `reason` is one
    line without passwords; of a crash, it starts with the type of the exception.
    """

    step: str
    kind: Kind
    reason: str

    def write(self, folder: Path) -> Path:
        """Write `<step>-<process id>.json` into `folder`, which is created if it is missing. Return the file's path."""
        folder.mkdir(parents=True, exist_ok=True)
        return atomic_write(folder / f"{self.step}-{os.getpid()}.json", json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Problem":
        """Read a file that `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def problems(folder: Path) -> list[Problem]:
    """Read all problems in a folder, the oldest first. A missing folder has none."""
    files = sorted(folder.glob("[!.]*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [Problem.read(path) for path in files]


@contextlib.contextmanager
def reporting(step: str) -> Iterator[None]:
    """Report an exception of the block as the problem of `step`.

    UserError and TooManyFailed print `error: <sentence>` on stderr and end the process with exit code 1, without a
    traceback. Any other exception is raised again. SIGTERM, which raises SystemExit, is not a problem of the step.
    """
    try:
        yield
    except UserError as error:
        _end(Problem(step, "bad_input", _line(error)))
    except TooManyFailed as error:
        _end(Problem(step, "too_many_failed", _line(error)))
    except Exception as error:
        text = _line(error)
        _record(Problem(step, "crash", f"{type(error).__name__}: {text}" if text else type(error).__name__))
        raise


def _end(problem: Problem) -> None:
    _record(problem)
    print(f"error: {problem.reason}", file=sys.stderr)
    raise SystemExit(1) from None


def _record(problem: Problem) -> None:
    """Write the file where one is asked for. A disk that is full must not hide the reason, which stderr shows as well."""
    if folder := os.environ.get(PROBLEMS_FOLDER):
        with contextlib.suppress(OSError):
            problem.write(Path(folder))


def _line(error: Exception) -> str:
    return " ".join(redact(str(error)).split())
