"""Import what a study imports, so that the bytecode of these modules is on disk. `make setup` runs this module.

It is written even if PYTHONDONTWRITEBYTECODE is set, because otherwise every process would compile the same files again.
"""

import importlib
import sys

from ablation.plan.plan import RECIPE
from pipelines.local.forkserver import FIRST, REST, WORKERS
from recipes.optional import preload_check
from recipes.registry import find

COMMANDS = ("cli.main", "pipelines.local.outlook", "pipelines.local.kubeflow", "ablation.stats.power")


def main() -> None:
    """Import the modules of the commands, of the pipeline, of its steps and of the workers."""
    sys.dont_write_bytecode = False
    recipe = find(RECIPE)
    for module in (*COMMANDS, *FIRST, *REST, *recipe.preload, *preload_check(recipe), *WORKERS):
        importlib.import_module(module)


if __name__ == "__main__":
    main()
