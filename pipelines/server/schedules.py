"""Recurring runs of Kubeflow: one schedule per study, which can be set, listed, disabled, enabled and deleted.

A server can create, switch and delete a schedule, but not change it. A change creates another schedule and deletes the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import kfp_server_api

from common.errors import UserError
from common.hints import did_you_mean
from pipelines.name import NAME
from pipelines.server.client import Server, named
from pipelines.server.cron import NotCron, parse

PAGE = 100


@dataclass(frozen=True)
class Schedule:
    """A recurring run. The server decides `id` and `enabled`, so a comparison of two schedules ignores them."""

    name: str
    cron: str
    experiment: str
    pipeline: str
    version: str
    arguments: Mapping[str, Any]
    enabled: bool = field(default=True, compare=False)
    id: str = field(default="", compare=False)

    def when(self) -> str:
        """Return the fields and the next time, on a server whose clock is UTC (the default)."""
        if not self.enabled:
            return f"{self.cron}, disabled"
        try:
            following = next_time(self.cron, datetime.now(UTC))
        except NotCron:  # a schedule from the page of the server may be of another kind
            return self.cron or "not by cron"
        return f"{self.cron}, next {following:%Y-%m-%d %H:%M} UTC" if following else f"{self.cron}, never"


def checked_cron(text: str) -> str:
    """Return a schedule that a server reads as intended. Raises UserError.

    A server also accepts the five fields of Unix and shifts them: it reads `0 2 * * *` as two minutes after every hour.
    """
    cron = " ".join(text.split())
    if len(cron.split(" ")) == 5:
        raise UserError(f"the cron of Kubeflow begins with seconds, and {cron!r} has five fields; write '0 {cron}'")
    try:
        following = next_time(cron, datetime.now(UTC))
    except NotCron as error:
        wanted = "six fields: second minute hour day month weekday, weekdays 0 (Sunday) to 6 or SUN to SAT"
        raise UserError(
            f"the cron of Kubeflow has {wanted}; got {text!r}: {error}; write e.g. '0 0 2 * * *' for every night at two"
        ) from error
    if following is None:
        raise UserError(f"a schedule needs a time that exists, and {cron!r} has none in five years; correct --cron")
    return cron


def next_time(cron: str, after: datetime) -> datetime | None:
    """Return the next time of a schedule, on a server with the time zone of `after`; None if there is none in five years.

    Raises NotCron for what the server refuses.
    """
    return parse(cron).next(after)


def open_schedules(server: Server) -> "Schedules":
    """Return the schedules of our pipeline on a server. Raises UserError if the server does not have the pipeline."""
    server.check()
    pipeline = server.find_pipeline(NAME)
    if pipeline is None:
        raise UserError(
            f"{server.host} has no pipeline {NAME!r}, so no study has a schedule; `ablate submit` uploads it"
        )
    return Schedules(server, pipeline)


class Schedules:
    """The schedules of one pipeline on a server. Every method raises the errors of the methods of `Server`."""

    def __init__(self, server: Server, pipeline: str) -> None:
        self._server, self._pipeline = server, pipeline
        self._service = kfp_server_api.RecurringRunServiceApi(server.api)

    def listed(self, name: str | None = None) -> list[Schedule]:
        """Return all schedules of the pipeline, or those with this name. Schedules of other pipelines are left out."""
        found, page = [], ""
        while True:
            asked = {"filter": named(name)} if name is not None else {}
            answer = self._server.call(
                self._service.recurring_run_service_list_recurring_runs,
                page_size=PAGE,
                **asked,
                **({"page_token": page} if page else {}),
                **self._server.in_namespace(),
            )
            found += [_read(thing) for thing in answer.recurring_runs or []]
            page = answer.next_page_token or ""
            if not page:  # the database of a server compares names without case and accents
                named_so = [schedule for schedule in found if name in (None, schedule.name)]
                return [schedule for schedule in named_so if schedule.pipeline == self._pipeline]

    def of(self, study: str) -> list[Schedule]:
        """Return the schedules of a study. Raises UserError if it has none."""
        found = self.listed(study)
        if not found:
            known = [schedule.name for schedule in self.listed()]
            hint = did_you_mean(study, known) if known else "; `ablate submit PLAN --cron` sets one"
            raise UserError(f"study {study!r} has no schedule on this server{hint}")
        return found

    def set(self, wanted: Schedule) -> str:
        """Make this the only schedule with its name. Return "created", "replaced" or "unchanged".

        The method creates the new schedule before it deletes the old ones, so that one always exists. After a failure
        half-way, the same call repairs the state. A disabled schedule stays disabled.
        """
        before = self.listed(wanted.name)
        kept = next((schedule for schedule in before if schedule == wanted), None)
        if kept is None:
            self._make(wanted, enabled=all(schedule.enabled for schedule in before))
        for schedule in before:
            if schedule is not kept:
                self.delete(schedule)
        return "unchanged" if kept and len(before) == 1 else "replaced" if before else "created"

    def _make(self, wanted: Schedule, *, enabled: bool) -> None:
        """Create a schedule: one run at a time, without catch-up for missed times, because one run does all the work."""
        trigger = kfp_server_api.V2beta1Trigger(
            cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=wanted.cron),
        )
        asked = kfp_server_api.V2beta1RecurringRun(
            display_name=wanted.name,
            experiment_id=wanted.experiment,
            trigger=trigger,
            mode="ENABLE" if enabled else "DISABLE",
            max_concurrency="1",
            no_catchup=True,
            **self._server.what_to_run(wanted.pipeline, wanted.version, wanted.arguments),
        )
        self._server.with_plugins(self._service.recurring_run_service_create_recurring_run, asked)

    def switch(self, schedule: Schedule, *, on: bool) -> None:
        """Enable or disable a schedule. Runs that have started continue."""
        verb = "enable" if on else "disable"
        self._server.call(getattr(self._service, f"recurring_run_service_{verb}_recurring_run"), schedule.id)

    def delete(self, schedule: Schedule) -> None:
        """Delete a schedule. ORPHAN keeps its running runs: Kubernetes would otherwise end them with the schedule."""
        self._server.call(
            self._service.recurring_run_service_delete_recurring_run, schedule.id, propagation_policy="ORPHAN"
        )


def _read(thing: Any) -> Schedule:
    ref, trigger = thing.pipeline_version_reference, thing.trigger
    return Schedule(
        name=thing.display_name or "",
        cron=(trigger and trigger.cron_schedule and trigger.cron_schedule.cron) or "",
        experiment=thing.experiment_id or "",
        pipeline=(ref and ref.pipeline_id) or "",
        version=(ref and ref.pipeline_version_id) or "",
        arguments=(thing.runtime_config and thing.runtime_config.parameters) or {},
        enabled=thing.status != "DISABLED",
        id=thing.recurring_run_id,
    )
