"""Changes between two drawn studies, and studies that cannot be compared."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablation.report.build import build_changes
from ablation.report.changes import changes
from ablation.stats.verdict import Verdict
from common.errors import UserError

WriteStudy = Callable[..., Path]
ARMS = {"baseline": (None, None, 1.0), "same": ("masking", {"kind": "none"}, 1.0), "moved": ("siamese", "x", 1.0)}


@pytest.fixture(scope="module")
def pair(write_study: WriteStudy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An earlier study, and a later one in which `moved` makes half as many errors."""
    root = tmp_path_factory.mktemp("pair")
    earlier = write_study(root / "a", arms=ARMS | {"gone": ("adapter", "y", 1.0)}, failed=set(), study="first")
    later = ARMS | {"moved": ("siamese", "x", 0.4), "new": ("adapter", "z", 1.0)}
    return earlier, write_study(root / "b", arms=later, failed=set(), study="second", preset="base")


def test_each_arm_is_compared_with_itself(pair: tuple[Path, Path]) -> None:
    table = changes(*pair).table
    assert list(dict.fromkeys(table["arm"])) == ["baseline", "same", "moved"]
    assert (table["same_trials"] == (table["arm"] != "moved")).all()
    assert set(table.loc[table["same_trials"], "verdict"]) == {Verdict.NOT_TESTED}
    assert (table.loc[table["arm"] != "moved", "difference"] == 0).all()
    moved = table[table["arm"] == "moved"]
    assert Verdict.BETTER in set(moved["verdict"])
    assert (moved["difference"] < 0).all()
    assert np.allclose(moved["wer"] - moved["before"], moved["difference"])


def test_p_is_corrected_over_all_arms_and_conditions(pair: tuple[Path, Path]) -> None:
    table = changes(*pair).table
    smallest = table.loc[table["p"].idxmin()]
    assert smallest["p_adjusted"] == pytest.approx(min(1, smallest["p"] * table["p"].notna().sum()))


def test_all_formats_say_it(pair: tuple[Path, Path]) -> None:
    paths = build_changes(*pair)
    assert [path.name for path in paths] == [f"changes-since-first.{n}" for n in ("html", "md", "tex", "csv", "json")]
    page, text, tex, listed, data = (path.read_text("utf-8") for path in paths)
    table = changes(*pair).table
    page = page.replace("\u00a0", " ")
    for wer in table["wer"]:
        shown = f"{100 * wer:.1f} %"
        assert shown in page
        assert shown in text
        assert shown.replace(" %", r"~\%") in tex
    assert len(listed.splitlines()) == 1 + len(table)
    assert set(pd.read_csv(paths[3])["verdict"]) <= set(Verdict)
    assert "10 the same trials" in text
    assert [row["difference"] for row in json.loads(data)["changes"]] == pytest.approx(table["difference"].tolist())
    assert "Not compared, as only one study has or has scored them: gone, new." in page
    assert "| preset | tiny | base |" in text
    assert "The baselines' settings differ" in text
    assert "does not record the code that decoded and scored it" in text


def test_disjoint_seeds_are_independent_and_one_is_not_tested(write_study: WriteStudy, tmp_path: Path) -> None:
    first = write_study(tmp_path / "a", arms=ARMS, failed=set(), seeds=(1, 2, 3))
    other = write_study(tmp_path / "b", arms=ARMS, failed=set(), seeds=(4, 5, 6))
    table = changes(first, other).table
    assert not table["paired"].any()
    assert table["p"].notna().all()
    single = write_study(tmp_path / "c", arms=ARMS, failed=set(), seeds=(9,))
    assert set(changes(first, single).table["verdict"]) == {Verdict.NOT_TESTED}
    assert not changes(first, single).table["same_trials"].any()


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"corpus": {"fingerprint": "cd" * 32}}, "different corpora cannot be compared: 'made-up' has corpus ab12"),
        ({"conditions": ("clean",)}, "condition by condition, but .*clean, babble_10db.* rerun one of them"),
        ({"arms": {"baseline": ("masking", "other", 1.0)}}, "have no arm in common"),
        ({"utterances": 9}, r"differ in 5, e\.g\. u9 at babble_-5db; score one of them again"),
        ({"normalise": "none"}, "but 'made-up' has `normalise: basic` and 'made-up' `normalise: none`; rerun one"),
        ({"provenance": {"scoring": {"noise": {"babble": "cd"}}}}, "noise cannot be compared.* {'babble': 'ab'}, of"),
    ],
)
def test_unlike_studies_are_refused_in_a_sentence(
    write_study: WriteStudy, tmp_path: Path, other: dict, sentence: str
) -> None:
    noise = {"provenance": {"scoring": {"noise": {"babble": "ab"}}}}
    first = write_study(tmp_path / "a", arms=ARMS, failed=set(), utterances=10, **noise)
    second = write_study(tmp_path / "b", **{"arms": ARMS, "failed": set(), "utterances": 10, **other})
    with pytest.raises(UserError, match=sentence):
        changes(first, second)


def test_studies_without_a_finished_trial_in_common_are_refused(write_study: WriteStudy, tmp_path: Path) -> None:
    first = write_study(tmp_path / "a", arms=ARMS, failed=set(), utterances=10)
    second = write_study(tmp_path / "b", arms=ARMS, failed={(arm, seed) for arm in ARMS for seed in (1, 2, 3)})
    assert pd.read_parquet(second / "counts.parquet").empty
    with pytest.raises(UserError, match="finished trials"):
        changes(first, second)
