"""An A/A check: the same model under several names, trained for real, must not differ. Reports the product's false findings.

    python bench/null_study.py --trials 40 --steps 170 --out studies/null    # trains one small model with 40 seeds
    python bench/null_study.py --from studies/null                           # re-draws studies from its trials, and judges them

The first command trains and scores in this process, without MLflow and pipelines, and adds every finished trial to
`counts.parquet` in the folder; the same command continues after an interruption. The second one also takes the folder of any
study: it uses the baseline's trials or, if they are fewer than nine, what all arms' trials differ from the mean of their arm.

A re-drawn study takes arms x seeds different trials at random, gives them the names of arms and seeds, and is judged by
`compare`, as a ladder by `compare_contrasts`, and with looks by `judge_looks`. No two of its trials share a seed's random
numbers. So this checks the tests with real distributions of error rates, and pairing that has nothing to gain. Printed are the
shares of studies with any finding over all arms and conditions, with binomial 95 % intervals. Re-drawn studies share trials, so
the true uncertainty is larger: train many.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from ablation.plan.contrasts import ladder_contrasts
from ablation.plan.plan import Plan, plan_from_mapping
from ablation.results import COUNTS_FILE, STUDY, read_counts, read_study
from ablation.stats.contrasts import compare_contrasts
from ablation.stats.scoring import COUNTS, pool
from ablation.stats.sequential import LookDesign, design
from ablation.stats.sequential_judge import judge_looks
from ablation.stats.significance import compare
from ablation.stats.verdict import Verdict
from common.files import atomic_path

FINDINGS = [Verdict.WORSE, Verdict.BETTER]
CORPUS = "synthetic://talking-mouth?train=600&test=100"
SMALL = {
    "fusion.tokens": {"kind": "audio_only"},
    "masking": {"kind": "none"},
    "siamese": {"kind": "none"},
    "frontend.mel_bins": 40,
    "encoder.width": 64,
    "encoder.layers": 2,
    "encoder.feedforward": 128,
    "training.warmup_ratio": 0.05,
    "training.noise_probability": 0.25,
}
DESIGNS = ((3, 3), (4, 3), (3, 5))  # arms with the baseline x seeds
LOOKS = ((3, (3, 5)), (4, (3, 6)), (3, (3, 5, 8)))  # arms with the baseline, numbers of seeds
LEAST = 9  # trials of the smallest design


def train(folder: Path, trials: int, steps: int) -> None:
    """Train and score one model with many seeds; seeds that the folder has are not trained again."""
    from corpora.prepare import prepare
    from pipelines.local import paths

    plan = plan_from_mapping(
        {
            "study": "null",
            "question": "How much does the same model vary?",
            "corpus": CORPUS,
            "seeds": list(range(1, trials + 1)),
            "conditions": {"babble": [15]},
            "baseline": {"training.steps": steps, **SMALL},
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    corpus, table = prepare(CORPUS, paths.CORPORA, workers=1), folder / COUNTS_FILE
    done = [pd.read_parquet(table)] if table.is_file() else []
    for seed in [seed for seed in plan.seeds if not done or seed not in set(done[0]["seed"])]:
        done = [pd.concat([*done, _trial(plan, seed, corpus)], ignore_index=True)]
        with atomic_path(table) as part:
            done[0].to_parquet(part, index=False)
        wer = pool(done[0][done[0]["seed"] == seed], ["condition"])
        print(f"seed {seed}:", ", ".join(f"{row.condition} {row.wer:.1%}" for row in wer.itertuples()), flush=True)


def _trial(plan: Plan, seed: int, corpus: Path) -> pd.DataFrame:
    """Train and score one trial, and return its counts."""
    from ablation.plan.arms import expand
    from ablation.results import COUNTS_COLUMNS, DETAIL_COLUMNS
    from ablation.stats.scoring import score_transcripts
    from components.shared.transcripts import transcript_table
    from recipes.base import TrainingJob, TranscriptionJob
    from recipes.smile import SMILE

    settings = expand(plan, SMILE.catalogue)[0].settings
    with tempfile.TemporaryDirectory(prefix="null-study-") as name:
        out, states, scratch = (Path(name) / part for part in ("checkpoint", "states", "scratch"))
        out.mkdir()
        scratch.mkdir()
        SMILE.train(TrainingJob("baseline", settings, seed, corpus, out, states, lambda _step, _metrics: None))
        job = TranscriptionJob(settings, out, corpus, plan.conditions, scratch)
        found = score_transcripts(transcript_table(SMILE.transcribe(job), corpus, plan))
    return found.assign(arm="baseline", seed=seed)[COUNTS_COLUMNS + DETAIL_COLUMNS]


def trials_of(folder: Path) -> pd.DataFrame:
    """Return trials of one model from a folder, a row per trial and condition; `seed` numbers the trials."""
    trials = pool(read_counts(folder), ["arm", "seed", "condition"])
    baseline = read_study(folder).baseline if (folder / STUDY).is_file() else "baseline"
    own = trials[trials["arm"] == baseline]
    if own["seed"].nunique() >= LEAST:
        return own.assign(utterance_id="all", speaker="all")
    return _around_their_arms(trials).assign(utterance_id="all", speaker="all")


def _around_their_arms(trials: pd.DataFrame) -> pd.DataFrame:
    """Return trials as if all arms were one: the deviations from each arm's mean, made as large as those of independent trials."""
    arms = trials.groupby(["arm", "condition"])["wer"]
    number = arms.transform("size")
    deviation = (trials["wer"] - arms.transform("mean")) * np.sqrt(number / (number - 1))
    wer = trials.groupby("condition")["wer"].transform("mean") + deviation
    errors = dict.fromkeys(COUNTS[:3], 0.0) | {COUNTS[0]: wer * trials[COUNTS[3]]}
    place = trials.groupby(["arm", "seed"], sort=False).ngroup() + 1
    return trials.assign(wer=wer, arm="baseline", seed=place, **errors)[number > 1]


