"""The prediction of a run: for every trial, whether it is reused, scored again or trained, with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.plan.plan import Plan
from common.external import external
from components.shared.fingerprints import Prints, fingerprints
from components.shared.reuse import forced_arms, usable
from corpora.prepare import prepare
from corpora.store import Corpus
from recipes.plans import arms_of, check_prepared, of

if TYPE_CHECKING:
    from tracking.reuse import Earlier

NOTHING = "this store has no trained trial yet"
REUSE, SCORE, TRAIN = "reuse", "score again", "train"


@dataclass(frozen=True)
class Answer:
    """The prediction for one trial: REUSE, SCORE or TRAIN, and the reason."""

    arm: str
    seed: int
    word: str
    why: str


def explain(plan: Plan, *, tracking_uri: str, corpora_root: Path, force: str) -> list[Answer]:
    """Return one answer per trial, in the plan's order. This prepares the corpus, whose content counts, and trains nothing."""
    from tracking.reuse import trained_before
    from tracking.store import check_store, is_missing

    arms = arms_of(plan)
    forced = forced_arms(force, arms)
    check_store(tracking_uri, prepare=False)
    prints = fingerprints(plan, arms, _content(plan, corpora_root))
    if is_missing(tracking_uri):
        return [Answer(item.arm, item.seed, TRAIN, "forced" if item.arm in forced else NOTHING) for item in prints]
    earlier = trained_before(tracking_uri)
    return [_answer(item, earlier, tracking_uri, item.arm in forced) for item in prints]


def _content(plan: Plan, corpora_root: Path) -> str:
    """Return the fingerprint of the corpus, which is prepared unless it is external."""
    if found := external(plan.corpus):
        return found.fingerprint
    corpus = Corpus.open(prepare(plan.corpus, corpora_root))
    check_prepared(plan, of(plan), corpus.summary())
    return corpus.fingerprint


def _answer(item: Prints, earlier: Sequence["Earlier"], uri: str, forced: bool) -> Answer:
    from tracking.reuse import find_scored, find_trained

    if forced:
        return Answer(item.arm, item.seed, TRAIN, "forced")
    run_id, broken = usable(uri, find_scored(uri, item.scored))
    if run_id:
        return Answer(item.arm, item.seed, REUSE, f"finished before, in run {run_id}")
    run_id, unfit = usable(uri, find_trained(uri, item.trained), trained=True)
    if run_id:
        why = broken or "conditions, noise or scoring differ"
        return Answer(item.arm, item.seed, SCORE, f"run {run_id} trained it; {why}")
    return Answer(item.arm, item.seed, TRAIN, broken or unfit or _difference(item, earlier))


def _difference(item: Prints, earlier: Sequence["Earlier"]) -> str:
    """Return the inputs that have changed since the most similar earlier trial. Among equally similar ones, the newest counts."""
    from tracking.fingerprint import changes

    if not earlier:
        return NOTHING
    differing = [(changes(other.inputs, item.inputs), other) for other in earlier]
    found, nearest = min(differing, key=lambda pair: (len(pair[0]), pair[1].arm != item.arm))
    return f"{'; '.join(found)} (since {nearest.arm} seed {nearest.seed} of {nearest.study})"
