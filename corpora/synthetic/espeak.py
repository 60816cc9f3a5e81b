"""Speech of espeak-ng for a line of text, with the start of each phoneme.

The same call gives the same samples, independent of earlier calls. This takes two steps. First, espeak seeds the noise of its
fricatives with the clock, so we set the seed. Second, espeak keeps state in static variables from one utterance to the next
(intonation, wave phase), and `espeak_Initialize` does not reset them. So the library is unloaded and loaded again: 3 ms.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import espeakng_loader
import numpy as np

RATE_HZ = 22_050
# Constants of espeak-ng's public C interface (speak_lib.h).
_SYNCHRONOUS, _PHONEME_EVENTS, _DONT_EXIT = 2, 0x0001, 0x8000
_PARAMETER_RATE, _PARAMETER_PITCH = 1, 3
_UTF8, _TEXT_HAS_PHONEMES, _AT_CHARACTER = 1, 0x100, 1
_LIST_ENDS, _PHONEME_BEGINS = 0, 7


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Phoneme:
    """A sound: its name in espeak, and its start and end in seconds."""

    name: str
    begins: float
    ends: float


@dataclass(frozen=True)
class Speech:
    """int16 (samples,) at 22.05 kHz, and the phonemes in order. They include pauses, whose names begin with `_`."""

    samples: np.ndarray
    phonemes: list[Phoneme]


def speak(voice: str, line: str, *, words_per_minute: int, pitch: int, seed: int) -> Speech:
    """Speak a line of text, in which `[[...]]` contains phonemes. `pitch` is 0 to 99; 50 is the default of the voice.

    Raises ValueError for a voice that espeak does not have.
    """
    pieces: list[np.ndarray] = []
    onsets: list[tuple[str, float]] = []

    @_Callback
    def take(wave: Any, count: int, events: Any) -> int:
        if count > 0:
            pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        for event in _until_the_end(events):
            if event.type == _PHONEME_BEGINS:
                onsets.append((event.name.decode(), event.sample / RATE_HZ))
        return 0

    with _library() as library:
        library.espeak_SetSynthCallback(take)
        if library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        library.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0)
        library.espeak_SetParameter(_PARAMETER_PITCH, pitch, 0)
        library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        text, flags = line.encode(), _UTF8 | _TEXT_HAS_PHONEMES
        library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, _AT_CHARACTER, 0, flags, None, None)
    samples = np.concatenate(pieces)
    ends = [begins for _, begins in onsets[1:]] + [len(samples) / RATE_HZ]
    return Speech(samples, [Phoneme(name, begins, end) for (name, begins), end in zip(onsets, ends, strict=True)])


@contextmanager
def _library() -> Iterator[ctypes.CDLL]:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        data = espeakng_loader.get_data_path().encode()
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS | _DONT_EXIT)
        if rate != RATE_HZ:
            raise RuntimeError(f"espeak-ng must start and speak at {RATE_HZ} Hz, but it answered {rate}")
        yield library
        library.espeak_Terminate()
    finally:
        close = ctypes.CDLL(None).dlclose
        close.argtypes = [ctypes.c_void_p]
        close(library._handle)


def _until_the_end(events: Any) -> Iterator[_Event]:
    place = 0
    while events[place].type != _LIST_ENDS:
        yield events[place]
        place += 1
