"""How large a study may be on a cluster, told before its first trial and not after its last."""

from collections.abc import Sequence

from ablation.plan.arms import Trial
from common.errors import UserError

COMMAND_LINE_BYTES = 128 * 1024  # what Linux lets one argument have
RESERVED_BYTES = 8 * 1024  # of the same argument, for all else that the step is told
ARTIFACT_BYTES = 400  # an artifact's name, type and address, as Kubeflow's launcher is told them; measured: 360 locally


def check_fits_cluster(trials: Sequence[Trial]) -> None:
    """Raises UserError for more trials than `compare_arms` can be told of: in a pod all of them stand in one argument."""
    needed = sum(ARTIFACT_BYTES + len(f"{trial.arm} seed {trial.seed}".encode()) for trial in trials)
    room = COMMAND_LINE_BYTES - RESERVED_BYTES
    if needed > room:
        most = len(trials) * room // needed
        raise UserError(
            f"on a cluster a study has at most about {most} trials, since the last steps are told of all in one argument of "
            f"{COMMAND_LINE_BYTES // 1024} KiB; this one has {len(trials)}: use fewer seeds, or make two studies of its ablations"
        )
