"""Speech with known word times, from the system's espeak-ng library (``apt-get install espeak-ng``)."""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpokenWord", "Utterance", "speak"]

Samples = NDArray[np.float64]

# The values of speak_lib.h.
_SYNCHRONOUS, _UTF8, _WORD, _RATE, _PITCH, _RANGE = 2, 1, 1, 1, 3, 4


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class SpokenWord:
    """One word and the sample at which it begins."""

    word: str
    start: int


@dataclass(frozen=True)
class Utterance:
    """``samples`` in [-1, 1] at ``rate`` Hz, and the words in them."""

    samples: Samples
    rate: int
    words: tuple[SpokenWord, ...]


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    name = ctypes.util.find_library("espeak-ng")
    if name is None:
        raise SystemExit("espeak-ng is missing: apt-get install espeak-ng")
    library = ctypes.CDLL(name)
    return library, int(library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0))


def speak(text: str, voice: str, *, words_a_minute: int = 165, pitch: int = 50, liveliness: int = 60) -> Utterance:
    """``text`` read by ``voice`` (``"gmw/en-US+f3"``: a voice file and a variant).

    ``pitch`` and ``liveliness`` (the range of the pitch) are espeak-ng's 0..100.
    """
    library, rate = _library()
    blocks: list[Samples] = []
    starts: list[tuple[int, int]] = []

    def receive(samples: ctypes._Pointer[ctypes.c_short], count: int, event: ctypes._Pointer[_Event]) -> int:
        if count > 0:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float64) / 32768)
        position = 0
        while event[position].type:
            if event[position].type == _WORD:
                starts.append((event[position].text_position - 1, event[position].sample))
            position += 1
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()):
        raise SystemExit(f"espeak-ng has no voice {voice}")
    for parameter, value in ((_RATE, words_a_minute), (_PITCH, pitch), (_RANGE, liveliness)):
        library.espeak_SetParameter(parameter, value, 0)
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    return Utterance(np.concatenate(blocks), rate, _words(text, starts))


def _words(text: str, starts: list[tuple[int, int]]) -> tuple[SpokenWord, ...]:
    """One start per written word: espeak-ng reads "42" as two words and some pairs of words as one."""
    found: list[SpokenWord] = []
    position = 0
    for word in text.split():
        begin = text.index(word, position)
        position = begin + len(word)
        inside = [sample for place, sample in starts if begin <= place < position]
        if inside or found:
            found.append(SpokenWord(word, inside[0] if inside else found[-1].start))
        else:
            found.append(SpokenWord(word, 0))
    return tuple(found)
