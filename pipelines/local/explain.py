"""What a run would do and why: for every trial, whether it is used again, scored again, or trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.plan.arms import expand
from ablation.plan.plan import Plan
from components.shared.fingerprints import Prints, fingerprints
from components.shared.reuse import forced_arms
from corpora.prepare import prepare
from recipes.smile import CATALOGUE

if TYPE_CHECKING:
    from tracking.reuse import Earlier

REUSE, SCORE, TRAIN = "reuse", "score again", "train"


@dataclass(frozen=True)
class Answer:
    """What becomes of a trial, in one of the three words, and the reason."""

    arm: str
    seed: int
    word: str
    why: str


def explain(plan: Plan, *, tracking_uri: str, corpora_root: Path, force: str) -> list[Answer]:
    """One answer per trial, in the plan's order. Prepares the corpus, whose content counts; trains nothing."""
    from tracking.reuse import trained_before
    from tracking.store import prepare_store

    arms = expand(plan, CATALOGUE)
    forced = forced_arms(force, arms)
    prepare_store(tracking_uri)
    prints = fingerprints(plan, arms, prepare(plan.corpus, corpora_root))
    earlier = trained_before(tracking_uri)
    return [_answer(item, earlier, tracking_uri, item.arm in forced) for item in prints]


def _answer(item: Prints, earlier: Sequence["Earlier"], uri: str, forced: bool) -> Answer:
    from tracking.reuse import find_scored, find_trained

    if forced:
        return Answer(item.arm, item.seed, TRAIN, "forced")
    if run_id := find_scored(uri, item.scored):
        return Answer(item.arm, item.seed, REUSE, f"finished before, in run {run_id}")
    if run_id := find_trained(uri, item.trained):
        return Answer(item.arm, item.seed, SCORE, f"run {run_id} trained it; conditions, noise or scoring differ")
    return Answer(item.arm, item.seed, TRAIN, _difference(item, earlier))


def _difference(item: Prints, earlier: Sequence["Earlier"]) -> str:
    """Which inputs have changed since the trial that has most of them in common; of equally near ones, the newest."""
    from tracking.fingerprint import changes

    if not earlier:
        return "nothing was trained in this store so far"
    differing = [(changes(other.inputs, item.inputs), other) for other in earlier]
    found, nearest = min(differing, key=lambda pair: (len(pair[0]), pair[1].arm != item.arm))
    return f"{'; '.join(found)} (since {nearest.arm} seed {nearest.seed} of {nearest.study})"
