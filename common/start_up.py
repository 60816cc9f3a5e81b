"""The start of a process that imports MLflow, kfp or torch."""

import gc

OBJECTS = 10_000


def collect_rarely() -> None:
    """Let Python look for garbage after `OBJECTS` new objects, not after 700.

    These imports create half a million objects that stay. Looking through them again and again takes a seventh of the time of
    `ablate plan` (docs/benchmarks.md).
    """
    gc.set_threshold(OBJECTS)
