"""The study of a CI job on the cluster: found, submitted, waited for, and judged by what its run left in MLflow."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from ablation.plan.plan import Plan
from cli.ci_job import Outcome, Result
from cli.waiting import ending_of, follow
from common.errors import Unavailable
from pipelines.package.steps import Steps, pipeline_steps
from pipelines.server import wait as waiting
from pipelines.server.ci_runs import RunName, own_run, runs_of_history
from pipelines.server.client import Server
from pipelines.server.errors import ServerFailed, Unreachable
from pipelines.server.runs import Run
from pipelines.server.step_states import in_words
from pipelines.server.submit import Submitted, prepare, submit
from pipelines.server.trials import Trials, store

T = TypeVar("T")

TAKES_UP = "the same command takes the run up if it exists"
START_AGAIN = "correct the cause, then start a new run by --again; finished trials are reused"


@dataclass
class ClusterStudy:
    """One study on a server. `judged` is the run whose results the gate reads; it is set when a run has succeeded."""

    server: Server
    plan: Plan
    arguments: dict[str, Any]
    image: str | None
    cluster: Path | None
    name: RunName
    say: Callable[[str], None]
    minutes: float | None = None
    judged: Run | None = field(default=None, init=False)
    _deadline: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._deadline = None if self.minutes is None else time.monotonic() + 60 * self.minutes

    def find(self) -> Run | None:
        """Return the newest run of this commit, plan and settings; None if there is none."""
        return self._patiently(lambda: self._checked(partial(own_run, self.server, self.name)))

    def start(self, *, wait: bool, known: Run | None) -> Result:
        """Submit a run, and wait for it. `known` is an earlier run with the same name.

        After a lost answer, the run is looked for by its name, so that it is neither lost nor submitted twice.
        """
        at = prepare(
            self.server,
            self.arguments,
            image=self.image,
            cluster=self.cluster,
            experiment=self.plan.study,
            ask=self._patiently,
        )
        try:
            run = submit(self.server, self.plan, self.arguments, at, name=str(self.name))
        except (ServerFailed, Unreachable) as error:
            found = self.find()
            if found is None or (known is not None and found.id == known.id):
                why = f"{error}; the server has not confirmed a run: call again, {TAKES_UP}"
                return Result(Outcome.FAILED, (why,))
            run = self._submitted(found, at.steps)
        self.say(f"Run: {run.page}")
        if run.note:
            self.say(run.note)
        if wait:
            return self._followed(run)
        return Result(
            Outcome.SUBMITTED, (f"{run.name}; `ablate ci PLAN --only-gate` judges it after its end",), run.page
        )

    def take_up(self, run: Run, *, wait: bool) -> Result:
        """Continue with a run that an earlier call submitted: wait for it, or say how it ended."""
        found = self._submitted(run, pipeline_steps())
        self.say(f"Run: {found.page}, submitted by an earlier call, {in_words(run.state)}")
        if run.ended:
            return self._result(found, self._look(run), self._trials(run))
        return self._followed(found) if wait else self._open(run)

    def ended(self) -> Result:
        """Choose the newest run that has ended, of this commit or of one before it. Submits nothing."""
        runs = self._patiently(lambda: self._checked(partial(runs_of_history, self.server, self.name)))
        if not runs:
            raise Unavailable(
                f"{self.server.host} has no run that `ablate ci` submitted for study {self.plan.study!r} at this commit"
                " or one before it in this checkout; submit one by `ablate ci PLAN --no-wait`"
            )
        run = next((run for run in runs if run.ended), None)
        if run is None:
            return self._open(runs[0])
        for other in runs[: runs.index(run)]:
            self.say(f"not finished yet: {other.name}, {in_words(other.state)}")
        self.say(f"Run: {self.server.page(run.id)}, {run.name}, {in_words(run.state)}")
        return self._result(self._submitted(run, pipeline_steps()), self._look(run), self._trials(run))

    def _open(self, run: Run) -> Result:
        why = f"{run.name} is {in_words(run.state)}; `ablate ci PLAN --only-gate` judges it after its end"
        return Result(Outcome.NOT_FINISHED, (why,), self.server.page(run.id))

    def _followed(self, run: Submitted) -> Result:
        """Wait for a run. The end of --timeout does not end the run."""
        try:
            return self._result(run, *follow(self.server, run, Console(), self._deadline))
        except waiting.Lost as error:
            return Result(Outcome.FAILED, (f"{error}; the run may continue: call again, {TAKES_UP}",), run.page)
        except KeyboardInterrupt:
            why = f"the run continues: call again, {TAKES_UP}"
            return Result(Outcome.INTERRUPTED, (why,), run.page)

    def _result(self, run: Submitted, ended: Run, trials: Trials) -> Result:
        """Return the result for a run that has ended, with the reasons of trials and steps if it failed."""
        ending = ending_of(self.server, run, ended, trials)
        if ended.state == "SUCCEEDED" and not ending.steps_failed:
            self.judged = ended
            return Result(page=run.page)
        reasons = (*ending.trials, *ending.problems, ending.verdict, START_AGAIN)
        return Result(Outcome.FAILED, reasons, run.page)

    def _look(self, run: Run) -> Run:
        """Return a run with its steps, which a list of runs leaves out."""
        return self._patiently(partial(self.server.run, run.id))

    def _trials(self, run: Run) -> Trials:
        return Trials(store(), run.id, self.say)

    def _submitted(self, run: Run, steps: Steps) -> Submitted:
        return Submitted(run.id, run.name, self.server.page(run.id), steps)

    def _checked(self, question: Callable[[], T]) -> T:
        self.server.check()
        return question()

    def _patiently(self, question: Callable[[], T]) -> T:
        return waiting.patiently(question, self.say, self._deadline, waiting.Clock())
