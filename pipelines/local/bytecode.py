"""Import what a study imports, so that the bytecode of these modules is on disk. `make setup` runs this module.

It is written even if PYTHONDONTWRITEBYTECODE is set, because otherwise every process would compile the same files again.
"""

import importlib
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from ablation.plan.plan import RECIPE
from pipelines.local.preload import FIRST, REST, training_modules
from recipes.registry import find

COMMANDS = ("cli.main", "pipelines.local.outlook", "pipelines.local.kubeflow", "ablation.stats.power")


def main() -> None:
    """Import the modules of training in one process, and those of the commands, the pipeline and its steps in another."""
    training = training_modules(find(RECIPE))
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(_import_all, (training, (*COMMANDS, *FIRST, *REST))))


def _import_all(modules: Sequence[str]) -> None:
    sys.dont_write_bytecode = False
    for module in modules:
        importlib.import_module(module)


if __name__ == "__main__":
    main()
