"""The steps of a CI job, run in order. Each ends with an outcome and its reasons, as values."""

import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from cli.exit_codes import BAD_INPUT, FAILED, GATE_FAILED, INTERRUPTED, SUCCESS
from common.errors import UserError
from common.parent_death import following
from common.redact import redact

T = TypeVar("T")

COMPILE, SMOKE, STUDY, GATE = STEPS = ("compile and lint", "smoke study", "study on the cluster", "gate")
SHOWN = 20  # lines of the output of a command that failed


class Outcome(Enum):
    """The end of a step: its words and its exit code."""

    PASSED = ("passed", SUCCESS)
    SUBMITTED = ("submitted", SUCCESS)
    NOT_FINISHED = ("not finished yet", SUCCESS)
    NOT_RUN = ("not run", SUCCESS)
    GATE_FAILED = ("gate failed", GATE_FAILED)
    BAD_INPUT = ("bad input", BAD_INPUT)
    FAILED = ("infrastructure failed", FAILED)
    INTERRUPTED = ("interrupted", INTERRUPTED)

    @property
    def words(self) -> str:
        """The outcome in words."""
        return self.value[0]

    @property
    def code(self) -> int:
        """The exit code of a job that ends so."""
        return self.value[1]


@dataclass(frozen=True)
class Result:
    """The result of a step. `reasons` are sentences; `page` is the address of its run; `log` is the end of its output."""

    outcome: Outcome = Outcome.PASSED
    reasons: tuple[str, ...] = ()
    page: str = ""
    log: str = ""


@dataclass(frozen=True)
class Step:
    """A step that has ended or was not run."""

    name: str
    seconds: float
    result: Result


@dataclass
class Job:
    """The steps so far. `say` receives each line at once; reasons of a failure go to stderr."""

    say: Callable[[str], None]
    ended: dict[str, Step] = field(default_factory=dict)

    def step(self, name: str, action: Callable[[], Result]) -> bool:
        """Run a step and keep its result. Return True if it passed, so that the next step may run."""
        self.say(f"--- {name}")
        started = time.monotonic()
        found = _attempted(action)
        self._end(name, found if isinstance(found, Result) else _failure(found), time.monotonic() - started)
        return self.ended[name].result.outcome is Outcome.PASSED

    def ask(self, name: str, question: Callable[[], T]) -> T | None:
        """Return the answer to a question that a step needs. If that fails, the step has failed; see `stopped`."""
        started = time.monotonic()
        found = _attempted(question)
        if not isinstance(found, BaseException):
            return found
        self._end(name, _failure(found), time.monotonic() - started)
        return None

    def skip(self, name: str, why: str) -> None:
        """Keep the reason for which a step does not run."""
        self.ended[name] = Step(name, 0.0, Result(Outcome.NOT_RUN, (why,)))

    @property
    def outcome(self) -> Outcome:
        """The end of the job: that of the last step that ran."""
        ran = [step.result.outcome for step in self.ended.values() if step.result.outcome is not Outcome.NOT_RUN]
        return ran[-1] if ran else Outcome.NOT_RUN

    @property
    def stopped(self) -> bool:
        """True if a step has failed."""
        return self.outcome.code != SUCCESS

    def steps(self) -> list[Step]:
        """Return all steps, those included that were not reached."""
        missing = Result(Outcome.NOT_RUN, ("not reached",))
        return [self.ended.get(name, Step(name, 0.0, missing)) for name in STEPS]

    def _end(self, name: str, result: Result, seconds: float) -> None:
        self.ended[name] = Step(name, seconds, result)
        prefix = f"{result.outcome.words}: "
        for reason in result.reasons:
            if result.outcome.code == SUCCESS:
                self.say(f"{prefix}{reason}")
            else:
                print(f"{prefix}{reason}", file=sys.stderr, flush=True)


def _attempted(action: Callable[[], T]) -> T | BaseException:
    try:
        return action()
    except (Exception, KeyboardInterrupt) as error:
        return error


def _failure(error: BaseException) -> Result:
    """Return the result for an error: bad input, an interruption, or failed infrastructure."""
    from pipelines.server.errors import ServerFailed
    from pipelines.server.wait import Lost

    if isinstance(error, KeyboardInterrupt):
        return Result(Outcome.INTERRUPTED, ("the job was stopped; a run on the cluster continues",))
    if isinstance(error, UserError):
        outcome = Outcome.BAD_INPUT if error.exit_code == BAD_INPUT else Outcome.FAILED
        return Result(outcome, tuple(redact(str(error)).splitlines()))
    if not isinstance(error, ServerFailed | Lost):  # not foreseen, or of MLflow's client, which has no common class
        print(redact("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    first = (redact(str(error)).splitlines() or [type(error).__name__])[0]
    return Result(Outcome.FAILED, (first,))


def run_command(arguments: Sequence[str], say: Callable[[str], None]) -> Result:
    """Run an `ablate` command in its own process. `say` receives every line of its output at once."""
    command, lines = following([sys.executable, "-m", "cli.main", *arguments], signal.SIGTERM), []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip("\n"))
            lines.append(line)
    if process.returncode == SUCCESS:
        return Result()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "there is no output")
    outcome = Outcome.BAD_INPUT if process.returncode == BAD_INPUT else Outcome.FAILED
    reason = f"`ablate {' '.join(arguments)}` ended with exit code {process.returncode}: {last}"
    return Result(outcome, (reason,), log="".join(lines[-SHOWN:]))
