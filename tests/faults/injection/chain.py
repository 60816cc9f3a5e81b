"""Random kills. Several hit one study in a row, in the order of its stages: a rerun after a kill is the victim of the next one.

A chain ends with a rerun that nothing disturbs. It has to give the numbers of a study that was never disturbed.
"""

import json
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from injection.facts import Numbers, Reference, litter, numbers, store
from injection.processes import ALL, GROUP, MAIN, PIPELINE, SERVER, STEP, WORKER, strike, until_gone
from injection.stages import DELIVERY, STAGES, START, reach, stage
from injection.study import LOOK_S, Place, Run

WITH_WORKERS = ("prepare-corpus", "train-trials", "evaluate-trials")
TRAINS = ("train-trials", "evaluate-trials")
LONG = {"train-trials": 3, "evaluate-trials": 2, "compare-arms": 2}  # times that a stage is drawn more often
ONLY_MAIN = (START, DELIVERY)
ENDING = (MAIN, PIPELINE, GROUP, ALL)  # victims whose end is the end of the run
GONE_S = 5.0
LEASE_S = 5.0
CLOSED_S = 15.0  # for the main process, which ends the runs in MLflow after all other processes are gone
PER_CHAIN = 10
INTERRUPTED = 130


@dataclass(frozen=True)
class Kill:
    """One kill: a signal to a victim, at a share (0 to 1) of the time that a stage takes. `draw` chooses among several victims."""

    stage: str
    share: float
    victim: str
    number: str
    draw: float


@dataclass
class Outcome:
    """The result of a kill. `faults` has a sentence for each thing that must not happen."""

    kill: Kill
    hit: str | None = None
    code: int | None = None
    gone_s: float = 0.0
    closed_s: float = 0.0
    waited_s: float = 0.0
    said: str = ""
    faults: list[str] = field(default_factory=list)


def draw(seed: int, count: int) -> list[list[Kill]]:
    """Return chains of kills. With enough of them, every stage is hit, every victim, and each by both signals."""
    chance = random.Random(seed)
    stages = [name for name in STAGES for _ in range(LONG.get(name, 1))]
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += chance.sample(stages, len(stages))
    chains = [drawn[start : start + PER_CHAIN] for start in range(0, count, PER_CHAIN)]
    chains[-1] = chains[-1][: count - PER_CHAIN * (len(chains) - 1)]
    victims = _Deck(chance)
    return [[_kill(name, victims, chance) for name in sorted(chain, key=STAGES.index)] for chain in chains]


class _Deck:
    """Victims with signals, of which none comes again before all others have come once."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.cards = chance, list[tuple[str, str]]()

    def take(self, possible: Sequence[str]) -> tuple[str, str]:
        while not (fitting := [card for card in self.cards if card[0] in possible]):
            everyone = (MAIN, PIPELINE, SERVER, STEP, WORKER, GROUP, ALL)
            fresh = [(victim, number) for victim in everyone for number in ("SIGKILL", "SIGTERM")]
            self.cards += self.chance.sample(fresh, len(fresh))
        self.cards.remove(fitting[0])
        return fitting[0]


def _kill(name: str, victims: _Deck, chance: random.Random) -> Kill:
    possible = [MAIN, ALL]
    if name not in ONLY_MAIN:
        possible += [PIPELINE, SERVER, STEP, GROUP]
    if name in WITH_WORKERS:
        possible += [WORKER]
    victim, number = victims.take(possible)
    return Kill(name, chance.random(), victim, number, chance.random())


def carry_out(place: Place, kill: Kill, reference: Reference) -> Outcome:
    """Run the study, kill as said, and wait for the end. Raises TimeoutError if it does not come."""
    outcome, run = Outcome(kill), place.start()
    if reach(run, kill.stage) == kill.stage:
        _pause(run, kill.stage, kill.share * reference.seconds.get(kill.stage, 0.0))
    outcome.hit = _hit(run, kill)
    if kill.victim not in ENDING:
        outcome.code = run.wait()
    outcome.gone_s, left = until_gone(place.root, GONE_S, but=MAIN)
    outcome.faults += [f"{process.kind} {process.command[:80]} lives on" for process in left]
    struck = time.monotonic()
    outcome.code = run.wait()
    outcome.closed_s = time.monotonic() - struck
    if outcome.closed_s > CLOSED_S:
        outcome.faults.append(f"`ablate` took another {outcome.closed_s:.0f} s to close the study")
    outcome.waited_s, outcome.said = run.waited_s, run.last
    outcome.faults += _said(run, kill)
    if outcome.code == 0 and numbers(place) != reference.numbers:
        outcome.faults.append("it ends well with other numbers")
    return outcome


def _pause(run: Run, name: str, seconds: float) -> None:
    """Let a share of the stage pass, but do not let it end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and run.code is None and stage(run) == name:
        run.look()
        time.sleep(LOOK_S)


def _hit(run: Run, kill: Kill) -> str | None:
    """Strike as soon as there is such a victim. Return the stage in which it was hit; None if the run ended before."""
    while run.code is None:
        now = stage(run)
        if strike(run.place.processes(), kill.victim, signal.Signals[kill.number], kill.draw):
            return now
        run.look()
        time.sleep(LOOK_S / 2)
    return None


def _said(run: Run, kill: Kill) -> list[str]:
    faults = ["it shows a traceback"] if "Traceback" in run.said else []
    silent = (kill.victim == MAIN and kill.number == "SIGKILL") or kill.victim == ALL
    if run.code and not silent and not run.last:
        faults.append(f"it ended with exit code {run.code} without a word")
    if run.code and not silent and "Report:" in run.said and run.code not in (1, INTERRUPTED):
        faults.append(f"exit code {run.code} with a report")
    return faults


def conclude(place: Place, undisturbed: Numbers) -> tuple[Run, list[str]]:
    """Run the study once more, and return what is not as after an undisturbed study."""
    run = place.finish()
    faults = [f"the rerun ends with exit code {run.code}: {run.last}"] if run.code else []
    faults += [f"the rerun waited {run.waited_s:.1f} s for a lease"] if run.waited_s > LEASE_S else []
    if run.code == 0 and numbers(place) != undisturbed:
        faults.append("the rerun gives other numbers")
    return run, faults + left_behind(place)


def left_behind(place: Place) -> list[str]:
    """Return what a study that has ended well must not leave, a sentence each."""
    _, left = until_gone(place.root, GONE_S)
    faults = [f"{process.kind} lives on after the run" for process in left]
    kept = store(place.database)
    faults += kept.faults()
    if len(kept.study_runs) > place.attempts:
        faults.append(f"{len(kept.study_runs)} study runs of {place.attempts} runs")
    return faults + [f"left over: {name}" for name in litter(place)]


def needs_training(kills: Sequence[Kill]) -> bool:
    """Return whether a kill is meant for a stage that a rerun of a finished study skips."""
    return any(kill.stage in TRAINS for kill in kills)


def record(file: str | None, **what: object) -> None:
    """Append a line of JSON to the file of results, if one is wanted."""
    if file:
        with Path(file).open("a") as lines:
            lines.write(json.dumps({"at": time.time(), **what}, default=asdict) + "\n")
