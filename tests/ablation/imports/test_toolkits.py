"""Files in the layouts that toolkits write are scored as jiwer scores their texts, and the arms are judged."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import pandas as pd
import pytest
from hypothesis_files import av_hubert, errs, espnet_trn, fairseq, kaldi, nemo, own_names, recogs, sclite_trn, table

from ablation.imports.folder import import_results
from ablation.imports.options import Options
from ablation.imports.scored_study import gather_scores
from ablation.imports.study import gather
from ablation.imports.transcripts import conditions_of
from ablation.stats.significance import compare

LAYOUTS: dict[str, tuple[str, Callable[[Any], str], Callable[[Any], str] | None, dict[str, Any]]] = {
    "sclite": ("{arm}/{seed}/{condition}.trn", sclite_trn(1), sclite_trn(0), {"format": None}),
    "espnet trn": ("{arm}_seed{seed}/decode/{condition}/score_wer/hyp.trn", espnet_trn(1), espnet_trn(0), {}),
    "espnet text": ("{arm}_seed{seed}/decode/{condition}/text", kaldi(1), kaldi(0), {}),
    "trn hyps, kaldi refs": ("{arm}/{seed}/{condition}.trn", espnet_trn(1), kaldi(0), {"id_part": r"(s\d-u\d+)$"}),
    "nemo": ("{arm}/{seed}/{condition}.json", nemo, None, {}),
    "nemo, given refs": ("{arm}/{seed}/{condition}.json", nemo, kaldi(0), {}),
    "av-hubert": ("{arm}/{seed}/{condition}/hypo-123456.json", av_hubert, None, {}),
    "fairseq": ("{arm}/{seed}/{condition}/hypo.word-checkpoint_best.pt-test.txt", fairseq(1), fairseq(0), {}),
    "own names": ("{arm}/{seed}/{condition}.jsonl", own_names, None, {"keys": "id=sample,ref=gold,hyp=out"}),
    "csv": ("{arm}/{seed}/{condition}.csv", table(","), None, {}),
    "tsv": ("{arm}/{seed}/{condition}.tsv", table("\t"), None, {}),
    "icefall recogs": ("{arm}/seed{seed}/recogs-{condition}-beam_4.txt", recogs, None, {}),
    "icefall errs": ("{arm}/seed{seed}/errs-{condition}-beam_4.txt", errs, None, {}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rates_are_those_of_jiwer_and_arms_are_judged(results: Any, layout: str) -> None:
    pattern, writer, references, options = LAYOUTS[layout]
    results.write(f"exp/{pattern}", writer)
    if references is not None:
        Path("ref").write_text(references(next(iter(results.aligned.values()))), encoding="utf-8")
    study, counts = gather([f"exp/{pattern}"], "mine", Options(ref="ref" if references else None, **options))
    assert (study.seeds, study.conditions) == ([1, 2, 3], ["clean", "babble_0db"])
    assert (len(study.trials), study.baseline, study.imported.files) == (12, "baseline", 24)
    for trial in study.trials:
        for condition in study.conditions:
            key = (trial.arm, trial.seed, condition)
            truth = jiwer.wer([*results.texts(key, 0).values()], [*results.texts(key, 1).values()])
            assert trial.wer[f"wer/{condition}"] == pytest.approx(truth, abs=1e-12)
    table = compare(counts, "baseline").set_index(["arm", "condition"])
    assert set(table.loc["no-lm"]["verdict"]) == {"worse"}
    assert set(table.loc["small"]["verdict"]) == {"inconclusive"}


def test_auto_avsr_logs_a_rate_and_no_texts_so_its_rates_are_judged(results: Any) -> None:
    """auto_avsr prints `wer` of a run, and writes no hypotheses: its rates come as scores."""
    rows = [
        (arm, seed, condition, jiwer.wer([*results.texts(key, 0).values()], [*results.texts(key, 1).values()]))
        for key in results.aligned
        for arm, seed, condition in [key]
    ]
    pd.DataFrame(rows, columns=["arm", "seed", "condition", "value"]).to_csv("wer.csv", index=False)
    study, values = gather_scores(Path("wer.csv"), "mine", Options(metric="wer"))
    assert study.conditions == ["clean", "babble_0db"]
    table = compare(values, "baseline", metric=study.metric()).set_index(["arm", "condition"])
    assert set(table.loc["no-lm"]["verdict"]) == {"worse"}
    assert set(table.loc["small"]["verdict"]) == {"inconclusive"}


@pytest.mark.skipif(shutil.which("sctk") is None, reason="needs NIST's scoring tools: apt-get install sctk")
def test_rates_are_those_of_sclite_on_the_same_files(results: Any) -> None:
    """sclite's alignments may have more than the fewest errors, as gaps cost less there; those of clean trials do not."""
    results.write("{arm}/{seed}/{condition}.trn", sclite_trn(1))
    Path("ref.trn").write_text(sclite_trn(0)(next(iter(results.aligned.values()))), encoding="utf-8")
    study, _ = gather(["{arm}/{seed}/{condition}.trn"], "mine", Options(ref="ref.trn"))
    for trial in study.trials:
        path = f"{trial.arm}/{trial.seed}/clean.trn"
        command = ["sctk", "sclite", "-r", "ref.trn", "trn", "-h", path, "trn", "-i", "rm", "-o", "rsum", "stdout"]
        done = subprocess.run(command, text=True, capture_output=True, check=True)
        words, errors = sums(done.stdout)
        assert words == 180
        assert round(trial.wer["wer/clean"] * words) == errors


