"""The reason why a step failed, as a file that other processes read instead of searching the log for it.

The environment variable ABLATE_PROBLEMS names the folder of these files. Without it a step reports only on stderr, as it
does in a cluster, where the log of the pod is the place to look. There, the sentence is the last line that the step writes;
only Kubeflow's launcher writes after it.
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NoReturn

from common import disk
from common.errors import Unavailable, UserError
from common.files import atomic_write
from common.own_store import use_own_store
from common.redact import redact
from common.user_environment import ensure_user_environment

PROBLEMS_FOLDER = "ABLATE_PROBLEMS"
Kind = Literal["bad_input", "unavailable", "too_many_failed", "crash"]


class TooManyFailed(RuntimeError):
    """More trials failed than the plan allows. The study counts as failed; its report is complete."""


@dataclass(frozen=True)
class Problem:
    """The reason why one step ended early.

    `step` is the name of the step in Kubeflow, e.g. `train-trials`. `kind` is `bad_input` if the user can correct it,
    `unavailable` if a server did not answer, so that the same command can succeed later, `too_many_failed` if the plan's limit on
    failed trials is exceeded, and `crash` for everything else. `reason` is one line without passwords; of a crash, it starts with
    the type of the exception.
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
    """Prepare the environment of `step`, and report an exception of the block as its problem: the process ends with exit code 1.

    The last line on stderr is `error: <sentence>`. UserError and TooManyFailed print nothing else. Any other exception prints its
    traceback first, from the block on: the frames of Kubeflow's executor say nothing about the cause. No line has a password.
    SIGTERM, which raises SystemExit, is not a problem of the step.
    """
    try:
        ensure_user_environment()
        use_own_store()
        yield
    except UserError as error:
        _end(Problem(step, _kind(error), _line(error)))
    except TooManyFailed as error:
        _end(Problem(step, "too_many_failed", _line(error)))
    except Exception as error:
        if found := disk.refusal(error):
            _end(Problem(step, "crash", _line(found)))
        text, kind = _line(error), type(error).__name__
        problem = Problem(step, "crash", f"{kind}: {text}" if text else kind)
        _end(problem, redact("".join(traceback.format_exception(error))))


def _kind(error: UserError) -> Kind:
    if isinstance(error, Unavailable):
        return "unavailable"
    return "bad_input" if error.exit_code == UserError.exit_code else "crash"


def _end(problem: Problem, details: str = "") -> NoReturn:
    """Write the problem down and exit. What was printed before is flushed, as it would appear after the sentence otherwise."""
    _record(problem)
    sentence = (
        f"the step {problem.step} failed with {problem.reason}; see the traceback above" if details else problem.reason
    )
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    print(f"{details}error: {sentence}", file=sys.stderr, flush=True)
    raise SystemExit(1) from None


def _record(problem: Problem) -> None:
    """Write the file where one is asked for. A disk that is full must not hide the reason, which stderr shows as well."""
    if folder := os.environ.get(PROBLEMS_FOLDER):
        with contextlib.suppress(OSError):
            problem.write(Path(folder))


def _line(error: Exception) -> str:
    return " ".join(redact(str(error)).split())
