"""`ablate transcribe`: the text of the evaluation of the trial, and one sentence for every invalid input."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from ready_store import copy_database

from corpora.clip import LONGEST_S
from corpora.media import tracks
from corpora.mouth.cut import ROOT as CHECKOUT
from corpora.prepare import prepare
from corpora.store import Corpus
from model.config import CATALOGUE, load
from pipelines.local.clips import read_clips
from tracking.checkpoints import log_checkpoint, register
from tracking.studies import open_study
from training.evaluate import transcribe
from training.loop import train_trial
from training.transcriber import from_bytes, to_bytes

GRID = Path("../shared/data/grid")
TINY = {
    "training.steps": 6,
    "training.batch_size": 4,
    "encoder.layers": 1,
    "encoder.width": 32,
    "encoder.feedforward": 64,
    "decoder.units": "word",
}
ADDRESS = "models:/demo@baseline"


@dataclass
class Trained:
    """A store with a registered checkpoint, the folder of the checkpoint, and the hypotheses of its evaluation."""

    uri: str
    folder: Path
    heard: pd.DataFrame


@pytest.fixture(scope="module")
def trained(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("trained")
    uri, folder = f"sqlite:///{root / 'mlflow.db'}", root / "checkpoint"
    settings = CATALOGUE.resolve("tiny", TINY)
    train_trial(settings, 1, small_corpus, folder, threads=1, log=lambda _step, _metrics: None)
    heard = transcribe(folder, small_corpus, {"babble": [0.0]}, threads=1)
    copy_database(root / "mlflow.db")
    trial = {"arm": "baseline", "seed": 1, "part": None, "params": {}}
    run_id = open_study(uri, "demo", question="", params={}, conditions=["clean"], trials=[trial]).trials[0]
    register(uri, "demo", log_checkpoint(uri, run_id, folder, {}), {"fingerprint": "a"}, ["baseline", "champion"])
    return Trained(uri, folder, heard)


@pytest.fixture
def say(ablate: Callable[..., Any], trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the command on the store of `trained`."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.uri)
    return lambda *arguments: ablate("transcribe", *arguments)


def utterances(corpus: Path) -> list[str]:
    return [f"{corpus}#{utterance.id}" for utterance in Corpus.open(corpus).utterances("test")]


@pytest.mark.parametrize(("options", "condition"), [((), "clean"), (("--snr-db", "0"), "babble_0db")])
def test_text_equals_the_hypothesis_of_the_evaluation(
    say: Callable[..., Any], trained: Trained, small_corpus: Path, options: tuple[str, ...], condition: str
) -> None:
    rows = trained.heard[trained.heard["condition"] == condition]
    heard = {f"{small_corpus}#{row['utterance_id']}": row["hypothesis"] for row in rows.to_dict("records")}
    clips = utterances(small_corpus)
    assert say(*clips, "--model", ADDRESS, *options).out.splitlines() == [f"{clip}\t{heard[clip]}" for clip in clips]
    assert len(set(heard.values())) > 1, "a model that always says the same would pass whatever it is given"


def test_one_clip_prints_its_text_for_every_model_address(
    say: Callable[..., Any], trained: Trained, small_corpus: Path
) -> None:
    [clip, *_] = utterances(small_corpus)
    said = {say(clip, "--model", model).out for model in (ADDRESS, "models:/demo/1", trained.folder)}
    clean = trained.heard[trained.heard["condition"] == "clean"].set_index("utterance_id")["hypothesis"]
    assert said == {f"{clean[clip.rpartition('#')[2]]}\n"}
    found = json.loads(say(clip, "--model", ADDRESS, "--json").out)
    assert (found["model"], found["version"], found["clips"][0]["clip"]) == (ADDRESS, "1", clip)
    assert {f"{found['clips'][0]['text']}\n"} == said


def test_a_request_holds_the_utterance_bit_for_bit(say: Callable[..., Any], small_corpus: Path) -> None:
    [utterance, *_] = Corpus.open(small_corpus).utterances("test")
    body = json.loads(say(f"{small_corpus}#{utterance.id}", "--request").out)["dataframe_split"]
    assert body["columns"] == ["audio", "video"]
    [clip] = read_clips([f"{small_corpus}#{utterance.id}"], "babble", None)
    back = from_bytes(*to_bytes(clip))
    assert np.array_equal(back.audio * 32768, Corpus.open(small_corpus).audio(utterance))
    assert np.array_equal(back.video, Corpus.open(small_corpus).video(utterance))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("models:/demo@champoin", "has no alias 'champoin': did you mean 'champion'? Known: baseline, champion"),
        ("models:/dmo@champion", "no registered model 'dmo'"),
        ("models:/demo/7", "has no version 7. Known: 1"),
        ("demo", "got 'demo'"),
        ("models:/demo", "got 'models:/demo'"),
    ],
)
def test_an_unknown_model_is_a_sentence_with_the_known_ones(
    say: Callable[..., Any], small_corpus: Path, model: str, why: str
) -> None:
    answer = say(utterances(small_corpus)[0], "--model", model)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert why in answer.err


@pytest.mark.parametrize(
    ("uri", "why", "code"),
    [
        ("http://127.0.0.1:9", "cannot be reached: connection refused", 1),
        ("sqlite:////nowhere/mlflow.db", "no MLflow store", 2),
    ],
)
def test_an_unreachable_store_is_a_sentence(
    say: Callable[..., Any], small_corpus: Path, uri: str, why: str, code: int
) -> None:
    answer = say(utterances(small_corpus)[0], "--model", ADDRESS, "--tracking-uri", uri)
    assert answer.code == code
    assert why in answer.err


def changed(config: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    [key, *rest] = path
    return {**config, key: changed(config[key], *rest, to=to) if rest else to}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda config: changed(config, "settings", "parts", "fusion.scale", to={"kind": "quantum"}), "quantum"),
        (lambda config: changed(config, "settings", "parts", "fusion.colour", to={"kind": "red"}), "fusion.colour"),
        (lambda config: changed(config, "units", to={}), "kind"),
        (lambda config: changed(config, "settings", "encoder", "width", to=64), "size mismatch"),
    ],
)
def test_a_checkpoint_of_another_version_is_a_sentence(
    say: Callable[..., Any], trained: Trained, small_corpus: Path, tmp_path: Path, change: Any, why: str
) -> None:
    folder = Path(shutil.copytree(trained.folder, tmp_path / "other"))
    config = json.loads((folder / "config.json").read_text())
    assert load(config["settings"])
    (folder / "config.json").write_text(json.dumps(change(config)))
    answer = say(utterances(small_corpus)[0], "--model", folder)
    assert (answer.code, answer.out) == (2, "")
    assert "git_revision" in answer.err
    assert why in answer.err


def video(path: Path, frames: int, *, sound: bool, fps: int = 25) -> Path:
    """Write a grey video without a face, with a tone."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=fps)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        tone = container.add_stream("aac", rate=16_000) if sound else None
        for number in range(frames):
            grey = np.full((64, 64, 3), number % 200, np.uint8)
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(pictures.encode())
        if tone is not None:
            wave = (3000 * np.sin(np.arange(frames * 16_000 // fps) / 5)).astype(np.float32)[None] / 32768
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux([*tone.encode(frame), *tone.encode()])
    return path


def test_an_invalid_clip_is_a_sentence(
    say: Callable[..., Any], small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_MOUTH_PYTHON", str(tmp_path / "none"))
    (tmp_path / "text.mp4").write_text("no video")
    sentences = {
        str(tmp_path / "absent.mp4"): "is neither",
        str(tmp_path / "text.mp4"): "cannot be read as a video",
        str(video(tmp_path / "silent.mp4", 10, sound=False)): "has a sound track, and",
        str(
            video(tmp_path / "long.mp4", 70, sound=True, fps=1)
        ): "it lasts 70 s by its header; a clip lasts at most 60 s",
        str(video(tmp_path / "film.mp4", 10, sound=True)): "run `make mouth`",
        f"{small_corpus}#test-99": "the nearest are test-",
        f"{tmp_path}#test-1": "a prepared corpus is a folder with corpus.json",
    }
    for clip, why in sentences.items():
        answer = say(clip, "--model", ADDRESS)
        assert (answer.code, answer.out) == (2, "")
        assert why in answer.err
        assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--snr-db", "nan"), "finite"),
        (("--snr-db", "0", "--noise", "rain"), "no noise of kind 'rain'"),
        (("--noise", "white"), "--noise needs an SNR, got --noise white alone; add --snr-db"),
    ],
)
def test_invalid_noise_is_a_sentence(
    say: Callable[..., Any], small_corpus: Path, options: tuple[str, ...], why: str
) -> None:
    answer = say(utterances(small_corpus)[0], "--model", ADDRESS, *options)
    assert answer.code == 2
    assert why in answer.err


def test_the_limit_of_the_file_is_that_of_the_model() -> None:
    assert tracks.LONGEST_S == LONGEST_S


def needs_faces() -> None:
    if not GRID.is_dir():
        pytest.skip("there are no real GRID clips")
    if not (CHECKOUT / ".venv-mouth" / "bin" / "python").is_file():
        pytest.skip("`make mouth` was not run")


@pytest.mark.slow
def test_a_real_clip_equals_its_utterance_in_the_corpus(
    say: Callable[..., Any], trained: Trained, tmp_path: Path
) -> None:
    needs_faces()
    clips = pd.read_csv(GRID / "clips.csv")[:3]
    clips["file"] = [str((GRID / file).resolve()) for file in clips["file"]]
    clips.to_csv(tmp_path / "clips.csv", index=False)
    corpus = prepare(f"grid://{tmp_path}?test=1&valid=1", tmp_path / "cache")
    [utterance] = Corpus.open(corpus).utterances("test")
    [file] = clips["file"][clips["transcript"] == utterance.text]
    of_file, of_corpus = read_clips([file, f"{corpus}#{utterance.id}"], "babble", None)
    assert np.array_equal(of_file.audio, of_corpus.audio)
    assert np.array_equal(of_file.video, of_corpus.video)
    black = video(tmp_path / "black.mp4", 10, sound=True)
    assert "no face in 10 of 10 frames" in say(black, "--model", trained.folder).err
