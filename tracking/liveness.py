"""Signs of life of the processes that claim a lease: their heartbeats, and on one machine the processes themselves."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import Run

BEAT, PROCESS = "ablation.lease_beat", "ablation.lease_process"  # tags of a claimant's run
SKEW_S = 30.0


def this_process() -> str:
    """Return a text that names this process among all processes of all machines; empty where Linux's /proc is missing.

    It is the machine's boot, the namespace of process ids, the process id, and the process's start in clock ticks since the boot.
    """
    where, started = _here(), _state_and_start(os.getpid())
    return f"{where} {os.getpid()} {started[1]}" if where and started else ""


def is_gone(process: str | None) -> bool:
    """Return whether a process, named by `this_process`, is certainly gone. One that cannot be seen from here is not."""
    where, _, rest = (process or "").rpartition(" ")
    where, _, number = where.rpartition(" ")
    if not where or where != _here() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:  # a process of another user
        pass
    found = _state_and_start(int(number))
    return found is not None and (found[0] in ("Z", "X") or found[1] != rest)


def _here() -> str:
    """Return the boot of this machine and the namespace of process ids; empty where /proc is missing."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _state_and_start(number: int) -> tuple[str, str] | None:
    """Return the state of a process and its start in ticks; None if it cannot be read."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return None


@dataclass
class Silence:
    """The time since one claimant's last sign of life. `since` is a time of the monotonic clock of this process.

    `unsure` are seconds before `since` that the claimant's own clock reports, but that may be the difference of two clocks.
    """

    beat: str | None
    since: float
    unsure: float = 0.0

    @classmethod
    def at_first_look(cls, beat: str | None) -> "Silence":
        """Start with the time in the heartbeat, if it has one: everything beyond the tolerance counts as silence."""
        written = _written_at(beat)
        age = 0.0 if written is None else max(0.0, time.time() - written)
        return cls(beat, time.monotonic() - max(0.0, age - SKEW_S), min(age, SKEW_S))

    @property
    def seconds(self) -> float:
        """The silence that is certain."""
        return time.monotonic() - self.since


@dataclass
class Watch:
    """The claimants that one waiting process has seen."""

    seen: dict[str, Silence] = field(default_factory=dict)

    def silence(self, run: Run) -> Silence:
        """Return how long a claimant has been silent, after another look at it."""
        known, beat = self.seen.get(run.info.run_id), run.data.tags.get(BEAT)
        if known is None:
            self.seen[run.info.run_id] = Silence.at_first_look(beat)
        elif known.beat != beat:
            self.seen[run.info.run_id] = Silence(beat, time.monotonic())
        return self.seen[run.info.run_id]


def stamp(count: int) -> str:
    """Return a heartbeat: a count, so that each differs from the last, and the time in seconds since 1970."""
    return f"{count} {time.time():.0f}"


def same_life(tags: Mapping[str, str], seen: Mapping[str, str]) -> bool:
    """Return whether a claimant has given no sign of life between two looks at its tags."""
    return all(tags.get(key) == seen.get(key) for key in (BEAT, PROCESS))


def _written_at(beat: str | None) -> float | None:
    """Return the time in a heartbeat; None if there is none, as in the heartbeats of older versions."""
    _, _, written = (beat or "").partition(" ")
    return float(written) if written.isdecimal() else None
