"""The caution about seeds that end far apart: in the headline and at the arm, in every format, for every kind of study."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablate import import_results
from ablation.decisions.seed_groups import SeedGroups
from ablation.report.archive import archive
from ablation.report.build import build
from ablation.report.content import Content, load
from ablation.report.document import cards
from ablation.report.formats.kubeflow import summary_markdown
from ablation.report.formats.mlflow import experiment_note
from ablation.report.headline import headline
from ablation.report.seed_groups import MEANING, caution, evidence

Write = Callable[..., Path]
RESULTS = Path(__file__).resolve().parents[3] / "results"
AT_ARM = (
    "at clean, seeds 3 and 5 end at 52.5 and 42.1 %, the other seeds at 6.7 to 8.8 %: training did not reach the same "
    "point with every seed"
)


@pytest.fixture(scope="module")
def grid() -> Content:
    return load(RESULTS / "grid-convolutions")


def test_the_headline_says_which_seeds_end_where_and_what_to_do(grid: Content) -> None:
    assert headline(grid)[-1] == (
        "Caution: training did not reach the same point with every seed. At clean, seeds 3 and 5 of the baseline end at 52.5 and "
        "42.1 %, its other seeds at 6.7 to 8.8 %. The same seeds stand apart in static-scale, no-scale, uniform-masking and "
        "audio-only. The mean over all seeds of these arms describes neither group, and their intervals are wide: train longer, "
        "or look at the curves of these seeds under Training."
    )
    without = replace(grid, seed_groups=[])
    assert headline(without) == headline(grid)[:-1]


def test_verdicts_and_numbers_do_not_depend_on_it(grid: Content) -> None:
    without = replace(grid, seed_groups=[])
    assert {arm: words.claim for arm, words in without.sentences.items()} == {
        arm: words.claim for arm, words in grid.sentences.items()
    }
    assert without.verdicts == grid.verdicts
    assert without.comparison.equals(grid.comparison)


def test_each_arm_says_so_and_so_does_the_baseline(grid: Content) -> None:
    said = {card.name: list(card.evidence) for card in cards(grid)}
    assert said["baseline"] == [AT_ARM]
    assert [arm for arm, lines in said.items() if any(MEANING in line for line in lines)] == [
        arm for arm in said if arm != "video-only"
    ]


def test_all_formats_have_the_caution(grid: Content, tmp_path: Path) -> None:
    build(RESULTS / "grid-convolutions", out=tmp_path)
    texts = {name: (tmp_path / f"report.{name}").read_text(encoding="utf-8") for name in ("html", "md", "tex", "json")}
    for text in texts.values():
        plain = " ".join(text.replace("\u00a0", " ").replace("~", " ").replace("\\", "").split())
        assert "Caution: training did not reach the same point with every seed." in plain
        assert AT_ARM in plain
    written = json.loads(texts["json"])["seed_groups"]
    assert written[0]["arm"] == "baseline"
    assert written[0]["seeds"] == {"3": 0.525, "5": pytest.approx(0.4208, abs=1e-4)}
    assert written[0]["text"] == AT_ARM
    assert "Caution: " in summary_markdown(grid)
    assert "Caution: " in experiment_note(grid)


def test_an_archive_without_curves_gives_no_link_to_them(write_study: Write, tmp_path: Path) -> None:
    arms: dict[str, Any] = {"baseline": (None, None, 1.0)}
    folder = write_study(tmp_path / "study", arms=arms, seeds=(1, 2, 3, 4, 5), failed=set(), conditions=("clean",))
    counts = pd.read_parquet(folder / "counts.parquet")
    counts.loc[counts["seed"] == 4, ["substitutions"]] = 5
    counts.to_parquet(folder / "counts.parquet", index=False)
    archive(folder, tmp_path / "archive")
    (tmp_path / "archive" / "curves.parquet").unlink()
    record = json.loads((tmp_path / "archive" / "study.json").read_text(encoding="utf-8"))
    (tmp_path / "archive" / "study.json").write_text(json.dumps(record | {"sha256": {}}), encoding="utf-8")
    said = headline(load(tmp_path / "archive"))
    assert said[0] == "No verdicts: the study has the baseline only."
    assert said[1].startswith(
        "Caution: training did not reach the same point with every seed. Seed 4 of the baseline ends at "
    )
    assert said[1].endswith(
        " this arm describes neither group, and its interval is wide: train longer, or look at their training curves."
    )


def imported(folder: Path, rates: dict[str, Sequence[float]]) -> Content:
    """Return an imported study of one test set, with these shares of wrong words."""
    words = 400
    (folder / "ref.txt").write_text("".join(f"u{n} a b c d e\n" for n in range(words // 5)), encoding="utf-8")
    for arm, given in rates.items():
        for seed, rate in enumerate(given, 1):
            heard = ["x" if n % words < rate * words else said for n, said in enumerate("abcde" * (words // 5))]
            lines = [f"u{n} {' '.join(heard[5 * n : 5 * n + 5])}\n" for n in range(words // 5)]
            (folder / f"{arm}-{seed}.txt").write_text("".join(lines), encoding="utf-8")
    return import_results(str(folder / "{arm}-{seed}.txt"), out=folder / "study", ref=str(folder / "ref.txt"))


def test_an_imported_study_is_told_as_well(tmp_path: Path) -> None:
    content = imported(tmp_path, {"baseline": [0.1, 0.11, 0.1, 0.12, 0.11], "other": [0.1, 0.1, 0.6, 0.11, 0.12]})
    assert headline(content)[-1] == (
        "Caution: training did not reach the same point with every seed. Seed 3 of other ends at 60.0 %, its other seeds at 10.0 "
        "to 12.0 %. The mean over all seeds of this arm describes neither group, and its interval is wide: train longer, or look "
        "at their training curves."
    )


def test_values_from_elsewhere_keep_their_unit(tmp_path: Path) -> None:
    rows = [("baseline", seed, 31.2 + seed / 50) for seed in range(1, 7)]
    rows += [("other", seed, 24.0 if seed == 2 else 31.1 + seed / 40) for seed in range(1, 7)]
    table = pd.DataFrame(rows, columns=["arm", "seed", "value"])
    table.to_csv(tmp_path / "scores.csv", index=False)
    content = import_results(scores=tmp_path / "scores.csv", out=tmp_path / "study", metric="psnr", unit="dB")
    assert " Seed 2 of other ends at 24.00 dB, its other seeds at 31.12 to 31.25 dB. " in headline(content)[-1]


def group(arm: str, seeds: dict[int, float], *, inferred: bool = False) -> SeedGroups:
    return SeedGroups(arm, "clean", seeds, {7: 0.07, 8: 0.081}, inferred)


def test_the_baseline_is_named_first_and_many_arms_are_counted(grid: Content) -> None:
    groups = [group(f"arm{n}", {n: 0.5}) for n in range(1, 6)]
    [said] = caution(
        grid.study, [group("other", {1: 0.3}, inferred=True), *groups, group("baseline", {2: 0.6})], curves=True
    )
    assert said.startswith(f"Caution: {MEANING}. At clean, seed 2 of the baseline ends at 60.0 %")
    assert " The same seed stands apart in arm2. " in said
    assert " 1 more arm has such seeds, see below. " in said
    assert caution(grid.study, [], curves=True) == []


def test_many_seeds_are_counted_and_their_values_are_a_range(grid: Content) -> None:
    said = evidence(grid.study, group("arm", {seed: 0.3 + seed / 100 for seed in range(10, 17)}))
    assert said.startswith("at clean, 7 of 9 seeds end at 40.0 to 46.0 %, the other seeds at 7.0 to 8.1 %: ")
    assert "seeds 1, 2, 3 and 4 end at 20.0 %, " in evidence(grid.study, group("arm", dict.fromkeys(range(1, 5), 0.2)))
