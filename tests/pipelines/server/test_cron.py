"""Cron expressions: `cron_times.txt` holds the answers of the parser that a Kubeflow server uses (robfig/cron v1.2.0)."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from pipelines.server.cron import BOUNDS, NotCron, parse
from pipelines.server.schedules import checked_cron

TABLE = Path(__file__).with_name("cron_times.txt")
AFTER = (datetime(2026, 11, 24, 12, tzinfo=UTC), datetime(2024, 2, 28, 23, 59, 59, 500_000, tzinfo=UTC))
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_next_times_are_those_of_the_server(row: list[str]) -> None:
    cron, *times = row
    if times == ["error", "error"]:
        with pytest.raises(NotCron):
            parse(cron)
        return
    found = [parse(cron).next(after) for after in AFTER]
    assert [f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else "never" for at in found] == times


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_the_option_takes_what_the_server_would_start(row: list[str]) -> None:
    if row[1] in ("error", "never"):
        with pytest.raises(UserError, match=r"cron of Kubeflow|needs a time that exists"):
            checked_cron(row[0])
    else:
        assert checked_cron(row[0]) == row[0]


FIELDS = st.tuples(*(st.sets(st.integers(low, high), min_size=1, max_size=4) for low, high, _ in BOUNDS.values()))


@given(FIELDS, st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)))
def test_the_next_time_matches_and_is_later(fields: tuple[set[int], ...], after: datetime) -> None:
    found = parse(" ".join(",".join(map(str, field)) for field in fields)).next(after)
    if found is None:
        return
    second, minute, hour, day, month, weekday = fields
    assert found > after
    assert (found.second in second, found.minute in minute, found.hour in hour, found.month in month) == 4 * (True,)
    assert found.day in day or found.isoweekday() % 7 in weekday


def test_the_next_time_keeps_the_time_zone() -> None:
    zone = timezone(timedelta(hours=2))
    assert parse("0 0 2 * * *").next(datetime(2026, 1, 1, 3, tzinfo=zone)) == datetime(2026, 1, 2, 2, tzinfo=zone)


@pytest.mark.parametrize("text", ["", "0 2 * * *", "0 0 2 * * * 2027", "@daily", "0 0 ٣ * * *", "0 0 1_0 * * *"])
def test_other_texts_are_not_cron(text: str) -> None:
    with pytest.raises(NotCron):
        parse(text)
