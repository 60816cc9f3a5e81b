"""`python -m pipelines.local.guard COMMAND ...`: a command in a group of processes that ends with the parent of this process.

Some programs start more processes of their own and leave them behind when they are killed, as MLflow's server does.
"""

import os
import subprocess
import sys

from common.parent_death import following
from pipelines.local.processes import lead_group


def main(command: list[str]) -> int:
    """Run the command and return its exit code. This process leads the group (see `processes.start_group`)."""
    lead_group()
    return subprocess.run(following(command), check=False).returncode


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]) & 0xFF)
