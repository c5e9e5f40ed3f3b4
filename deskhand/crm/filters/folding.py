"""When two texts count as the same: large and small letters do, accents don't.

The table is ours and finite, so Python and every PostgreSQL, whatever its locale, agree on it letter by letter:
ASCII, Latin with its European and Vietnamese letters, Greek and Cyrillic.
"""

from __future__ import annotations

import re
from functools import lru_cache

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


#: What stands between words: blanks and the signs of ASCII but for the underscore, the same for every locale of a server.
_BETWEEN = r"\t-\r !-/:-@\[-^`{-~"
#: Letters of a word that a star between others stands for at most: what is searched may come from anybody.
_MOST_OF_STAR = 60


@lru_cache(maxsize=1024)
def word_pattern(text: str) -> str:
    """What finds these words in a folded text, whole and in this order; a star stands for any letters of a word. Python and
    PostgreSQL read it alike."""
    folded = re.sub(r"\*+", "*", fold(text.strip()))
    inner = folded.strip("*")
    if not inner:
        return f"[^{_BETWEEN}]"  # any word
    begins = "" if folded.startswith("*") else rf"(?:\A|[{_BETWEEN}])"
    ends = "" if folded.endswith("*") else rf"(?:\Z|[{_BETWEEN}])"
    some = f"[^{_BETWEEN}]{{0,{_MOST_OF_STAR}}}"
    return begins + some.join(map(re.escape, inner.split("*"))) + ends
