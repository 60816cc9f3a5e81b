"""The largest study that a cluster can run, checked before the first trial instead of failing after the last."""

from collections.abc import Sequence

from ablation.plan.arms import Trial
from common.errors import UserError

COMMAND_LINE_BYTES = 128 * 1024  # Linux's limit on one argument
RESERVED_BYTES = 8 * 1024  # of the same argument, for the other inputs of the step
ARTIFACT_BYTES = 400  # an artifact's name, type and address in that argument; measured: 360 locally


def check_fits_cluster(trials: Sequence[Trial]) -> None:
    """Raise UserError for more trials than `compare_arms` can receive: in a pod, one argument lists all of them."""
    needed = sum(ARTIFACT_BYTES + len(f"{trial.arm} seed {trial.seed}".encode()) for trial in trials)
    room = COMMAND_LINE_BYTES - RESERVED_BYTES
    if needed > room:
        most = len(trials) * room // needed
        raise UserError(
            f"on a cluster a study has at most about {most} trials, since one argument of {COMMAND_LINE_BYTES // 1024} KiB "
            f"lists all of them; this one has {len(trials)}: use fewer seeds, or split its ablations into two studies"
        )
