"""Results of 4 arms, 3 seeds and 2 conditions, which tests write in the layouts of several toolkits."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ARMS, SEEDS, CONDITIONS = ("baseline", "no-lm", "small", "wide"), (1, 2, 3), ("clean", "babble_0db")
WORDS = ["lay", "place", "set", "bin", "red", "blue", "green", "white", "now", "please", "again", "soon"]
Pair = tuple[str, str]  # word of the reference, word of the hypothesis; empty for none


@dataclass
class Results:
    """Aligned words by trial and condition, then by utterance."""

    aligned: dict[tuple[str, int, str], dict[str, list[Pair]]]

    @staticmethod
    def text(pairs: list[Pair], side: int) -> str:
        """The reference (0) or the hypothesis (1) of an utterance."""
        return " ".join(pair[side] for pair in pairs if pair[side])

    def texts(self, key: tuple[str, int, str], side: int) -> dict[str, str]:
        return {name: self.text(pairs, side) for name, pairs in self.aligned[key].items()}

    @property
    def references(self) -> dict[str, str]:
        return self.texts(next(iter(self.aligned)), 0)

    def write(self, pattern: str, writer: "Callable[[dict[str, list[Pair]]], str]") -> None:
        """Write a file for every trial and condition, in the working folder."""
        for (arm, seed, condition), aligned in self.aligned.items():
            path = Path(pattern.format(arm=arm, seed=seed, condition=condition))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(writer(aligned), encoding="utf-8")


def heard(draw: random.Random, words: list[str], rate: float) -> list[Pair]:
    """Recognise words with some substitutions, deletions and insertions."""
    pairs: list[Pair] = []
    for word in words:
        if draw.random() >= rate:
            pairs.append((word, word))
        else:
            pairs.append((word, draw.choice(["", *(other for other in WORDS if other != word)])))
            if draw.random() < 0.2:
                pairs.append(("", draw.choice(WORDS)))
    return pairs


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """The results; the working folder is empty. The arm no-lm is clearly worse."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(7)
    said = {f"s{number % 4}-u{number:03d}": draw.choices(WORDS, k=6) for number in range(30)}
    rates = {"clean": 0.05, "babble_0db": 0.2}
    return Results(
        {
            (arm, seed, condition): {
                name: heard(draw, words, rates[condition] + (0.25 if arm == "no-lm" else 0))
                for name, words in said.items()
            }
            for arm in ARMS
            for seed in SEEDS
            for condition in CONDITIONS
        }
    )
