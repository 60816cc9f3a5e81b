"""A trial's fingerprint changes with what decides its result, and with nothing else."""

from pathlib import Path

import pytest

from tracking import fingerprint
from tracking.fingerprint import sources_fingerprint, trial_fingerprint

SETTINGS = {"a": 1, "b": {"c": 2}}


@pytest.mark.parametrize("other", [({"a": 1, "b": {"c": 3}}, 1, "x"), (SETTINGS, 2, "x"), (SETTINGS, 1, "y")], ids=str)
def test_settings_seed_and_corpus_count(other: tuple[dict[str, object], int, str]) -> None:
    assert trial_fingerprint(*other) != trial_fingerprint(SETTINGS, 1, "x")


def test_the_order_of_settings_does_not() -> None:
    assert trial_fingerprint({"b": {"c": 2}, "a": 1}, 1, "x") == trial_fingerprint(SETTINGS, 1, "x")


def test_sources_of_a_trial_count_and_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(files: dict[str, str]) -> str:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        sources_fingerprint.cache_clear()
        return sources_fingerprint()

    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    first = digest({"model/a.py": "x = 1", "training/b.py": "", "corpora/c.py": ""})
    assert digest({"ablation/report.py": "y = 1", "README.md": "new"}) == first
    assert digest({"model/a.py": "x = 2"}) != first
    sources_fingerprint.cache_clear()
