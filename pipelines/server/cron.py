"""Cron expressions as a Kubeflow server reads them. The server uses github.com/robfig/cron v1.2.0.

Its rules differ from those of Unix and of Python's packages. A day matches if the day of the month or the weekday matches; but if
one of the two fields has a `*` or `?` in it, `*/2` included, both must match. A range of one (`5-5`) and a step after a single
number (`10/5`: from 10 on) are allowed. A range that wraps around (`22-2`), weekday 7, L, W and # are refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

YEARS = 5  # the server looks no further
NUMBER = re.compile(r"\+?[0-9]+")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
BOUNDS: Mapping[str, tuple[int, int, Mapping[str, int]]] = {
    "second": (0, 59, {}),
    "minute": (0, 59, {}),
    "hour": (0, 23, {}),
    "day": (1, 31, {}),
    "month": (1, 12, {name: number for number, name in enumerate(MONTHS, start=1)}),
    "weekday": (0, 6, {name: number for number, name in enumerate(WEEKDAYS)}),
}


class NotCron(ValueError):
    """An expression that the server refuses. The text says which part."""


@dataclass(frozen=True)
class Values:
    """The values of one field in ascending order. `star` is True if the field has a `*` or `?`."""

    values: tuple[int, ...]
    star: bool


@dataclass(frozen=True)
class Cron:
    """A parsed expression of six fields."""

    second: Values
    minute: Values
    hour: Values
    day: Values
    month: Values
    weekday: Values

    def next(self, after: datetime) -> datetime | None:
        """Return the first time later than `after`, in its time zone; None if there is none within five years."""
        start = after.replace(microsecond=0) + timedelta(seconds=1)
        clock, today = start.time(), start.date()
        last = date(start.year + YEARS, 12, 31)
        while today <= last:
            if self._on(today) and (found := self._at(clock)) is not None:
                return datetime.combine(today, found, start.tzinfo)
            today, clock = today + timedelta(days=1), time.min
        return None

    def _on(self, today: date) -> bool:
        by_day = today.day in self.day.values
        by_weekday = today.isoweekday() % 7 in self.weekday.values
        both = self.day.star or self.weekday.star
        return today.month in self.month.values and (by_day and by_weekday if both else by_day or by_weekday)

    def _at(self, earliest: time) -> time | None:
        """Return the first time of a day that is not before `earliest`."""
        times = (
            time(hour, minute, second)
            for hour in self.hour.values
            if hour >= earliest.hour
            for minute in self.minute.values
            for second in self.second.values
        )
        return next((found for found in times if found >= earliest.replace(tzinfo=None)), None)


def parse(expression: str) -> Cron:
    """Return a parsed expression. Raises NotCron for what the server refuses, and for a number of fields other than six."""
    fields = expression.split()
    if len(fields) != len(BOUNDS):
        raise NotCron(f"it has {len(fields)} fields")
    return Cron(*(_field(text, name) for text, name in zip(fields, BOUNDS, strict=True)))


def _field(text: str, name: str) -> Values:
    values: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        found, starred = _part(part, name)
        values |= set(found)
        star |= starred
    return Values(tuple(sorted(values)), star)


def _part(part: str, name: str) -> tuple[range, bool]:
    """Return the values of `A`, `A-B`, `*` or `?`, each with or without `/STEP`, and True for a star."""
    low, high, names = BOUNDS[name]
    span, *steps = part.split("/")
    ends = span.split("-")
    star = ends[0] in ("*", "?")
    if len(steps) > 1 or (len(ends) > 2 and not star):
        raise NotCron(f"{part!r} has too many {'slashes' if len(steps) > 1 else 'hyphens'}")
    first = low if star else _number(ends[0], names, part)
    last = high if star else _number(ends[-1], names, part)
    step = _number(steps[0], {}, part) if steps else 1
    if steps and len(ends) == 1:
        last = high
    if not low <= first <= last <= high:
        raise NotCron(f"{part!r} is not a range within {low} to {high}, from the smaller to the larger {name}")
    if step == 0:
        raise NotCron(f"the step of {part!r} is 0")
    return range(first, last + 1, step), star


def _number(text: str, names: Mapping[str, int], part: str) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not NUMBER.fullmatch(text):
        raise NotCron(f"{part!r} has a part that is not a number{' or a name' if names else ''}")
    return int(text)