def draw(trials: pd.DataFrame, arms: int, seeds: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return a study of arms that are the same model: `arms` x `seeds` of the trials, each at most once."""
    chosen = rng.permutation(trials["seed"].unique())[: arms * seeds]
    names = ["baseline", *(f"copy-{number}" for number in range(1, arms))]
    new = {seed: (names[place // seeds], place % seeds + 1) for place, seed in enumerate(chosen)}
    mine = trials[trials["seed"].isin(chosen)]
    places = [new[seed] for seed in mine["seed"]]
    return mine.assign(arm=[arm for arm, _ in places], seed=[seed for _, seed in places])


def rates(trials: pd.DataFrame, arms: int, seeds: int, studies: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the shares of re-drawn studies with any finding: of arms against the baseline, and of a ladder."""
    names = [*(f"copy-{number}" for number in range(1, arms)), "baseline"]
    found = np.zeros(2)
    for _ in range(studies):
        study = draw(trials, arms, seeds, rng)
        tables = compare(study), compare_contrasts(study, ladder_contrasts(names))
        found += [table["verdict"].isin(FINDINGS).any() for table in tables]
    return float(found[0] / studies), float(found[1] / studies)


def rate_with_looks(trials: pd.DataFrame, plan: LookDesign, studies: int, rng: np.random.Generator) -> float:
    """Return the share of re-drawn studies with any finding at any look. Arms that are decided get no more seeds."""
    found = 0
    for _ in range(studies):
        whole, judged = draw(trials, plan.arms + 1, plan.looks[-1], rng), None
        for number in plan.looks:
            stopped = whole["arm"].map(judged.decided if judged else {}).fillna(number)
            judged = judge_looks(whole[whole["seed"] <= stopped], plan, range(1, plan.looks[-1] + 1))
        found += bool(judged is not None and judged.table["verdict"].isin(FINDINGS).any())
    return found / studies


def judgements(trials: pd.DataFrame, studies: int, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Yield designs with their shares of false findings, for those that the number of trials allows."""
    number, conditions = trials["seed"].nunique(), trials["condition"].nunique()
    for arms, seeds in DESIGNS:
        if arms * seeds <= number:
            share, ladder = rates(trials, arms, seeds, studies, rng)
            yield f"{arms} arms x {seeds} seeds", share
            yield f"{arms} arms x {seeds} seeds, ladder", ladder
    for arms, looks in LOOKS:
        if arms * looks[-1] <= number:
            plan = design(looks, arms - 1, conditions)
            yield f"{arms} arms, looks {list(looks)}", rate_with_looks(trials, plan, studies, rng)


def judge(folder: Path, studies: int, show: Callable[..., None] = print) -> None:
    """Print the shares of false findings for several designs."""
    trials, rng = trials_of(folder), np.random.default_rng(0)
    number, wer = trials["seed"].nunique(), trials.groupby("condition")["wer"].agg(["mean", "std"])
    spreads = (f"{name}: WER {row['mean']:.1%}, sd {row['std']:.2%}" for name, row in wer.iterrows())
    show(f"{number} trials;", "; ".join(spreads))
    if number < LEAST:
        show(f"a study takes at least {LEAST} trials: train more, or give a study with more seeds")
    for name, share in judgements(trials, studies, rng):
        low, high = stats.binomtest(round(share * studies), studies).proportion_ci(0.95)
        show(f"{name}: {share:.1%} [{low:.1%}, {high:.1%}] of {studies} studies", flush=True)


def main() -> None:
    """Train or judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--from", dest="folder", type=Path, help="judge re-drawn studies of this folder's trials")
    parser.add_argument("--out", type=Path, default=Path("studies/null"), help="train into this folder")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--steps", type=int, default=170)
    parser.add_argument("--studies", type=int, default=400)
    given = parser.parse_args()
    if given.folder:
        judge(given.folder, given.studies)
    else:
        train(given.out, given.trials, given.steps)


if __name__ == "__main__":
    main()
