"""The words by which contacts and companies are found, and the names and sort keys that follow from others.

Whoever calls `follow` holds the records' locks, or has just made them; so a record's words always say what it says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from deskhand.accounts.users import sort_key
from deskhand.crm.records.models import RecordWord
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import current_account_id

ADDRESSES = "hs_additional_emails"
LONGEST = 100  # characters of a word that are kept
MOST = 40  # words of one record
TERMS = 5  # of one question

#: Columns whose change changes words or names.
WATCHED: Mapping[str, frozenset[str]] = {
    "contact": frozenset({"first_name", "last_name", "email"}),
    "company": frozenset({"name", "domain"}),
}
#: What must be known of a record to work them out.
NEEDED: Mapping[str, frozenset[str]] = {
    "contact": WATCHED["contact"] | {"name", "sort_key"},
    "company": WATCHED["company"] | {"sort_key"},
}
_PARTS = re.compile(r"[^\w]+", re.UNICODE)


def is_watched(object_type: str, names: Iterable[str]) -> bool:
    """Whether words or names follow from a change of these columns or properties."""
    return not WATCHED.get(object_type, frozenset()).isdisjoint(names) or (
        object_type == "contact" and ADDRESSES in names
    )


def names(object_type: str, row: Mapping[str, Any]) -> dict[str, str]:
    """The columns that follow from the others of this row: how it is called, and how it is ordered."""
    if object_type == "company":
        return {"sort_key": sort_key(row["name"])}
    name = f"{row['first_name'] or ''} {row['last_name'] or ''}".strip() or row["email"] or ""
    return {"name": name, "sort_key": sort_key(name)}


def follow(object_type: str, rows: Mapping[int, Mapping[str, Any]], *, are_new: bool = False) -> None:
    """Write the words of these records, by id; rows name what NEEDED says, and "properties" where there are any."""
    if not rows:
        return
    account_id = current_account_id()
    if not are_new:
        sql.execute(
            "delete from crm_recordword where account_id = %s and object_type = %s and record_id = any(%s)",
            [account_id, object_type, list(rows)],
        )
    bulk.insert(
        RecordWord,
        [
            {"account_id": account_id, "object_type": object_type, "record_id": record_id, "word": word}
            for record_id, row in rows.items()
            for word in words_of(row)
        ],
    )


def words_of(row: Mapping[str, Any]) -> list[str]:
    """Each word once: of the name, and of every address whole, its parts, and its domain."""
    found = _parts(row["name"])
    more = (row.get("properties") or {}).get(ADDRESSES) or []
    for email in (row.get("email") or "", *more):
        local, _at, domain = email.rpartition("@")
        found += [email, domain, *_parts(local)] if local else []
    found.append(row.get("domain") or "")
    return list(dict.fromkeys(folded(word)[:LONGEST] for word in found if word))[:MOST]


def terms_of(text: str) -> list[tuple[str, str]]:
    """What is asked for: for each word where its matches begin, and where they end."""
    words = [word.strip(",;:.@()<>\"'") for word in folded(text.replace("\x00", " ")).split()]
    found = list(dict.fromkeys(part[:LONGEST] for word in words for part in _asked(word) if part))
    return [(word, word[:-1] + _after(word[-1])) for word in found[:TERMS]]


def _after(letter: str) -> str:
    following = ord(letter) + 1
    return chr(0xE000 if 0xD800 <= following < 0xE000 else min(following, 0x10FFFF))


def _asked(word: str) -> list[str]:
    """An address or a domain is asked for as a whole, anything else by its parts."""
    return [word] if "@" in word or "." in word else _parts(word)


def _parts(text: str) -> list[str]:
    return [part for part in _PARTS.split(text.replace("_", " ")) if part]


def folded(text: str) -> str:
    """Letters without case and marks: "Åse" is found as "ase"."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in letters if not unicodedata.combining(one))
