"""`ablate recipe`: check a recipe file, and try one arm of it. `ablate run` trains whole studies."""

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablation.plan.arms import Arm, expand
from ablation.plan.composite import parts_of
from ablation.plan.plan import BASELINE, Plan, plan_from_mapping, read_plan
from cli.recipe_init import init
from common.errors import UserError
from common.external import external
from common.hints import did_you_mean
from pipelines.local import paths
from recipes.plans import check_corpus, check_prepared

if TYPE_CHECKING:
    from recipes.base import Transcript
    from recipes.command.recipe import CommandRecipe

SMALL, FULL = "small", "full"
SMALL_STEPS = 20
STEP_NAMES = ("steps", "max_steps", "updates", "iterations", "epochs", "max_epochs")

recipe_app = typer.Typer(help="Check and try recipe files: other toolkits, by their commands.", no_args_is_help=True)

recipe_app.command()(init)

RecipeFile = Annotated[Path, typer.Argument(metavar="FILE", help="A recipe file in YAML, see docs/recipes.md.")]


@recipe_app.command()
def check(
    file: RecipeFile,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="PLAN", help="Show the arms of this plan; without it, every kind of every part."),
    ] = None,
) -> None:
    """Check a recipe file, and print the commands of every arm as they will run. Nothing runs.

    Each arm comes with the exact words of its commands, the keys of the config that it changes, and its environment variables.
    Values that only a trial has, such as the seed, stay as placeholders. Values that are FILL_IN are counted.

    Example: ablate recipe check examples/gru_ctc/recipe.yaml --plan examples/gru_ctc/plan.yaml
    """
    from recipes.command.recipe import read_recipe

    recipe = read_recipe(file)
    arms = _arms(recipe, plan)
    print(
        f"recipe {recipe.name}; parts: {', '.join(recipe.catalogue.parts)}; settings: {', '.join(recipe.catalogue.settings)}"
    )
    for arm in arms:
        print("\n".join(_described(recipe, arm)))
    for warning in _missing_programs(recipe):
        print(f"warning: {warning}")
    recipe.check_filled_in()
    for names in recipe.check({arm.arm: arm.settings for arm in arms}).same:
        print(f"warning: the commands of {' and '.join(names)} are the same")


@recipe_app.command(name="run")
def run_arm(
    file: RecipeFile,
    plan: Annotated[Path, typer.Option(metavar="PLAN", help="The plan with the corpus, the arm and the noises.")],
    arm: Annotated[str, typer.Option(metavar="NAME", help="The arm of the plan to train.")] = BASELINE,
    steps: Annotated[
        str,
        typer.Option(
            metavar="STEPS",
            help=f"`{SMALL}` applies `short` of the recipe, or at most {SMALL_STEPS} steps; a number; or `{FULL}`.",
        ),
    ] = SMALL,
    seed: Annotated[
        int | None, typer.Option(metavar="SEED", help="The seed; the first one of the plan by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the checkpoint in this new folder.")] = None,
) -> None:
    """Train and score one arm for a few steps, with the output of the commands as it comes.

    The corpus of the plan is prepared if it is not there yet. The word error rate is printed for every condition. MLflow is
    not used and no study is written. Exit code: 1 if a command fails.

    Example: ablate recipe run examples/gru_ctc/recipe.yaml --plan examples/gru_ctc/plan.yaml --arm forward --steps small
    """
    from recipes.command.recipe import read_recipe

    recipe = read_recipe(file)
    recipe.check_filled_in()
    asked = _read(recipe, plan)
    shorter = _short(recipe, steps)
    chosen = _chosen(expand(_with_baseline(asked, shorter), recipe.catalogue), arm)
    if out is not None and out.exists():
        raise UserError(f"--out is a new folder, and {out} exists; give another, or remove it")
    with TemporaryDirectory(prefix="ablate-recipe-") as scratch:
        _try(
            recipe, asked, chosen, asked.seeds[0] if seed is None else seed, out or Path(scratch) / "out", Path(scratch)
        )


def _read(recipe: "CommandRecipe", path: Path) -> Plan:
    """Read a plan for this recipe, whatever recipe it names. The default preset is the recipe's first."""
    found = read_plan(path, recipe.catalogue)
    check_corpus(found, recipe)
    return found if found.preset in recipe.presets else replace(found, preset=recipe.presets[0])


def _arms(recipe: "CommandRecipe", path: Path | None) -> list[Arm]:
    if path is not None:
        return expand(_read(recipe, path), recipe.catalogue)
    ablations = [
        {"part": name, "replacements": {kind.arm: {"kind": word} for word, kind in list(part.kinds.items())[1:]}}
        for name, part in recipe.catalogue.parts.items()
        if len(part.kinds) > 1 and not parts_of(part)  # a composite part makes no command of its own
    ]
    plan = plan_from_mapping({"study": "check", "preset": recipe.presets[0], "ablations": ablations})
    return expand(plan, recipe.catalogue)


