"""What records can be in beside segments (R-TRIG-4): the area that keeps such a thing tells how to ask for it in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deskhand.crm.filters.sql import Sql

#: SQL that tells whether the row under an alias is in any of these, of an account and a kind of record.
Ask = Callable[[int, str, str, Sequence[int]], Sql]

_ASKED: dict[str, Ask] = {}


def add(of: str, ask: Ask) -> None:
    """`of` is what conditions call the sort of membership. At start-up."""
    _ASKED[of] = ask


def sql_of(of: str, account_id: int, object_type: str, alias: str, ids: Sequence[int]) -> Sql | None:
    """None for a sort that nobody keeps."""
    ask = _ASKED.get(of)
    return ask(account_id, object_type, alias, ids) if ask else None
