"""A toolkit with data of its own: spoken digits as points, and a model that takes the nearest digit. Needs Python alone.

The service never sees the data: `train` and `decode` make them from their name and version, as a toolkit would read them from its
own disk. Each word is a point of two dimensions, of which the second is a hundred times larger and says little.
"""

import argparse
import json
import random
import statistics
from pathlib import Path

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPREAD, SIZE, LENGTH = 0.15, 100.0, 6


def utterances(data: str, split: str, count: int) -> list[tuple[str, list[str], list[list[float]]]]:
    """Return id, words and points of every utterance of a split. They depend on the name and version of the data alone."""
    draw, found = random.Random(f"{data} {split}"), []
    for number in range(count):
        words = draw.choices(WORDS, k=LENGTH)
        points = [[draw.gauss(WORDS.index(word), SPREAD), SIZE * draw.gauss(0, 1)] for word in words]
        found.append((f"speaker{number % 4}-{split}{number:03d}", words, points))
    return found


def train(data: str, seed: int, scaling: bool, count: int) -> dict[str, object]:
    """Return the mean point of every word, and the scale of every dimension, from some utterances that the seed draws."""
    chosen = random.Random(seed).sample(utterances(data, "train", 200), count)
    pairs = [pair for _, words, points in chosen for pair in zip(words, points, strict=True)]
    scales = [
        statistics.stdev(column) if scaling else 1.0 for column in zip(*(point for _, point in pairs), strict=True)
    ]
    heard = {word: [point for other, point in pairs if other == word] for word in WORDS}
    means = {
        word: [statistics.fmean(column) for column in zip(*points, strict=True)]
        for word, points in heard.items()
        if points
    }
    if scaling:
        scales[1] *= SIZE  # what says little is made small
    return {"means": means, "scales": scales}


def noise_of(condition: str) -> float:
    """Return how far noise moves a point: 0 if it is clean, more at a lower SNR."""
    if condition == "clean":
        return 0.0
    kind, _, level = condition.rpartition("_")
    if kind != "hiss":
        raise SystemExit(f"unknown condition {condition}: digits are scored clean or in hiss")
    return 10 ** (-float(level.removesuffix("db")) / 20)


def decode(model: dict, data: str, condition: str) -> list[dict[str, str]]:
    """Return id, reference and hypothesis of every test utterance in a condition, whose noise is the same for every model."""
    draw, far, rows = random.Random(f"{data} {condition}"), noise_of(condition), []
    for name, words, points in utterances(data, "test", 60):
        moved = [[value + draw.gauss(0, far) for value in point] for point in points]
        rows.append({"id": name, "ref": " ".join(words), "hyp": " ".join(nearest(model, point) for point in moved)})
    return rows


def nearest(model: dict, point: list[float]) -> str:
    """Return the word whose mean is nearest."""

    def distance(word: str) -> float:
        gaps = zip(point, model["means"][word], model["scales"], strict=True)
        return sum(((mine - mean) / scale) ** 2 for mine, mean, scale in gaps)

    return min(model["means"], key=distance)


def main() -> None:
    """Train a model and write it as JSON, or decode with one and write a JSON object a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=("train", "decode"))
    for name in ("--data", "--seed", "--out", "--model", "--condition", "--scaling", "--utterances"):
        parser.add_argument(name)
    given = parser.parse_args()
    if given.action == "train":
        model = train(given.data, int(given.seed), given.scaling == "on", int(given.utterances))
        (Path(given.out) / "model.json").write_text(json.dumps(model))
        return
    rows = decode(json.loads((Path(given.model) / "model.json").read_text()), given.data, given.condition)
    Path(given.out).write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