def sums(page: str) -> tuple[int, int]:
    """Reference words and errors of all speakers, from sclite's table of counts."""
    [row] = re.findall(r"^\s*\|\s*Sum\s*\|\s*\d+\s+(\d+)\s*\|\s*\d+\s+\d+\s+\d+\s+\d+\s+(\d+)", page, re.MULTILINE)
    return int(row[0]), int(row[1])


@pytest.mark.parametrize(
    ("name", "text", "format_name"),
    [
        ("hyp.txt", "a b (u1)\n", "trn"),
        ("text", "u1 a b (noise)\nu2 c (noise)\n", "kaldi"),
        ("text", "u1 a b\n", "kaldi"),
        ("manifest.json", '{"audio_filepath": "a.wav", "pred_text": "x"}\n', "jsonl"),
        ("out.txt", '{"utt_id": "a", "hyp": "x"}\n{"utt_id": "b", "hyp": "y"}\n', "jsonl"),
        ("hypo-1.json", '{"utt_id": ["a"], "ref": ["x"], "hypo": ["y"]}', "json"),
        ("out.json", '[{"utt_id": "a", "hyp": "x"}]', "json"),
        ("out.txt", "u1:\tref=['A']\nu1:\thyp=['B']\n", "recogs"),
        ("out.txt", "%WER = 1\n\nPER-UTT DETAILS: corr or (ref->hyp)  \nu1:\tA (B->*)\n", "errs"),
        ("out.tsv", "id\thyp\na\tx\n", "tsv"),
    ],
)  # fmt: skip
def test_formats_are_detected(tmp_path: Path, name: str, text: str, format_name: str) -> None:
    from ablation.imports.formats import read_file

    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_file(path, {})[0] == format_name


def test_a_report_names_test_sets_without_calling_them_noisy(results: Any) -> None:
    results.write("{arm}/{seed}/{condition}.json", nemo)
    for path in Path().glob("*/*/*.json"):
        path.rename(path.with_name({"clean": "test-clean", "babble_0db": "test-other"}[path.stem] + ".json"))
    import_results("{arm}/{seed}/{condition}.json", Path("study"))
    text = Path("study/report.md").read_text(encoding="utf-8")
    assert "over all conditions. Of 3 arms" in text
    assert "noisy" not in text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_with_a_mark_and_line_ends_do_not_matter(results: Any, encoding: str, end: str) -> None:
    results.write("{arm}/{seed}/{condition}", kaldi(1))
    for path in Path().glob("*/*/*"):
        path.write_bytes(re.sub("\n", end, path.read_text(encoding="utf-8")).encode(encoding))
    Path("ref").write_text(kaldi(0)(next(iter(results.aligned.values()))), encoding="utf-8")
    study, _ = gather(["{arm}/{seed}/{condition}"], "mine", Options(ref="ref"))
    truth = jiwer.wer([*results.references.values()], [*results.texts(("wide", 2, "clean"), 1).values()])
    assert study.of("wide")[1].wer["wer/clean"] == pytest.approx(truth, abs=1e-12)


def test_missing_utterances_may_count_as_deletions(results: Any) -> None:
    results.write("{arm}/{seed}/{condition}.trn", sclite_trn(1))
    Path("ref").write_text(kaldi(0)(next(iter(results.aligned.values()))), encoding="utf-8")
    path = Path("small/1/clean.trn")
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[5:]), encoding="utf-8")
    study, counts = gather(
        ["{arm}/{seed}/{condition}.trn"], "mine", Options(ref="ref", missing="as-deletions", speaker="^s[0-9]")
    )
    heard = {**dict.fromkeys(results.references, ""), **results.texts(("small", 1, "clean"), 1)}
    heard |= dict.fromkeys(list(results.references)[:5], "")
    truth = jiwer.wer([*results.references.values()], [*heard.values()])
    assert study.of("small")[0].wer["wer/clean"] == pytest.approx(truth, abs=1e-12)
    assert study.imported.filled_in == 5
    assert set(counts["speaker"]) == {"s0", "s1", "s2", "s3"}


def test_trials_without_files_may_count_as_failed(results: Any) -> None:
    results.write("{arm}/{seed}/{condition}.json", nemo)
    Path("wide/3/clean.json").unlink()
    study, counts = gather(["{arm}/{seed}/{condition}.json"], "mine", Options(missing_trials="as-failed"))
    [failed] = study.failed()
    assert (failed.arm, failed.seed, failed.reason) == ("wide", 3, "no hypotheses for clean")
    assert len(counts) == 11 * 2 * 30


def test_conditions_are_in_the_order_of_a_report() -> None:
    names = ["clean", "babble_10db", "babble_0db", "babble_-5db", "test-other", "white_5db"]
    assert conditions_of(sorted(names)) == names


def test_test_sets_may_be_the_conditions(results: Any) -> None:
    """Conditions with other utterances, as test-clean and test-other of LibriSpeech."""
    results.write("{arm}/{seed}/{condition}.json", nemo)
    for path in Path().glob("*/*/babble_0db.json"):
        path.write_text(path.read_text(encoding="utf-8").replace("-u", "-other-u"), encoding="utf-8")
        path.rename(path.with_name("test-other.json"))
    study, counts = gather(["{arm}/{seed}/{condition}.json"], "mine", Options())
    assert study.conditions == ["clean", "test-other"]
    assert study.corpus["test"] == 60
    assert set(compare(counts).set_index("arm").loc["no-lm"]["verdict"]) == {"worse"}
