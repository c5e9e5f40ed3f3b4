"""When two texts count as the same: large and small letters do, accents don't.

The table is ours and finite, so Python and every PostgreSQL, whatever its locale, agree on it letter by letter:
ASCII, Latin with its European and Vietnamese letters, Greek and Cyrillic.
"""

from __future__ import annotations

_LETTERS = (
    *range(0x00C0, 0x00DF),  # Latin-1
    *range(0x0100, 0x0180),  # Latin Extended-A
    0x01A0, 0x01AF, 0x0218, 0x021A,  # Vietnamese horns, Romanian commas
    *range(0x0386, 0x03AC),  # Greek
    *range(0x0400, 0x0430),  # Cyrillic
    0x0490,  # Ukrainian
    *range(0x1EA0, 0x1EFA),  # Vietnamese
)  # fmt: skip
_PAIRS = {
    chr(code): chr(code).lower()
    for code in _LETTERS
    if chr(code).lower() != chr(code) and len(chr(code).lower()) == 1
}

#: For SQL's translate(): the large letters beyond ASCII, and the small ones in the same order.
LARGE = "".join(_PAIRS)
SMALL = "".join(_PAIRS.values())

_TABLE = str.maketrans(_PAIRS) | {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def fold(text: str) -> str:
    return text.translate(_TABLE)
