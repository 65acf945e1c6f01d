"""What the speaker would sound like: a frequency as a note with its distance in cents."""

from __future__ import annotations

import math
from fractions import Fraction

__all__ = ["note_name"]

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_A4 = 440


def note_name(hz: Fraction) -> tuple[str, str] | None:
    """The nearest note of equal temperament on A4 = 440 Hz and how far off it is: `("A4", "+0.5 cent")`.

    None for what no ear hears as a tone: below 16 Hz and above 20 kHz.
    """
    if not 16 <= hz <= 20_000:
        return None
    cents = round(12_000 * math.log2(hz / _A4))
    semitones = math.floor(cents / 1000 + 0.5)
    off = cents - 1000 * semitones
    octave, name = divmod(semitones + 57, 12)
    sign = "+" if off > 0 else "−" if off < 0 else ""
    tenths = abs(off)
    return f"{_NAMES[name]}{octave}", f"{sign}{tenths // 10}.{tenths % 10} cent"
