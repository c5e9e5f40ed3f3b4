"""What was said before, under a reply of ours: the way mail programs put it, so that others fold it and we know it again.

Only what the conversation's own people said in it: never comments (O5), never strangers' mail, never pictures (O6). And
only to those who had it: what somebody new, a supplier or a merged ticket's other customer was not told stays untold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account
from deskhand.desk import outgoing
from deskhand.desk.models import ChannelAccount, Direction, Message, MessageKind
from deskhand.desk.types import Mailbox
from deskhand.kernel.locales import babel_name
from deskhand.kernel.text import one_line
from deskhand.kernel.written import is_plain, markup_of

MOST = 5  # messages
LOOKED_AT = 50  # of the newest, for those that the readers had
LONGEST = 20_000  # characters of all of them

_STYLE = "margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex"


@dataclass(frozen=True)
class Quote:
    text: str = ""
    html: str = ""


def history(thread_id: int, channel: ChannelAccount, readers: Iterable[Mailbox]) -> Quote:
    """The newest messages of a conversation that all `readers` had, each within the one that came after it."""
    newest = _short_enough(_newest(_said(thread_id, channel.account_id), {box.key for box in readers}))
    if not newest:
        return Quote()
    account = Account.objects.get(pk=channel.account_id)
    with translation.override(account.locale):
        quote = Quote()
        for message in reversed(newest):
            quote = _around(quote, message, _attribution(message, channel, account))
    return quote


def is_begun(thread_id: int, account_id: int) -> bool:
    """Whether there is anything to quote, for those who had it."""
    return _said(thread_id, account_id).exists()


def _said(thread_id: int, account_id: int) -> QuerySet[Message]:
    return Message.objects.filter(
        account_id=account_id, thread_id=thread_id, kind=MessageKind.MESSAGE, is_unverified=False, is_automatic=False,
        filtered__isnull=True,
    )  # fmt: skip


def _newest(said: QuerySet[Message], readers: set[str]) -> list[Message]:
    rows = said.order_by("-id").values_list("id", "sender_address", "recipients")[:LOOKED_AT]
    had = [message_id for message_id, sender, sent_to in rows if readers <= _people(sender, sent_to)]
    return list(said.filter(pk__in=had[:MOST]).order_by("-id"))


def _people(sender: str, sent_to: Mapping[str, Any]) -> set[str]:
    """Who wrote it and who got it. Of a colleague's private answer that is not the customer (R-EM-9)."""
    boxes = (box["email"] for line in ("to", "cc", "bcc") for box in sent_to.get(line, ()))
    return {sender.lower(), *(address.lower() for address in boxes)}


def _short_enough(newest: Sequence[Message]) -> list[Message]:
    kept, size = [], 0
    for message in newest:
        size += len(message.text) + len(message.html if is_plain(message.html) else "")
        if size > LONGEST:
            break
        if message.text.strip():
            kept.append(message)
    return kept


def _attribution(message: Message, channel: ChannelAccount, account: Account) -> str:
    locale = babel_name(account.locale)
    at = message.created_at.astimezone(ZoneInfo(account.zone))
    if message.direction == Direction.OUT:  # the channel's address, not the writer's own
        name, address = outgoing.sender_name(channel, message.sender_name), channel.address
    else:
        name, address = one_line(message.sender_name), message.sender_address
    who = f"{name} <{address}>" if name and address and name != address else address or name
    return _("On %(date)s at %(time)s, %(name)s wrote:") % {
        "date": format_date(at, "medium", locale=locale), "time": format_time(at, "short", locale=locale), "name": who,
    }  # fmt: skip


def _around(older: Quote, message: Message, attribution: str) -> Quote:
    text = message.text.strip() + (f"\n\n{older.text}" if older.text else "")
    said = message.html if message.html and is_plain(message.html) else markup_of(message.text)
    return Quote(
        f"{attribution}\n{_quoted(text)}",
        f'<p>{escape(attribution)}</p><blockquote type="cite" style="{_STYLE}">{said}{older.html}</blockquote>',
    )


def _quoted(text: str) -> str:
    return "\n".join(
        f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in text.split("\n")
    )
