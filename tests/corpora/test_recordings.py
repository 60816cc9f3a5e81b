"""Recorded noise: silence is left out, levels are exact, bad recordings are refused, and memory is bounded."""

import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from common.errors import UserError
from corpora import recordings
from corpora.noise import FULL_SCALE, NoiseBank, noisy
from corpora.schema import Clip
from corpora.store import Corpus
from corpora.writer import CorpusWriter

CASES = Path("../shared/cases/noise")
RATE = 16_000
DRAW = np.random.default_rng(0)
SOUND = DRAW.standard_normal(4 * RATE) * 2000
DITHER = DRAW.uniform(-1, 1, 5 * RATE) + DRAW.uniform(-1, 1, 5 * RATE)
NOTHING = np.zeros(5 * RATE + 123)
SNRS = (-5.0, 0.0, 10.0)


def write(path: Path, samples: np.ndarray, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("corpus") / "corpus"
    with CorpusWriter(path, "test://noise") as writer:
        sound = (DRAW.standard_normal(640) * 1000).astype(np.int16)
        writer.add(Clip("u", "s", "test", "bin blue", np.zeros((1, 96, 96), np.uint8), sound))
    return Corpus.open(path)


def levels(corpus: Corpus, source: Path) -> Iterator[tuple[float, float]]:
    """Yield wanted and measured SNR in dB of pieces of 0.4 s, the shortest that is spoken, everywhere in both halves."""
    speech = (DRAW.standard_normal(RATE * 2 // 5) * 3000).astype(np.int16)
    clean = speech / FULL_SCALE
    for purpose in ("train", "test"):
        bank = NoiseBank.from_corpus(corpus, "street", str(source), purpose)
        for place in range(0, len(bank.track), RATE // 7):
            for snr_db in SNRS:
                added = noisy(speech, bank.at(place, len(speech)), snr_db) - clean
                yield snr_db, 10 * np.log10(np.mean(clean**2) / np.mean(added**2))


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([SOUND], id="sound"),
        pytest.param([SOUND, NOTHING, SOUND[:12345]], id="pause"),
        pytest.param([NOTHING, SOUND], id="silent first half"),
        pytest.param([SOUND, DITHER], id="pause with dither"),
        pytest.param([SOUND, np.full(RATE, 9000.0)], id="stuck converter"),
        pytest.param([SOUND / 500, NOTHING], id="quiet recording"),
    ],
)
def test_any_piece_of_a_recording_has_the_wanted_snr(corpus: Corpus, tmp_path: Path, samples: list[np.ndarray]) -> None:
    source = write(tmp_path / "a.wav", np.concatenate(samples)).parent
    found = list(levels(corpus, source))
    assert len(found) > 50
    assert [measured for _, measured in found] == pytest.approx([wanted for wanted, _ in found], abs=0.1)


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases of ../shared are not here")
@pytest.mark.parametrize("case", ["gap", "half"])
def test_cases_of_silence_have_the_wanted_snr(corpus: Corpus, case: str) -> None:
    assert all(measured == pytest.approx(wanted, abs=0.1) for wanted, measured in levels(corpus, CASES / case))
    assert "s are silence and are left out (b-" in recordings.check({"street": str(CASES / case)})[0]


def test_only_the_silent_windows_are_cut(tmp_path: Path) -> None:
    sound = SOUND.round().astype(np.int16)
    whole = write(tmp_path / "whole" / "a.wav", sound)
    first, _ = recordings.open_half(whole, first=True)
    second, power = recordings.open_half(whole.parent, first=False)
    assert np.array_equal(np.concatenate([first, second]), sound)
    assert power == np.mean(np.square(second, dtype=np.float64))
    cut = write(tmp_path / "cut" / "A.WAV", np.concatenate([sound[:6400], np.zeros(640 * 400), sound[6400:]]))
    write(cut.with_name("._A.WAV"), sound[:10]), write(cut.with_name("b.wav"), NOTHING)
    assert np.array_equal(
        np.concatenate([recordings.open_half(cut.parent, first=each)[0] for each in (True, False)]), sound
    )
    found = recordings.examine(cut.parent)
    assert found.silent_files == ("b.wav",)
    assert found.silent_seconds == pytest.approx(16 + len(NOTHING) / RATE)
    assert found.warning == "21.0 of 25.0 s are silence and are left out (b.wav throughout)"


@pytest.mark.parametrize(
    ("samples", "channels", "said"),
    [
        (NOTHING, 1, "0.0 s of sound"),
        (DITHER, 1, "0.0 s of sound"),
        (np.full(5 * RATE, 8000), 1, "0.0 s of sound"),
        (np.stack([SOUND, -SOUND], 1).ravel(), 2, "mixed to mono"),
        (SOUND[:RATE], 1, "needs 2 s of recorded sound"),
        (SOUND / 100 + 8000, 1, "a constant offset of 8000"),
    ],
)
def test_recordings_that_cannot_serve_are_refused(
    tmp_path: Path, samples: np.ndarray, channels: int, said: str
) -> None:
    write(tmp_path / "a.wav", samples, channels)
    with pytest.raises(UserError, match=said) as caught:
        recordings.check({"street": str(tmp_path)})
    assert str(caught.value).startswith("noise 'street': ")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_recordings_are_refused_by_name(tmp_path: Path) -> None:
    good = write(tmp_path / "a.wav", SOUND)
    with pytest.raises(UserError, match="does not exist here"):
        recordings.check({"street": str(tmp_path / "absent")})
    assert "were not checked" in recordings.check({"street": str(tmp_path / "absent")}, here=False)[0]
    bad = tmp_path / "b.flac"
    for content in (b"", b"no sound at all" * 100):
        bad.write_bytes(content)
        with pytest.raises(UserError, match=r"b\.flac cannot be decoded"):
            recordings.check({"street": str(tmp_path)})
    bad.unlink()
    assert recordings.check({"street": str(good)}) == []


def test_samples_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    samples = (SOUND / FULL_SCALE).astype("<f4")
    samples[1000:2000] = np.nan
    wavfile.write(tmp_path / "a.wav", RATE, samples)
    with pytest.raises(UserError, match="not numbers"):
        recordings.check({"street": str(tmp_path / "a.wav")})


def test_memory_is_that_of_what_is_used(tmp_path: Path) -> None:
    """Twenty minutes are 38 MB as int16, and were 300 MB as float64."""
    write(tmp_path / "a.wav", np.tile(SOUND, 300))
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom corpora import recordings\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "recordings.open_half(Path(sys.argv[2]), first=True)\nbefore = peak()\n"
        "half, _ = recordings.open_half(Path(sys.argv[1]), first=True)\n"
        "print(len(half), peak() - before)"
    )
    short = write(tmp_path / "short.wav", np.tile(SOUND, 10))
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a.wav", short], env=os.environ, capture_output=True, check=True
    )
    samples, grown_kb = map(int, done.stdout.split())
    assert samples == len(SOUND) * 150
    assert grown_kb < 8000
