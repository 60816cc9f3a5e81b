"""The entry point of `ablate`. Importing the command line takes seconds; Ctrl-C in that time shows no traceback."""

import sys

from cli.exit_codes import INTERRUPTED


def main() -> None:
    """Load the command line and run it."""
    try:
        from cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
