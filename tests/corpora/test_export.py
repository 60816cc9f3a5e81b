"""An export: identical sound, lossless video, lists that toolkits read; hypotheses made on it are scored as here."""

import json
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from scipy.io import wavfile

from ablation.results import read_counts
from ablation.stats.scoring import score_transcripts
from common.conditions import Condition
from common.errors import UserError
from corpora.export.folder import Layout, export
from corpora.export.lists import FORMATS
from corpora.export.sets import Noises, file_names
from corpora.schema import Utterance
from corpora.store import Corpus
from corpora.writer import CorpusWriter
from training import evaluate

Ablate = Callable[..., Any]
SNRS = {"babble": (5.0, 0.0, -5.0), "white": (0.0,)}
CONDITIONS = ("clean", "babble_5db", "babble_0db", "babble_-5db", "white_0db")


@pytest.fixture(scope="module")
def exported(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("export") / "wav"
    export(Corpus.open(small_corpus), to, Noises(SNRS, {}), Layout("wav", "mp4"))
    return to


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_sound_of_a_condition_is_what_the_model_gets(small_corpus: Path, exported: Path, name: str) -> None:
    corpus, condition = Corpus.open(small_corpus), Condition.parse(name)
    banks = evaluate.noise_banks(corpus, SNRS, {})
    for utterance in corpus.utterances("test"):
        rate, samples = wavfile.read(exported / f"test/{name}/wav/{utterance.id}.wav")
        ours = evaluate._sound(corpus, utterance, condition, banks)
        assert rate == 16_000
        assert samples.dtype == (np.int16 if name == "clean" else np.float32)
        np.testing.assert_array_equal(samples / np.float32(32768) if name == "clean" else samples, ours)


def test_recordings_of_a_plan_are_the_noise(small_corpus: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    wavfile.write(tmp_path / "fan.wav", 16_000, draw.integers(-9000, 9000, 16_000 * 40).astype(np.int16))
    corpus, recordings = Corpus.open(small_corpus), {"fan": str(tmp_path / "fan.wav")}
    export(corpus, tmp_path / "out", Noises({"fan": [0.0]}, recordings), Layout())
    banks = evaluate.noise_banks(corpus, {"fan": [0.0]}, recordings)
    utterance = corpus.utterances("test")[0]
    _, samples = wavfile.read(tmp_path / f"out/test/fan_0db/wav/{utterance.id}.wav")
    np.testing.assert_array_equal(samples, evaluate._sound(corpus, utterance, Condition("fan", 0.0), banks))


def test_video_has_no_loss_in_both_kinds(small_corpus: Path, exported: Path, tmp_path: Path) -> None:
    corpus = Corpus.open(small_corpus)
    export(corpus, tmp_path / "npy", Noises({}, {}), Layout(video="npy"))
    for utterance in corpus.utterances("test")[:2]:
        truth = corpus.video(utterance)
        np.testing.assert_array_equal(np.load(tmp_path / f"npy/test/video/{utterance.id}.npy"), truth)
        with av.open(str(exported / f"test/video/{utterance.id}.mp4")) as container:
            assert container.streams.video[0].average_rate == 25
            frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        np.testing.assert_array_equal(np.stack(frames), truth)


def test_every_file_has_its_checksum(exported: Path) -> None:
    done = subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=exported, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"")
    listed = {line.split("  ")[1] for line in (exported / "SHA256SUMS").read_text(encoding="utf-8").splitlines()}
    assert listed == {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()} - {
        "SHA256SUMS"
    }
    assert json.loads((exported / "export.json").read_text(encoding="utf-8"))["sets"]["test/babble_0db"] == 8


@pytest.mark.parametrize("layout", ["wav", "kaldi", "jsonl"])
def test_lists_name_existing_files_and_all_utterances(small_corpus: Path, tmp_path: Path, layout: str) -> None:
    corpus, to = Corpus.open(small_corpus), tmp_path / "out"
    export(corpus, to, Noises({"white": [0.0]}, {}), Layout(layout, "npy"))
    for folder, split in (("train", "train"), ("valid", "valid"), ("test/clean", "test"), ("test/white_0db", "test")):
        place, truth = to / folder, {each.id: each for each in corpus.utterances(split)}
        match layout:
            case "wav":
                head, *rows = [line.split("\t") for line in (place / "utterances.tsv").read_text().splitlines()]
                found = {row["id"]: row for row in (dict(zip(head, row, strict=True)) for row in rows)}
            case "jsonl":
                lines = map(json.loads, (place / "manifest.jsonl").read_text().splitlines())
                found = {
                    row["id"]: row | {"wav": row["audio_filepath"], "video": row["video_filepath"]} for row in lines
                }
            case _:
                names = {"text": "text", "wav": "wav.scp", "video": "video.scp", "speaker": "utt2spk"}
                tables = {key: (place / name).read_text().splitlines() for key, name in names.items()}
                assert all(lines == sorted(lines) for lines in tables.values())
                found = {
                    name: {key: dict(line.split(" ", 1) for line in lines)[name] for key, lines in tables.items()}
                    for name in truth
                }
        assert found.keys() == truth.keys()
        for name, row in found.items():
            assert row["text"] == truth[name].text
            assert row["speaker"] == truth[name].speaker
            assert (place / row["wav"]).is_file()
            assert (place / row["video"]).is_file()


def test_16_bits_are_rounded_and_clipped_samples_counted(small_corpus: Path, tmp_path: Path) -> None:
    corpus = Corpus.open(small_corpus)
    loud = export(corpus, tmp_path / "loud", Noises({"white": [-30.0]}, {}), Layout(bits=16))
    quiet = export(corpus, tmp_path / "quiet", Noises({"white": [30.0]}, {}), Layout(bits=16))
    assert loud.clipped > quiet.clipped
    banks = evaluate.noise_banks(corpus, {"white": [30.0]}, {})
    utterance = corpus.utterances("test")[0]
    _, samples = wavfile.read(tmp_path / f"quiet/test/white_30db/wav/{utterance.id}.wav")
    exact = evaluate._sound(corpus, utterance, Condition("white", 30.0), banks)
    assert samples.dtype == np.int16
    assert np.abs(samples / 32768 - np.clip(exact, -1, 32767 / 32768)).max() <= 0.5 / 32768 + 1e-9


def test_hypotheses_made_on_an_export_are_scored_as_here(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ablate: Ablate
) -> None:
    """The same wrong words, once through files of another toolkit, once through the scoring of a trial."""
    monkeypatch.chdir(tmp_path)
    options = ["--to", "exported", "--format", "kaldi", "--noise", "babble=0"]
    answer = ablate("corpus", "export", small_corpus, *options)
    assert (answer.code, answer.out) == (0, "exported\n")
    assert "in 4 sets" in answer.err
    import pandas as pd

    draw, rows = random.Random(4), []
    for arm in ("baseline", "other"):
        for seed in (1, 2):
            for condition in ("clean", "babble_0db"):
                lines = Path(f"exported/test/{condition}/text").read_text(encoding="utf-8").splitlines()
                heard = {line.split()[0]: _misheard(line.split()[1:], draw) for line in lines}
                path = Path(f"exp/{arm}/{seed}/{condition}/text")
                path.parent.mkdir(parents=True)
                path.write_text("".join(f"{name} {text}\n" for name, text in heard.items()), encoding="utf-8")
                rows += [(arm, seed, condition, name, text) for name, text in heard.items()]
    pattern = "exp/{arm}/{seed}/{condition}/text"
    done = ablate("import", "--hyp", pattern, "--ref", "exported/test/{condition}/text", "--out", "studies/theirs")
    assert (done.code, done.err) == (0, "")

    keys = ["arm", "seed", "condition", "utterance_id"]
    said = {each.id: each.text for each in Corpus.open(small_corpus).utterances("test")}
    ours = pd.DataFrame(rows, columns=[*keys, "hypothesis"])
    ours = score_transcripts(ours.assign(reference=ours["utterance_id"].map(said))).sort_values(keys)
    theirs = read_counts(Path("studies/theirs")).sort_values(keys)
    for column in ("substitutions", "deletions", "insertions", "reference_words", "character_substitutions"):
        assert theirs[column].tolist() == ours[column].tolist()
    assert ours[["substitutions", "deletions", "insertions"]].sum().min() > 0


def _misheard(words: list[str], draw: random.Random) -> str:
    kept = [word if draw.random() > 0.2 else f"{word}s" for word in words if draw.random() > 0.1]
    return " ".join([*kept, *(["um"] if draw.random() < 0.3 else [])])


def test_the_command_of_the_page_works_and_gives_what_it_lists(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ablate: Ablate
) -> None:
    page = (Path(__file__).parents[2] / "docs/export.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    [command] = re.findall(r"^ablate (corpus export .*)$", page, re.MULTILINE)
    assert ablate(*command.replace("corpora-cache/NAME", str(small_corpus)).split()).code == 0
    for name in ("test/clean/text", "test/babble_0db/wav.scp", "train/video", "export.json", "SHA256SUMS"):
        assert Path("exported", name).exists()
    for name in FORMATS:
        assert f"| `{name}` |" in page


MISTAKES: dict[str, tuple[list[object], str]] = {
    "format": (["--format", "kladi"], "did you mean 'kaldi'"),
    "video": (["--video", "mp5"], "did you mean 'mp4'"),
    "bits": (["--bits", 24], "--bits is 16 or 32, got 24"),
    "noise": (["--noise", "babble"], "such as babble=10,5,0, got 'babble'"),
    "no number": (["--noise", "babble=loud"], "got 'babble=loud'"),
    "infinite": (["--noise", "babble=inf"], "got 'babble=inf'"),
    "twice": (["--noise", "babble=0", "--noise", "babble=5"], "'babble' occurs twice"),
    "unknown kind": (["--noise", "cafe=0"], "no noise of kind 'cafe'"),
    "both": (["--noise", "babble=0", "--plan", "plan.yaml"], "both are given"),
    "no plan": (["--plan", "plan.yaml"], "plan.yaml"),
    "full": (["--to", "full"], "holds 1 files, e.g. 'a'"),
    "a file": (["--to", "full/a"], "is a file"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ablate: Ablate, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/a").write_text("", encoding="utf-8")
    options, said = MISTAKES[case]
    answer = ablate("corpus", "export", small_corpus, *([] if "--to" in options else ["--to", "out"]), *options)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert sorted(path.name for path in Path().iterdir()) == ["full"]


def test_no_corpus_and_a_target_inside_of_it_are_refused(small_corpus: Path, tmp_path: Path, ablate: Ablate) -> None:
    assert ablate("corpus", "export", tmp_path, "--to", tmp_path / "out").code == 2
    inside = ablate("corpus", "export", small_corpus, "--to", small_corpus / "out")
    assert (inside.code, "is inside of the prepared corpus" in inside.err) == (2, True)


def test_a_full_disk_is_said_before_anything_is_written(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"takes about \d+ MB, .* has 1\.0 kB free|takes about"):
        export(Corpus.open(small_corpus), tmp_path / "out", Noises({}, {}), Layout())
    assert not list(tmp_path.iterdir())


def test_ids_become_file_names_of_their_own() -> None:
    def utterance(identity: str) -> Utterance:
        return Utterance(identity, "s", "test", "a", 1, 640, "", "", 0, 0)

    assert file_names([utterance("test/5/1"), utterance("../x"), utterance("é-1")]) == {
        "test/5/1": "test_5_1",
        "../x": "_._x",
        "é-1": "é-1",
    }
    with pytest.raises(UserError, match="'a/b' and 'a_b' would both"):
        file_names([utterance("a/b"), utterance("a_b")])


def test_a_corpus_without_a_test_split_is_refused(tmp_path: Path, small_corpus: Path) -> None:
    source = Corpus.open(small_corpus)
    clip = source.utterances("train")[0]
    from corpora.schema import Clip

    with CorpusWriter(tmp_path / "corpus", "test://x") as writer:
        writer.add(Clip(clip.id, clip.speaker, "train", clip.text, source.video(clip), source.audio(clip)))
    with pytest.raises(UserError, match="has 0 utterances"):
        export(Corpus.open(tmp_path / "corpus"), tmp_path / "out", Noises({}, {}), Layout())
