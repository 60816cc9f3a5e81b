"""The imports of the fork server: modules that steps and their workers need, imported once before anything is forked."""

import gc
import importlib
import os
import traceback

MODULES = (
    "kfp.dsl.executor_main",
    "tracking.studies",
    "tracking.checkpoints",
    "ablation.stats.scoring",
    "ablation.stats.significance",
    "ablation.report",
    "components.workers.train",
    "components.workers.evaluate",
)
SETTINGS = {
    # A process that forks must not have threads. BLAS is not in a hot path, and neither is Arrow's allocator.
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_KFP_RUNTIME": "true",  # kfp sets this in steps; without it kfp imports its compiler and client, too
}


def preload() -> None:
    """Import everything that steps need. A step that needs a module which cannot be imported raises the error again."""
    os.environ.update(SETTINGS)
    for module in (*MODULES, *importlib.import_module("recipes.smile").PRELOAD):
        try:
            importlib.import_module(module)
        except Exception:
            traceback.print_exc()
    gc.freeze()  # a collection in a child would otherwise copy the pages of all that is imported here


preload()
