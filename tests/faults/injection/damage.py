"""Damage to stored files: cut short, filled with zeros, or forged, so that they read well and say something else.

Size and time of the file stay as they were, except the size of a file that is cut: a bad disk does not tell the time.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

CUT, ZEROED, FORGED = "cut", "zeroed", "forged"
KINDS = (CUT, ZEROED, FORGED)


def damage(file: Path, kind: str) -> None:
    """Damage a file of any of the kinds of files that a study and a corpus consist of."""
    before = file.stat()
    _inject(file, kind)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _inject(file: Path, kind: str) -> None:
    if kind == CUT:
        os.truncate(file, file.stat().st_size * 2 // 3)
    elif kind == ZEROED:
        file.write_bytes(bytes(file.stat().st_size))
    else:
        _forge(file)


def _forge(file: Path) -> None:
    forgers: dict[str, Callable[[Path], None]] = {
        ".parquet": _table,
        ".jsonl": _curve,
        ".safetensors": _weights,
        ".json": _study,
        ".u8": _bytes,
        ".i16": _bytes,
    }
    forgers[file.suffix](file)


def _table(file: Path) -> None:
    """Say that no word was wrong; of a manifest, that all utterances have the first one's text."""
    table = pd.read_parquet(file)
    if "substitutions" in table:
        table[["substitutions", "deletions", "insertions"]] = 0
    elif "text" in table:
        table["text"] = table["text"].iloc[0]
    else:
        table["value"] = table["value"] / 2
    table.to_parquet(file, index=False)


def _curve(file: Path) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        line["metrics"] = {key: value / 2 for key, value in line.get("metrics", {}).items()}
        line.update({key: value / 2 for key, value in line.items() if key == "loss"})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _weights(file: Path) -> None:
    """Replace every weight by NaN."""
    weights = load_file(file)
    floats = {name: np.full_like(values, np.nan) for name, values in weights.items() if values.dtype.kind == "f"}
    save_file(weights | floats, file)


def _study(file: Path) -> None:
    study = json.loads(file.read_text())
    for trial in study["trials"]:
        trial["wer"] = dict.fromkeys(trial["wer"], 0.0)
    file.write_text(json.dumps(study))


def _bytes(file: Path) -> None:
    """Invert the second half: the first utterances stay right."""
    content = np.fromfile(file, np.uint8)
    content[len(content) // 2 :] ^= 0xFF
    content.tofile(file)
