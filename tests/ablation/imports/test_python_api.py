"""The code of docs/python-api.md works as it stands; the API gives the numbers of the command line."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis_files import kaldi, sclite_trn

import ablate
from ablation.imports.transcripts import COLUMNS

PAGE = (Path(__file__).parents[3] / "docs" / "python-api.md").read_text(encoding="utf-8")


def frame_of(results: Any) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (*key, name, said, results.texts(key, 1)[name])
            for key in results.aligned
            for name, said in results.texts(key, 0).items()
        ],
        columns=COLUMNS,
    )


def test_the_code_of_the_page_works_and_agrees(results: Any, capsys: pytest.CaptureFixture[str]) -> None:
    results.write("exp/{arm}/seed{seed}/{condition}.trn", sclite_trn(1))
    Path("data/test").mkdir(parents=True)
    Path("data/test/text").write_text(kaldi(0)(next(iter(results.aligned.values()))), encoding="utf-8")
    frame_of(results).to_csv("results.csv", index=False)
    Path("plan.yaml").write_text("study: masks\nablations: [{part: masking, action: remove}]\n", encoding="utf-8")
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    said = capsys.readouterr().out
    assert "arm no-lm makes it worse" in said
    assert "arm wide makes it better: PSNR rises by 0.633 dB" in said
    assert "did you mean 'baseline'" in said
    assert "masks" in said
    columns = ["arm", "condition", "wer", "p_adjusted"]
    pd.testing.assert_frame_equal(names["table"][columns], names["judged"].comparison[columns])


def test_the_page_names_every_function() -> None:
    for name in ablate.__all__:
        assert f"{name}`" in PAGE or f"ablate.{name}" in PAGE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop(columns="hypothesis"), ["lacks hypothesis"]),
        (lambda frame: frame.head(0), ["0 rows"]),
        (lambda frame: frame.assign(hypothesis=None), ["720 of 720 have no hypothesis"]),
        (lambda frame: pd.concat([frame, frame.head(2)]), ["2 rows occur again"]),
        (lambda frame: frame.drop(index=400), ["same utterances", "in 1;"]),
        (lambda frame: frame.assign(arm="a"), ["no rows", "'baseline'", "Known: a"]),
    ],
)
def test_a_broken_table_is_one_sentence(results: Any, change: Any, words: list[str]) -> None:
    with pytest.raises(ablate.UserError) as error:
        ablate.compare(change(frame_of(results)))
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_an_unknown_option_is_one_sentence() -> None:
    with pytest.raises(ablate.UserError, match="did you mean 'ref'"):
        ablate.import_results("{arm}", "study", refs="x")
