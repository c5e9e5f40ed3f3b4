"""Finding records by the words they hold: one inverted index for all kinds, in the same database and transaction.

Words are cut and folded here, so that every server agrees on them. Each stands in the index behind its account, its
kind and a stretch of ids ("1T3f:refund"): a search meets no other account's words, reads the newest stretch first,
and costs the same whether a million records have the word or ten. The kind is one capital letter, the caller's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from deskhand.kernel.database import sql

STRETCH = 65_536  # ids
LONGEST = 64  # letters of a word
MOST = 2_000  # words of a record
MOST_ASKED = 8  # words of a question
FIRST = 2**62  # before every id

_WORD = re.compile(r"\w+")
#: Letters that Unicode does not take apart, but people do.
_ALIKE = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})


@lru_cache(maxsize=4096)
def _folded(letter: str) -> str:
    apart = unicodedata.normalize("NFKD", letter.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one)).translate(_ALIKE)


def fold(text: str) -> str:
    """Letters without case and marks."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


def words_of(text: str, most: int = MOST) -> list[str]:
    """The words of `text`, folded, each once."""
    found = dict.fromkeys(word[:LONGEST] for word in _WORD.findall(fold(text)))
    return list(found)[:most]


def put(account_id: int, kind: str, texts: Mapping[int, str]) -> None:
    """Let records be found by these words and no others. Safe to repeat."""
    lexemes = {
        pk: [_lexeme(account_id, kind, pk // STRETCH, word) for word in words_of(text)]
        for pk, text in texts.items()
    }
    found = {pk: words for pk, words in lexemes.items() if words}
    drop(account_id, kind, lexemes.keys() - found.keys())
    if found:
        sql.execute(_PUT, [account_id, kind, list(found), [sql.array(words) for words in found.values()]])


_PUT = """
insert into kernel_searchentry (account_id, kind, record_id, words)
select %s, %s, x.id, array_to_tsvector(x.words::text[]) from unnest(%s::bigint[], %s::text[]) x(id, words)
on conflict (account_id, kind, record_id) do update set words = excluded.words
where kernel_searchentry.words is distinct from excluded.words
"""


def drop(account_id: int, kind: str, record_ids: Iterable[int]) -> None:
    gone = sorted(record_ids)
    if gone:
        sql.execute(
            "delete from kernel_searchentry where account_id = %s and kind = %s and record_id = any(%s)",
            [account_id, kind, gone],
        )


def candidates(
    account_id: int, kind: str, words: Sequence[str], *, before: int = FIRST, limit: int
) -> tuple[str, list[Any]]:
    """SQL that gives the ids (`record_id`) of the newest records below `before` that have all words, newest first,

    and its parameters. Longer words stand for all that begin with them. The caller asks who may see the records.
    """
    asked = " & ".join(_asked(account_id, kind, word) for word in words)
    own = [account_id, kind, before]
    return _FIND, [*own, *own, asked, *own, limit, limit]


_FIND = f"""
select e.record_id from (
    select generate_series(
        (select max(record_id) from kernel_searchentry where account_id = %s and kind = %s and record_id < %s) / {STRETCH},
        (select min(record_id) from kernel_searchentry where account_id = %s and kind = %s and record_id < %s) / {STRETCH}, -1) as stretch
) b cross join lateral (
    select s.record_id from kernel_searchentry s
    where s.words @@ replace(%s, '*stretch*', to_hex(b.stretch))::tsquery
      and s.account_id = %s and s.kind = %s and s.record_id < %s
    order by s.record_id + 0 desc limit %s
) e limit %s
"""  # `+ 0`: in the order of the words' index, not along the ids until enough have the words


def _lexeme(account_id: int, kind: str, stretch: int | str, word: str) -> str:
    return f"{account_id}{kind}{stretch if isinstance(stretch, str) else f'{stretch:x}'}:{word}"


def _asked(account_id: int, kind: str, word: str) -> str:
    """A word has letters, digits and underscores only, so nothing in it ends the quotes."""
    begins = ":*" if len(word) > 1 else ""
    return f"'{_lexeme(account_id, kind, '*stretch*', word)}'{begins}"


# ── showing what was found ───────────────────────────────────────────────────────────────────────────────────────────


def marked(text: str, words: Sequence[str]) -> list[tuple[str, bool]]:
    """`text` in parts, each with whether it is the beginning of a word that was asked for."""
    folded, places = _with_places(text)
    parts: list[tuple[str, bool]] = []
    done = 0
    for found in _WORD.finditer(folded):
        length = max((len(word) for word in words if found.group().startswith(word)), default=0)
        if not length:
            continue
        begin, end = places[found.start()], places[found.start() + length - 1] + 1
        if begin > done:
            parts.append((text[done:begin], False))
        parts.append((text[begin:end], True))
        done = end
    if done < len(text):
        parts.append((text[done:], False))
    return parts


def excerpt(text: str, words: Sequence[str], around: int = 70) -> str:
    """The part of `text` about the first word that was asked for, on one line."""
    line = " ".join(text.split())
    folded, places = _with_places(line)
    first = next(
        (found.start() for found in _WORD.finditer(folded) if any(map(found.group().startswith, words))), 0
    )
    at = places[first] if places else 0
    begin = max(0, at - around)
    end = min(len(line), at + 2 * around)
    begin = line.rfind(" ", 0, begin) + 1 if begin else 0
    return ("…" if begin else "") + line[begin:end] + ("…" if end < len(line) else "")


def _with_places(text: str) -> tuple[str, list[int]]:
    """The folded text, and of each of its letters the place in `text`."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    letters = [(folded, place) for place, letter in enumerate(text) for folded in _folded(letter)]
    return "".join(letter for letter, _place in letters), [place for _letter, place in letters]
