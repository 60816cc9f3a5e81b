"""The door of `ablate`. What it opens takes seconds to import, and Ctrl-C must be no traceback meanwhile."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Load the command line and run it."""
    try:
        from pipelines.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
