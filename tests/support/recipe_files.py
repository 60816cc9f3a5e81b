"""Recipe files with small commands of real programs, for tests."""

from pathlib import Path
from typing import Any

import yaml

TRAIN = """
import argparse, json
parser = argparse.ArgumentParser()
for name in ("data", "seed", "out", "pooling", "steps"):
    parser.add_argument(f"--{name}")
given = parser.parse_args()
with open(f"{given.out}/model.json", "w") as file:
    json.dump(vars(given), file)
"""
DECODE = """
import argparse, json
parser = argparse.ArgumentParser()
for name in ("checkpoint", "data", "condition", "out"):
    parser.add_argument(f"--{name}")
given = parser.parse_args()
with open(given.out, "w") as file:
    for line in open(f"{given.data}/test/{given.condition}/manifest.jsonl"):
        row = json.loads(line)
        print(f"{row['text']} ({row['id']})", file=file)
"""


def content() -> dict[str, Any]:
    """Return the content of a recipe that is valid in a folder with train.py and decode.py."""
    data = ["--data", "{corpus}"]
    return {
        "recipe": "demo",
        "train": ["{python}", "train.py", *data, "--seed", "{seed}", "--out", "{out}", "{overrides}"],
        "transcribe": [
            *("{python}", "decode.py", "--checkpoint", "{checkpoint}", *data),
            *("--condition", "{condition}", "--out", "{hypotheses}"),
        ],
        "hypotheses": {"format": "trn"},
        "sources": ["train.py", "decode.py"],
        "parts": {
            "pooling": {
                "default": "mean",
                "kinds": {"mean": {"arguments": ["--pooling", "mean"]}, "max": {"arguments": ["--pooling", "max"]}},
            }
        },
        "settings": {
            "training.steps": {"type": "int", "minimum": 1, "default": 5, "arguments": ["--steps", "{value}"]}
        },
    }


def write(folder: Path, given: dict[str, Any] | str | None = None) -> Path:
    """Write a recipe file, with the two scripts next to it, and return its path."""
    (folder / "train.py").write_text(TRAIN)
    (folder / "decode.py").write_text(DECODE)
    path = folder / "recipe.yaml"
    path.write_text(given if isinstance(given, str) else yaml.safe_dump(given or content(), sort_keys=False))
    return path
