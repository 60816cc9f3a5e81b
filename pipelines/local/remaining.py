"""The elapsed and the remaining time of a run, from the trials that have been done so far."""

import time
from collections.abc import Callable

LEAST_S, LEAST_DONE = 10.0, 0.2  # before these, the remaining time is a guess


class Remaining:
    """A clock that starts with the run. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._begun = clock, clock()
        self._first: tuple[float, float] | None = None  # when the trials began, and how many were done by then

    def elapsed(self) -> str:
        """Return the time since the start."""
        return duration(self._clock() - self._begun)

    def left(self, done: float, trials: int) -> str | None:
        """Return the time that the rest will take, of which `done` trials, whole ones and parts, are done; None at first.

        Trials that were done at the first call, those of earlier studies, do not count as fast ones.
        """
        now = self._clock()
        if self._first is None:
            self._first = now, done
        spent, gained = now - self._first[0], done - self._first[1]
        if spent < LEAST_S or gained < LEAST_DONE or done >= trials:
            return None
        return duration(spent * (trials - done) / gained)


def duration(seconds: float) -> str:
    """Return a time in words, such as `41 s`, `2 min 10 s` or `3 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
