"""The entry point of `ablate`. Importing the command line takes seconds; Ctrl-C in that time shows no traceback."""

import sys

from cli.exit_codes import INTERRUPTED
from common.start_up import collect_rarely


def main() -> None:
    """Load the command line and run it."""
    collect_rarely()
    try:
        from cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
