"""Mail of automation that nobody has written yet: whom it goes to and what it will say are fixed, its words are not there.

A step keeps what the words will be made of (`Message.filling`); they are made once, before the mail is first sent, and
stand in the message from then on: every further try sends the same. Who reads the message before that reads the words it
will have. What `filling` holds is its maker's own affair; wiring says who that is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from deskhand.kernel import search
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid

Filling = Mapping[str, Any]
FOUND_AS = "M"  # what was said, in the index of the search
LONGEST_FOUND = 20_000  # letters of a message that are found; the rest is quotes and logs


@dataclass(frozen=True)
class Words:
    """What a mail says; `cause` is what its message tells of how they came about."""

    subject: str
    text: str
    html: str = ""
    cause: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unwritable:
    """Why a mail has no words, and the cause of its message."""

    why: str
    cause: Mapping[str, Any] = field(default_factory=dict)


def nobody(filling: Filling) -> Words:
    """Where nothing is plugged in."""
    raise Invalid(_("Nothing here can write this mail."), field="filling")


#: Makes the words of a filling of the open account; the same ones each time. Raises Invalid, saying why it can't.
#: Set by wiring.
author: Callable[[Filling], Words] = nobody


def read(filling: Filling) -> Words:
    """The words as they will be, or in their place why there are none."""
    try:
        return author(filling)
    except Invalid as unfit:
        return Words("", str(unfit))


def write(message_ids: Collection[int]) -> dict[int, Words | Unwritable]:
    """Let these messages have their words, and be found by them; {message: its words}. Those that are gone are left out.

    Of the open account. Safe to repeat: what is written stays as it is. A fixed number of statements.
    """
    account_id = current_account_id()
    found: dict[int, Words | Unwritable] = {}
    made: dict[int, Words] = {}
    senders: dict[int, str] = {}
    for pk, subject, text, html, filling, cause, sender in sql.rows(
        _OPEN, [account_id, sorted(set(message_ids))]
    ):
        if filling is None:
            found[pk] = Words(subject, text, html)
            continue
        try:
            found[pk] = made[pk] = author(sql.loads(filling))
            senders[pk] = sender
        except Invalid as unfit:
            found[pk] = Unwritable(str(unfit), sql.loads(cause) or {})
    if made:
        words = list(made.values())
        sql.execute(
            _WRITE,
            [
                list(made), [one.subject for one in words], [one.text for one in words], [one.html for one in words],
                [sql.Jsonb(dict(one.cause)) for one in words], account_id,
            ],
        )  # fmt: skip
        search.put(
            account_id, FOUND_AS, {pk: f"{senders[pk]} {one.text[:LONGEST_FOUND]}" for pk, one in made.items()}
        )  # fmt: skip
    return found


_OPEN = """
select id, subject, text, html, filling, cause, concat_ws(' ', sender_name, sender_address) from desk_message
where account_id = %s and id = any(%s) order by id for no key update
"""

_WRITE = """
update desk_message m set subject = x.subject, text = x.text, html = x.html, cause = m.cause || x.cause, filling = null
from unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::jsonb[]) x(id, subject, text, html, cause)
where m.account_id = %s and m.id = x.id
"""
