"""Inboxes, channels, and our addresses on them (api.md §2.6)."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from deskhand.api import pages, refusals
from deskhand.api.conversations import naming, shapes
from deskhand.api.conversations.needs import READ, number, require_desk
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import moment, without_nothing
from deskhand.desk.channels import EMAIL
from deskhand.desk.models import ChannelAccount, Inbox
from deskhand.kernel.text import one_line

_BASE = "/conversations/conversations"
_PAGED = ("limit", "after", "sort", "archived")
MOST = 500  # of a page


@operation("GET", f"{_BASE}/inboxes", needs=READ, gives={200: shapes.Inboxes}, asks=_PAGED)
def inboxes(call: Call) -> Any:
    """The help desk and the other inboxes of the account."""
    require_desk(call)
    found = Inbox.objects.filter(
        account_id=call.viewer.account_id, archived_at__isnull=not pages.flag(call, "archived")
    )
    return _page(call, found, _inbox)


@operation("GET", f"{_BASE}/inboxes/{{inboxId}}", needs=READ, gives={200: shapes.Inbox}, asks=("archived",))
def inbox(call: Call) -> Any:
    """One inbox."""
    require_desk(call)
    return _inbox(_one(call, Inbox.objects.all(), call.parts["inboxId"]))


@operation("GET", f"{_BASE}/channels", needs=READ, gives={200: shapes.Channels}, asks=_PAGED)
def channels(call: Call) -> Any:
    """The kinds of channels that the account has addresses on; email is always one of them."""
    require_desk(call)
    after, limit = call.query.get("after", ""), pages.limit(call, default=100, most=MOST)
    known = [] if pages.flag(call, "archived") else _channels(call)
    if _is_descending(call):
        known.reverse()
    begin = next((at + 1 for at, one in enumerate(known) if one["id"] == after), 0)
    shown = known[begin : begin + limit]
    more = len(known) > begin + limit
    return without_nothing(
        total=len(known), results=shown, paging=pages.following(call, shown[-1]["id"] if more else None)
    )


@operation("GET", f"{_BASE}/channels/{{channelId}}", needs=READ, gives={200: shapes.Channel})
def channel(call: Call) -> Any:
    """One kind of channel."""
    require_desk(call)
    found = next((one for one in _channels(call) if one["id"] == call.parts["channelId"]), None)
    if found is None:
        raise refusals.missing()
    return found


@operation(
    "GET", f"{_BASE}/channel-accounts", needs=READ, gives={200: shapes.ChannelAccounts},
    asks=(*_PAGED, "channelId", "inboxId"),
)  # fmt: skip
def channel_accounts(call: Call) -> Any:
    """Our addresses, on all channels or some, of all inboxes or some."""
    require_desk(call)
    found = ChannelAccount.objects.filter(
        account_id=call.viewer.account_id, archived_at__isnull=not pages.flag(call, "archived")
    )
    if asked := pages.several(call, "channelId"):
        found = found.filter(channel__in=[naming.channel_key(one_line(one)) for one in asked])
    if asked := pages.several(call, "inboxId"):
        found = found.filter(inbox_id__in=[number(one) for one in asked])
    return _page(call, found, _account)


@operation(
    "GET", f"{_BASE}/channel-accounts/{{channelAccountId}}", needs=READ, gives={200: shapes.ChannelAccount},
    asks=("archived",),
)  # fmt: skip
def channel_account(call: Call) -> Any:
    """One of our addresses."""
    require_desk(call)
    return _account(_one(call, ChannelAccount.objects.all(), call.parts["channelAccountId"]))


def _page(call: Call, found: QuerySet[Any], shape: Any) -> dict[str, Any]:
    """In the order of their numbers, which `sort=-id` turns round."""
    limit, after = pages.limit(call, default=100, most=MOST), pages.after(call)
    total = found.count()
    is_descending = _is_descending(call)
    if after:
        found = found.filter(pk__lt=after) if is_descending else found.filter(pk__gt=after)
    rows = list(found.order_by("-pk" if is_descending else "pk")[: limit + 1])
    shown = rows[:limit]
    last = shown[-1].pk if len(rows) > limit else None
    return without_nothing(
        total=total, results=[shape(one) for one in shown], paging=pages.following(call, last)
    )


def _is_descending(call: Call) -> bool:
    """Raises Refusal."""
    asked = pages.several(call, "sort")
    if any(one.lstrip("-") != "id" for one in asked):
        raise refusals.bad("sort is id or -id.", context={"parameter": ["sort"]})
    return bool(asked) and asked[0].startswith("-")


def _one(call: Call, found: QuerySet[Any], given: str) -> Model:
    """Raises Refusal."""
    mine = found.filter(
        account_id=call.viewer.account_id, archived_at__isnull=not pages.flag(call, "archived")
    )
    one: Model | None = mine.filter(pk=number(given)).first()
    if one is None:
        raise refusals.missing()
    return one


def _channels(call: Call) -> list[dict[str, str]]:
    of_account = ChannelAccount.objects.filter(account_id=call.viewer.account_id)
    keys = {EMAIL, *of_account.values_list("channel", flat=True).distinct()}
    known = [{"id": naming.channel_id(key), "name": naming.channel_name(key)} for key in keys]
    return sorted(known, key=lambda one: (len(one["id"]), one["id"]))


def _inbox(found: Any) -> dict[str, Any]:
    return without_nothing(
        id=str(found.pk),
        name=_(found.name),
        type=found.kind,
        archived=found.archived_at is not None,
        archivedAt=moment(found.archived_at) if found.archived_at else None,
    )


def _account(found: Any) -> dict[str, Any]:
    is_there = found.archived_at is None
    return without_nothing(
        id=str(found.pk),
        channelId=naming.channel_id(found.channel),
        inboxId=str(found.inbox_id),
        name=found.name,
        active=is_there,
        authorized=is_there,
        archived=not is_there,
        createdAt=moment(found.created_at),
        archivedAt=None if is_there else moment(found.archived_at),
        deliveryIdentifier=naming.identifier(found.channel, found.address),
    )
