"""Kubeflow's recurring runs, as far as we use them: one schedule per study, set, listed, disabled, enabled, deleted.

A server lets a schedule only be made, switched and deleted: to change one is to make another and delete the first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import kfp_server_api
from croniter import CroniterError, croniter

from common.errors import UserError
from pipelines.server.client import Server, named

PAGE = 100
_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
_FIELDS = re.compile(rf"(?:[\d*/,?-]|{_NAMES})+", re.IGNORECASE)  # the server's cron has no L, # or the like


@dataclass(frozen=True)
class Schedule:
    """A recurring run. `id` and `enabled` are the server's to say, and do not count when two are compared."""

    name: str
    cron: str
    experiment: str
    pipeline: str
    version: str
    arguments: Mapping[str, Any]
    enabled: bool = field(default=True, compare=False)
    id: str = field(default="", compare=False)


def checked_cron(text: str) -> str:
    """A schedule that a server understands as it is meant. Raises UserError.

    A server takes the five fields of Unix, too, and shifts them: `0 2 * * *` is two minutes after every hour to it.
    """
    cron = " ".join(text.split())
    fields = cron.split(" ")
    if len(fields) == 5:
        raise UserError(f"Kubeflow's cron begins with seconds, and {cron!r} has five fields; write '0 {cron}'")
    if len(fields) != 6 or not all(map(_FIELDS.fullmatch, fields)) or re.search(r"(?<!/)\b7\b", fields[5]):
        wanted = "six fields: second minute hour day month weekday, weekdays 0 (Sunday) to 6 or SUN to SAT"
        raise UserError(f"Kubeflow's cron has {wanted}; got {text!r}; write e.g. '0 0 2 * * *' for every night at two")
    try:
        next_time(cron, datetime.now(UTC))
    except CroniterError as error:
        raise UserError(f"{cron!r} is no time that comes: {str(error).rstrip('.')}; correct --cron") from error
    return cron


def next_time(cron: str, after: datetime) -> datetime:
    """When a schedule runs next, on a server whose clock is that of `after`."""
    found: datetime = croniter(cron, after, second_at_beginning=True).get_next(datetime)
    return found


class Schedules:
    """The schedules of one pipeline on a server. Every method raises what `Server`'s do."""

    def __init__(self, server: Server, pipeline: str) -> None:
        self._server, self._pipeline = server, pipeline
        self._service = kfp_server_api.RecurringRunServiceApi(server.api)

    def listed(self, name: str | None = None) -> list[Schedule]:
        """All of the pipeline, or those of this name. Schedules of other pipelines are nobody's business here."""
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
            if not page:
                return [schedule for schedule in found if schedule.pipeline == self._pipeline]

    def set(self, wanted: Schedule) -> str:
        """Let there be this one of its name and no other; returns "created", "replaced" or "unchanged".

        The new one is made before the old ones go, so that there is never none; where that fails half-way, the same call
        mends it. A schedule that somebody has disabled stays so.
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
        """One run at a time; nights that were missed are not made up for, since a run does all that there is to do."""
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
        """Enable or disable; runs that have begun go on."""
        service = self._service
        method = (
            service.recurring_run_service_enable_recurring_run
            if on
            else service.recurring_run_service_disable_recurring_run
        )
        self._server.call(method, schedule.id)

    def delete(self, schedule: Schedule) -> None:
        """Runs that have begun go on: Kubernetes would end them with the schedule that they come from."""
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
