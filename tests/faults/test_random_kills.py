"""Kills at random moments of a study. No rerun may lose a result, change a number, or find what the dead run left.

ABLATE_FAULT_KILLS is their number, ABLATE_FAULT_SEED draws them again, ABLATE_FAULT_RECORD names a file for the outcomes.
"""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from injection.chain import LEASE_S, Kill, Outcome, carry_out, conclude, draw, left_behind, needs_training, record
from injection.facts import Reference
from injection.processes import end_all
from injection.stages import STAGES
from injection.study import Place

KILLS = int(os.environ.get("ABLATE_FAULT_KILLS", "4"))
SEED = int(os.environ.get("ABLATE_FAULT_SEED") or 22)
RECORD = os.environ.get("ABLATE_FAULT_RECORD")
MANY = 60  # kills that hit every stage


def _chain(reference: Reference, kills: list[Kill], root: Path) -> tuple[list[Outcome], list[str]]:
    """Carry out a chain. It begins without a prepared corpus if a kill is meant for its preparation.

    A study that survives a kill and ends well is looked at; if kills are left that need training, another one takes its place.
    """
    early = any(kill.stage == "prepare-corpus" for kill in kills)
    cache = reference.place.root / "corpora-cache"
    place = Place.new(root, None if early else cache)
    outcomes, faults, seconds = list[Outcome](), list[str](), None
    try:
        for number, kill in enumerate(kills):
            outcomes.append(carry_out(place, kill, reference))
            record(RECORD, seed=SEED, outcome=outcomes[-1])
            if outcomes[-1].code == 0 and needs_training(kills[number + 1 :]):
                faults += left_behind(place)
                shutil.rmtree(root)
                place = Place.new(root, cache)
        run, after = conclude(place, reference.numbers)
        faults, seconds = faults + after, run.seconds
    except (TimeoutError, OSError, sqlite3.Error) as error:
        faults.append(f"{type(error).__name__}: {error}")
    finally:
        end_all(root)
    record(RECORD, seed=SEED, rerun_s=seconds, faults=faults)
    return outcomes, faults


@pytest.mark.slow
@pytest.mark.timeout(180 + 120 * KILLS)
def test_a_rerun_after_random_kills_loses_nothing(reference: Reference, tmp_path: Path) -> None:
    print(f"ABLATE_FAULT_SEED={SEED} draws these {KILLS} kills again")
    faults, hit = [], set()
    for number, kills in enumerate(draw(SEED, KILLS)):
        outcomes, after = _chain(reference, kills, tmp_path / f"chain-{number}")
        for outcome in outcomes:
            print(outcome)
            hit.add(outcome.hit)
            faults += [f"chain {number}, {outcome.kill}: {fault}" for fault in outcome.faults]
            if outcome.waited_s > LEASE_S:
                faults.append(f"chain {number}: waited {outcome.waited_s:.1f} s for a lease before {outcome.kill}")
        faults += [f"chain {number}, at its end: {fault}" for fault in after]
    assert not faults, "\n".join(faults)
    assert KILLS < MANY or hit >= set(STAGES)


def test_the_same_seed_draws_the_same_kills_and_reaches_all() -> None:
    drawn = [kill for chain in draw(7, MANY) for kill in chain]
    assert drawn == [kill for chain in draw(7, MANY) for kill in chain]
    assert len(drawn) == MANY
    assert {kill.stage for kill in drawn} == set(STAGES)
    pairs = {(kill.victim, kill.number) for kill in drawn}
    assert len(pairs) == 14  # seven victims, two signals