def _chosen(arms: list[Arm], name: str) -> Arm:
    known = {arm.arm: arm for arm in arms}
    if name not in known:
        raise UserError(f"the plan has no arm {name!r}{did_you_mean(name, known)}")
    return known[name]


def _described(recipe: "CommandRecipe", arm: Arm) -> Iterator[str]:
    """Yield the lines of an arm. Placeholders that only a trial fills in stand for themselves."""
    from recipes.command.jobs import job
    from recipes.command.placeholders import TRAIN, TRANSCRIBE
    from recipes.command.spec import STAGES

    change = ", ".join(f"{part}: {spec}" for part, spec in arm.overrides.items())
    yield f"\narm {arm.arm}" + (f" ({change})" if change else "")
    for stage in STAGES:
        names = TRAIN if stage == "train" else TRANSCRIBE
        values = {name: f"{{{name}}}" for name in names if name not in ("python", "config", "overrides")} | {
            "arm": arm.arm
        }
        found = job(recipe.spec, arm.settings, stage, values, Path("{out}"), None, 1, 0)
        yield f"  {stage}: {shlex.join(found.words)}"
        for key, value in found.config.items():
            yield f"    config {key}: {value}"
        for name, value in found.environment.items():
            if name not in os.environ and not name.endswith("_NUM_THREADS"):
                yield f"    environment {name}={value}"


def _missing_programs(recipe: "CommandRecipe") -> Iterator[str]:
    for name in dict.fromkeys((recipe.spec.train[0], recipe.spec.transcribe[0])):
        found = "{" in name or shutil.which(name) or (recipe.folder / name).is_file()
        if not found:
            remedy = 'write "{python}" for the Python of ablate' if "python" in name else "install it, or give its path"
            yield f"there is no program {name!r} on this machine; {remedy}"


def _short(recipe: "CommandRecipe", steps: str) -> dict[str, Any]:
    """Return the overrides that make a trial short. Raises UserError if the recipe has no setting for a number of steps."""
    named = [name for word in STEP_NAMES for name in recipe.catalogue.settings if name.rpartition(".")[2] == word]
    whole = [name for name in named if recipe.spec.settings[name].whole]
    if steps == FULL:
        return {}
    if steps.isdecimal():
        if not whole:
            raise UserError(
                f"--steps {steps} needs a setting such as training.steps, which the recipe does not have; use --steps {FULL}"
            )
        return {whole[0]: int(steps)}
    if steps != SMALL:
        raise UserError(f"--steps is {SMALL}, {FULL} or a number, got {steps!r}")
    if recipe.spec.short or not whole:
        return dict(recipe.spec.short)
    setting = recipe.spec.settings[whole[0]]
    return {whole[0]: max(int(setting.minimum or 1), min(setting.default, SMALL_STEPS))}


def _with_baseline(plan: Plan, overrides: Mapping[str, Any]) -> Plan:
    return replace(plan, baseline={**plan.baseline, **overrides})


def _try(recipe: "CommandRecipe", plan: Plan, arm: Arm, seed: int, out: Path, scratch: Path) -> None:
    """Train and score an arm, and print its error rates."""
    from corpora.prepare import prepare
    from corpora.store import Corpus
    from recipes.base import TrainingFailed, TrainingJob, TranscriptionJob
    from recipes.command.process import CommandFailed

    data, threads = external(plan.corpus), max(1, len(os.sched_getaffinity(0)) // 2)
    corpus = scratch if data else prepare(plan.corpus, paths.CORPORA)
    if not data:
        check_prepared(plan, recipe, Corpus.open(corpus).summary())
    print(f"training {arm.arm} with seed {seed}", flush=True)
    training = TrainingJob(
        arm.arm,
        arm.settings,
        seed,
        corpus,
        out,
        scratch / "states",
        _print_point,
        plan.noise,
        threads,
        external=data,
    )
    try:
        result = recipe.train(training)
    except TrainingFailed as error:
        raise CommandFailed(str(error)) from error
    print(f"trained for {result.seconds:.1f} s; transcribing {', '.join(plan.condition_names())}", flush=True)
    (scratch / "transcripts").mkdir()
    transcription = TranscriptionJob(
        arm.settings, out, corpus, plan.conditions, scratch / "transcripts", plan.noise, threads, external=data
    )
    for name, rate in _rates(plan, corpus, recipe.transcribe(transcription)).items():
        print(f"{name} {rate:.1%}")


def _print_point(step: int, metrics: Mapping[str, float]) -> None:
    print(f"step {step}: {', '.join(f'{name} {value:.4g}' for name, value in metrics.items())}", flush=True)


def _rates(plan: Plan, corpus: Path, transcripts: Iterator["Transcript"]) -> dict[str, float]:
    """Return the rates of the plan's metrics by name, such as `wer/clean`, as fractions."""
    from ablation.stats.scoring import score_transcripts, trial_metrics
    from common.normalise import normaliser
    from components.shared.transcripts import transcript_table

    table = transcript_table(transcripts, corpus, plan)
    return trial_metrics(score_transcripts(table, normaliser(plan.normalise)), plan.metrics)
