"""An A/A check: the same model under several names, trained for real, must not differ. Reports the product's false findings.

    python bench/null_study.py train studies/null --trials 40 --steps 40   # trains one model with many seeds
    python bench/null_study.py judge studies/null --studies 2000           # re-draws studies from its trials

`train` runs a study of one arm and `--trials` seeds by `ablate run`. `judge` re-draws studies: a study takes arms x seeds different
trials at random, gives them the names of arms and seeds, and is judged by `significance.compare`, and as a ladder by
`compare_contrasts`. No two trials of a re-drawn study share a seed's random numbers, so this checks the tests with the real
distribution of error rates, and pairing that has nothing to gain. Printed are the shares of studies with any finding over all arms
and conditions, with binomial 95 % intervals. Re-drawn studies share trials, so the true uncertainty is larger: train many.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy import stats

from ablation.plan.contrasts import ladder_contrasts
from ablation.results import read_counts
from ablation.stats.contrasts import compare_contrasts
from ablation.stats.scoring import pool
from ablation.stats.significance import compare
from ablation.stats.verdict import Verdict

FINDINGS = [Verdict.WORSE, Verdict.BETTER]
CORPUS = "synthetic://talking-mouth?train=600&test=100"


def train(folder: Path, trials: int, steps: int) -> None:
    """Train one model with many seeds, in the folder of a study."""
    plan = {
        "study": folder.name,
        "question": "How much does the same model vary?",
        "corpus": CORPUS,
        "seeds": list(range(1, trials + 1)),
        "conditions": {"babble": [0]},
        "baseline": {"training.steps": steps},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    command = [Path(sys.executable).with_name("ablate"), "run", path, "--out", folder.parent]
    subprocess.run(list(map(str, command)), check=True)


def draw(trials: pd.DataFrame, arms: int, seeds: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return a study of arms that are the same model: `arms` x `seeds` of the trials, no one twice."""
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


def judge(folder: Path, studies: int) -> None:
    """Print the shares for several designs."""
    trials = pool(read_counts(folder), ["arm", "seed", "condition"]).assign(utterance_id="all", speaker="all")
    number, rng = trials["seed"].nunique(), np.random.default_rng(0)
    wer = trials.groupby("condition")["wer"].agg(["mean", "std"])
    print(
        f"{number} trials;",
        "; ".join(f"{name}: WER {row['mean']:.1%}, sd {row['std']:.2%}" for name, row in wer.iterrows()),
    )
    for arms, seeds in ((3, 3), (4, 3), (3, 5)):
        if arms * seeds <= number:
            share, ladder = rates(trials, arms, seeds, studies, rng)
            for what, each in (("arms against the baseline", share), ("ladder", ladder)):
                low, high = stats.binomtest(round(each * studies), studies).proportion_ci(0.95)
                print(
                    f"{arms} arms x {seeds} seeds, {what}: {each:.1%} [{low:.1%}, {high:.1%}] of {studies} studies",
                    flush=True,
                )


def main() -> None:
    """Train or judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["train", "judge"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--studies", type=int, default=1000)
    given = parser.parse_args()
    if given.what == "train":
        train(given.folder, given.trials, given.steps)
    else:
        judge(given.folder, given.studies)


if __name__ == "__main__":
    main()
