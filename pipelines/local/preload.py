"""The modules that the server of steps imports in advance, so that its forks have them, and when it does.

The fork server of `multiprocessing` imports everything before it serves the first step. This one first imports what the first
steps need, and the modules of training while the corpus is prepared. A run whose first step refuses the plan takes 17.3 s of CPU
time with this server and 26.2 s with that one (138 and 173 s on a busy machine). Over whole runs of plans/smoke.yaml the two
differ by less than the noise: 45.3 and 53.2 against 43.6, 47.0 and 47.8 s of CPU time; of a rerun, 29.9 against 30.1 and 38.9.
"""

from recipes.base import Recipe
from recipes.optional import preload_check

# For the first steps, which do not wait for the rest.
FIRST = ("kfp.dsl.executor_main", "tracking.studies", "tracking.forehand")
REST = (
    "pyarrow.parquet",
    "corpora.store",
    "tracking.checkpoints",
    "ablation.stats.scoring",
    "ablation.stats.significance",
    "components.shared.study_record",
    "components.shared.gather",
    "ablation.report.build",
    "ablation.report.formats.kubeflow",
    "ablation.report.formats.mlflow",
    "ablation.report.figures.pdf_canvas",  # imports matplotlib
    "matplotlib.backends.backend_pdf",
    "ablation.decisions.promotion",
    "tracking.lease",
    "tracking.served",
    "pipelines.local.sources_ahead",
)
WORKERS = ("components.workers.train", "components.workers.evaluate")
EARLY_STEPS = ("resolve_plan", "prepare_corpus", "find_finished", "close_study")
# Without a request, before the server imports in advance, which delays the next request. A rerun opens its study and finds its
# corpus in less than `QUIET_S`: nothing delays these steps, and no module of training is imported. `find_finished` is long.
SOON_S, QUIET_S = 0.1, 0.7


def training_modules(recipe: Recipe) -> tuple[str, ...]:
    """Return the modules that trials of a recipe need."""
    return (*recipe.preload, *preload_check(recipe), *WORKERS)


def modules_of(step: str, recipe: Recipe) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the modules that a step needs, and those that the server imports while it runs.

    A rerun that trains nothing has no step that trains or measures the arms, and must not wait for its modules. The preparation of
    a corpus leaves time for them.
    """
    training = training_modules(recipe)
    needed = (*FIRST, *(() if step in EARLY_STEPS else REST), *(training if step == "train_trials" else ()))
    return needed, (*FIRST, *REST, *(training if step == "prepare_corpus" else ()))


def pause_s(step: str, quiet_s: float) -> float:
    """Return for how long the server waits for requests, the last of which came `quiet_s` ago for a step, before it imports."""
    return max(0.0, (SOON_S if step == "find_finished" else QUIET_S) - quiet_s)
