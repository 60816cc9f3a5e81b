"""A study that never ran: its transcripts and curves are drawn, so that every sort of arm appears."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ablation.report.build import build
from ablation.results import COUNTS_COLUMNS, DETAIL_COLUMNS
from ablation.stats.scoring import score_transcripts

CONDITIONS = ("clean", "babble_10db", "babble_5db", "babble_0db", "babble_-5db")
EVIL = "<script>alert(1)</script> a|b *c* 100 % \\textbf{d} $e$"
# arm -> (part, spec, factor on the baseline's WER)
ARMS: dict[str, tuple[str | None, Any, float]] = {
    "baseline": (None, None, 1.0),
    "static-scale": ("fusion.scale", {"kind": "static", "value": 0.5}, 1.02),
    "no-scale": ("fusion.scale", {"kind": "none"}, 0.8),
    "uniform-masking": ("masking", {"kind": "uniform", "budget": "matched"}, 1.25),
    "audio-only": ("fusion.tokens", {"kind": "audio_only"}, 1.6),
    "huge": ("training.learning_rate", 1e6, math.nan),
    "flaky": ("siamese", {"kind": "none"}, 1.0),
}
CHANGES = {
    "no-scale": [{"part": "fusion.scale", "new": "no scale", "old": "learned scale", "lacks": "the scaling factor"}],
    "static-scale": [{"part": "fusion.scale", "new": "static scale", "old": "learned scale"}],
    "uniform-masking": [{"part": "masking", "new": "uniform masking", "old": "differential masking"}],
    "audio-only": [{"part": "fusion.tokens", "new": "audio only", "old": "mix attention", "lacks": "the video"}],
}
FAILED = {("huge", 1), ("huge", 2), ("huge", 3), ("flaky", 2)}
WORDS = (*"abcdef", "bin", "lay", "place", "set", "blue", "green", "red", "white", "at", "by", "now", "please", "two")
WriteStudy = Callable[..., Path]


def base_wer(condition: str) -> float:
    """More noise, more errors."""
    _, _, snr = condition.rpartition("_")
    return 0.06 + (0.13 * 2 ** (-float(snr.removesuffix("db")) / 6) if snr.endswith("db") else 0.0)


def heard(said: Sequence[str], rate: float, rng: np.random.Generator) -> str:
    """The words with errors of all three kinds."""
    words = []
    for word, draw in zip(said, rng.random(len(said)) / rate, strict=True):
        if draw < 0.7:
            words.append(str(rng.choice(WORDS)))
        elif draw >= 0.85:
            words += [word, str(rng.choice(WORDS))] if draw < 1 else [word]
    return " ".join(words)


def transcripts(arm: str, seed: int, factor: float, conditions: Sequence[str], utterances: int) -> pd.DataFrame:
    """What a trial understood of six-word sentences, which are the same for all trials."""
    said = np.random.default_rng(7).choice(WORDS, (utterances, 6))
    rng = np.random.default_rng([len(arm), *arm.encode()[:8], seed])
    rows = []
    for condition in conditions:
        rate = min(0.95, base_wer(condition) * factor * rng.normal(1, 0.02))
        rows += [
            (condition, f"u{n}", f"s{n % 4}", " ".join(words), heard(words, rate, rng)) for n, words in enumerate(said)
        ]
    table = pd.DataFrame(rows, columns=["condition", "utterance_id", "speaker", "reference", "hypothesis"])
    return score_transcripts(table).assign(arm=arm, seed=seed)[[*COUNTS_COLUMNS, *DETAIL_COLUMNS]]


def curves(arm: str, seed: int, failed: bool) -> pd.DataFrame:
    """A falling loss, a WER, and a learned scale and layer weights for the arms that learn them."""
    rng = np.random.default_rng([seed, *arm.encode()])
    steps = np.arange(0, 450, 10)
    loss = 5 * np.exp(-steps / 120) + rng.normal(0.4, 0.05, len(steps))
    values = {"loss": loss, "wer/valid": np.clip(loss / 5, 0, 1), "learning_rate": 3e-3 * np.sin(steps / 450 * np.pi)}
    if arm in ("baseline", "uniform-masking"):
        values["fusion/scale"] = 1 - 0.3 * steps / 450 + rng.normal(0, 0.01, len(steps))
        for layer in range(3):
            values[f"fusion/omega_{layer}"] = (1 + steps / 450 * (layer - 1) * 0.6) / 3 + rng.normal(
                0, 0.004, len(steps)
            )
    if failed:
        values = {"loss": np.array([5.0, 4e3, 9e7, np.inf, np.nan])}
    rows = [
        (arm, seed, int(s), metric, v) for metric, line in values.items() for s, v in zip(steps, line, strict=False)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "step", "metric", "value"])


def write(
    folder: Path,
    seeds: Sequence[int] = (1, 2, 3),
    failed: set[tuple[str, int]] = FAILED,
    arms: Mapping[str, tuple[str | None, Any, float]] = ARMS,
    conditions: Sequence[str] = CONDITIONS,
    utterances: int = 150,
    **other: Any,
) -> Path:
    """A study's folder as `compare_arms` leaves it; `other` replaces keys of study.json."""
    pairs = [(arm, seed) for seed in seeds for arm in arms]
    finished = [pair for pair in pairs if pair not in failed and not math.isnan(arms[pair[0]][2])]
    trials = [
        {"arm": a, "seed": s, "status": "finished", "reason": None, "run_id": "r", "parameters": 1_234_567,
         "train_seconds": 80.5, "evaluate_seconds": 9.0, "steps": 450, "started": 1e9, "ended": 1e9 + 100}
        if (a, s) in finished
        else {"arm": a, "seed": s, "status": "failed", "reason": f"the loss is not finite at step 30 {EVIL}"}
        for a, s in pairs
    ]  # fmt: skip
    study = {
        "study": "made-up",
        "question": f"Which parts of SMILE earn their place? {EVIL}",
        "preset": "tiny",
        "corpus": {"uri": "synthetic://talking-mouth?train=2000&test=300", "fingerprint": "ab12" * 16, "test": 300},
        "seeds": list(seeds),
        "conditions": list(conditions),
        "metrics": ["wer", "cer"],
        "margin_points": 2.0,
        "baseline": "baseline",
        "arms": [
            {"arm": arm, "part": part, "action": part and "replace", "why": f"why {arm}? {EVIL}" if part else "",
             "overrides": {part: spec} if part else {}, "changes": CHANGES.get(arm, [])}
            for arm, (part, spec, _) in arms.items()
        ],
        "trials": trials,
        "settings": {"training": {"steps": 450, "beta": 0.3}, "parts": {"masking": {"kind": "differential"}}},
        "hygiene": {
            "arms": {
                arm: {"parameters": 1_200_000 - 30_000 * n, "masked": {
                    "audio": {"fraction": 0.19, "run": 5.42},
                    **({} if arm == "audio-only" else {"video": {"fraction": 0.0, "run": 0.0}})}}
                for n, arm in enumerate(arms)
            },
            "same": [[*arms][1:3]] if len(arms) > 2 else [],
            "warnings": [f"arms 'a' and {EVIL!r} compute the same function: keep one"],
        },
        "provenance": {"git_revision": "0123abc", "versions": {"torch": "2.11.0", "numpy": "2.4"}},
        "mlflow": {"tracking_uri": "sqlite:///studies/mlflow.db", "url": "http://localhost:5000/#/x"},
        "created": "2026-01-01T00:00:00+00:00",
        "wall_seconds": {"prepare_corpus": 61.0, "train_trial": 423.0},
        "a key of a later version": 1,
        **other,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    tables = [transcripts(a, s, arms[a][2], conditions, utterances) for a, s in finished]
    counts = pd.concat(tables) if tables else pd.DataFrame(columns=COUNTS_COLUMNS)
    counts.to_parquet(folder / "counts.parquet", index=False)
    pd.concat([curves(a, s, (a, s) in failed) for a, s in pairs]).to_parquet(folder / "curves.parquet", index=False)
    return folder


@pytest.fixture(scope="session")
def write_study() -> WriteStudy:
    """Writes a drawn study into a folder."""
    return write


@pytest.fixture(scope="session")
def study_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn study with all its reports."""
    folder = write(tmp_path_factory.mktemp("study"))
    build(folder)
    return folder
