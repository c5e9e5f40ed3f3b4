"""Threads: lists of them, what they are, closing and reopening, and the bin (api.md §2.6)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from deskhand.accounts import policy
from deskhand.accounts.types import Verb
from deskhand.api import pages, refusals
from deskhand.api.conversations import cursors, shapes
from deskhand.api.conversations.needs import READ, WRITE, number, require_desk
from deskhand.api.conversations.reading import Asked, Row, one, rows
from deskhand.api.operations import Call, operation
from deskhand.api.refusals import Refusal
from deskhand.api.shapes import without_nothing
from deskhand.crm.pipelines.policy import reopens_as
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import conversations
from deskhand.kernel.text import whole

_LIST = "/conversations/conversations/threads"
_ONE = f"{_LIST}/{{threadId}}"
MOST = 500  # of a page
_SORTS = {"id", "createdAt", "latestMessageTimestamp"}  # numbers are given in the order of creation


@operation(
    "GET", _LIST, needs=READ, gives={200: shapes.Threads},
    asks=("limit", "after", "sort", "archived", "inboxId", "associatedContactId", "associatedTicketId", "threadStatus",
          "latestMessageTimestampAfter", "association", "property"),
)  # fmt: skip
def listed(call: Call) -> Any:
    """Conversations, with or without a ticket; status, owner and spam of a ticket's are the ticket's."""
    require_desk(call)
    limit, asked = pages.limit(call, default=100, most=MOST), _asked(call)
    found = rows(call.viewer, asked, limit + 1)
    shown, last = found[:limit], found[limit - 1] if len(found) > limit else None
    after = _place(last, asked) if last else None
    return without_nothing(
        results=[row.shown(with_ticket=_with_ticket(call)) for row in shown],
        paging=pages.following(call, after),
    )


@operation("GET", _ONE, needs=READ, gives={200: shapes.Thread}, asks=("archived", "association", "property"))
def read(call: Call) -> Any:
    """One conversation."""
    return found(call, archived=pages.flag(call, "archived")).shown(with_ticket=_with_ticket(call))


@operation(
    "PATCH", _ONE, needs=WRITE, takes=shapes.ThreadChanges, gives={200: shapes.Thread}, asks=("archived",)
)
def update(call: Call) -> Any:
    """Close or reopen it, and with it its ticket; or bring it back out of the bin with `archived: false`."""
    body: shapes.ThreadChanges = call.body
    if body.status is None and body.archived is None:
        raise refusals.bad("No properties found to update, please provide at least one.")
    comes_back = body.archived is False
    row = _either(call) if comes_back else found(call, archived=pages.flag(call, "archived"))
    if row.archived_at is not None and not comes_back:
        raise refusals.bad("This thread is archived. Send archived: false to restore it.")
    if comes_back and row.archived_at is not None:
        _require(call, row, Verb.DELETE)
        _bring_back(call, row)
    if body.status is not None and (body.status == "OPEN") != row.is_open:
        _require(call, row, Verb.EDIT, archived=False)
        _set_open(call, row, body.status == "OPEN")
    if body.archived:
        archive(call)
    return _after(call, row.id, archived=bool(body.archived))


@operation("DELETE", _ONE, needs=WRITE, gives={204: None})
def archive(call: Call) -> None:
    """Put a conversation into the bin, and with it the ticket that it belongs to. Safe to repeat."""
    row = _either(call)
    if row.archived_at is not None:
        return
    _require(call, row, Verb.DELETE)
    if row.ticket_id is None:
        conversations.put_away(row.id, by=call.by)
    else:
        tickets.archive([row.ticket_id], by=call.by)


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def found(call: Call, *, archived: bool = False) -> Row:
    """The thread of the address. Raises Refusal where there is none for this viewer."""
    require_desk(call)
    row = one(call.viewer, number(call.parts["threadId"]), archived=archived)
    if row is None:
        raise refusals.missing("There is no such thread.")
    return row


def _either(call: Call) -> Row:
    """In the bin or not."""
    require_desk(call)
    thread_id = number(call.parts["threadId"])
    row = one(call.viewer, thread_id) or one(call.viewer, thread_id, archived=True)
    if row is None:
        raise refusals.missing("There is no such thread.")
    return row


def _after(call: Call, thread_id: int, *, archived: bool) -> dict[str, Any]:
    row = one(call.viewer, thread_id, archived=archived)
    if row is None:
        raise refusals.missing("There is no such thread.")
    return row.shown(with_ticket=_with_ticket(call))


def _require(call: Call, row: Row, verb: Verb, *, archived: bool | None = None) -> None:
    """The right to do this with what the viewer sees. Raises Refusal or Forbidden."""
    if row.ticket_id is None:
        away = row.archived_at is not None if archived is None else archived
        conversations.require(call.viewer, row.id, verb, archived=away)
        return
    ticket = Ticket.objects.get(account_id=call.viewer.account_id, pk=row.ticket_id)
    if not policy.visible(call.viewer, "ticket", verb).reaches(ticket):
        raise Refusal(403, "FORBIDDEN", "You may not change this ticket.")


def _bring_back(call: Call, row: Row) -> None:
    if row.ticket_id is None:
        conversations.bring_back(row.id, by=call.by)
    else:
        tickets.restore([row.ticket_id], by=call.by)


def _set_open(call: Call, row: Row, is_open: bool) -> None:
    """A ticket goes to the first closed status of its pipeline, or where an answer would reopen it."""
    if row.ticket_id is None:
        (conversations.reopen if is_open else conversations.close)(row.id, by=call.by)
        return
    ticket = Ticket.objects.get(account_id=call.viewer.account_id, pk=row.ticket_id)
    pipeline = pipelines_of("ticket").pipeline(ticket.pipeline_id)
    stage = reopens_as(pipeline) if is_open else pipeline.first_closed
    if stage is None:
        raise refusals.bad("The ticket's pipeline has no closed status.", context={"field": ["status"]})
    tickets.update(ticket.pk, {"hs_pipeline_stage": stage.id}, by=call.by)


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(call: Call) -> Asked:
    sort = pages.several(call, "sort")[:1] or ("id",)
    by = sort[0].lstrip("-")
    if by not in _SORTS:
        raise refusals.bad(
            f"sort is one of {', '.join(sorted(_SORTS))}, with - before it for the other direction.",
            context={"parameter": ["sort"]},
        )
    by_moment = by == "latestMessageTimestamp"
    return Asked(
        archived=pages.flag(call, "archived"),
        inbox_ids=[_number(call, "inboxId", given) for given in pages.several(call, "inboxId")],
        contact_id=_single(call, "associatedContactId"),
        ticket_id=_single(call, "associatedTicketId"),
        is_open=_status(call),
        since=_moment(call),
        by_moment=by_moment,
        descending=sort[0].startswith("-"),
        after=_begins(call, by_moment),
    )


def _with_ticket(call: Call) -> bool:
    return any(given.upper() == "TICKET" for given in pages.several(call, "association"))


def _single(call: Call, name: str) -> int | None:
    given = call.query.get(name, "")
    return _number(call, name, given) if given else None


def _number(call: Call, name: str, given: str) -> int:
    found = whole(given)
    if found is None:
        raise refusals.bad(f"{name} is {given[:80]!r}; it must be a number.", context={"parameter": [name]})
    return found


def _status(call: Call) -> bool | None:
    given = call.query.get("threadStatus", "").upper()
    if given not in ("", "OPEN", "CLOSED"):
        raise refusals.bad("threadStatus is OPEN or CLOSED.", context={"parameter": ["threadStatus"]})
    return given == "OPEN" if given else None


def _moment(call: Call) -> datetime | None:
    """ISO 8601, or milliseconds since 1970 (api.md §1.4)."""
    given = call.query.get("latestMessageTimestampAfter", "")
    at = _read(given.replace(" ", "+")) if given else None
    if given and at is None:
        raise refusals.bad(
            "latestMessageTimestampAfter is a moment such as 2026-01-31T12:00:00.000Z.",
            context={"parameter": ["latestMessageTimestampAfter"]},
        )
    return at


def _read(given: str) -> datetime | None:
    milliseconds = whole(given)
    try:
        if milliseconds is not None:
            return datetime.fromtimestamp(milliseconds / 1000, UTC)
        at = parse_datetime(given)
        if at is None:
            return None
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _begins(call: Call, by_moment: bool) -> tuple[datetime | None, int] | None:
    """Where the page before ended: a number, and before it a moment where that is the order."""
    given = call.query.get("after", "")
    if not given:
        return None
    first, _, rest = given.rpartition(".")
    at, pk = cursors.moment_of(first) if by_moment else None, whole(rest)
    if pk is None or bool(first) != by_moment or (by_moment and at is None):
        raise cursors.wrong()
    return at, pk


def _place(row: Row, asked: Asked) -> str:
    return f"{cursors.text_of(row.last_message_at)}.{row.id}" if asked.by_moment else str(row.id)
