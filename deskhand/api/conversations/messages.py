"""Messages of a thread: what stands in it, and saying something (api.md §2.6)."""

from __future__ import annotations

from typing import Any

from deskhand.api import pages, refusals
from deskhand.api.conversations import cursors, saying, shapes, threads, timeline
from deskhand.api.conversations.needs import READ, WRITE
from deskhand.api.conversations.reading import Row
from deskhand.api.conversations.timeline import Place
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import without_nothing
from deskhand.desk.models import Message
from deskhand.kernel.text import whole

_LIST = "/conversations/conversations/threads/{threadId}/messages"
_ONE = f"{_LIST}/{{messageId}}"
MOST = 500  # of a page


@operation(
    "GET", _LIST, needs=READ, gives={200: shapes.Messages},
    asks=("limit", "after", "sort", "archived", "property"),
)  # fmt: skip
def listed(call: Call) -> Any:
    """What was said in a conversation, with comments, assignments and changes of status; the newest first."""
    row = threads.found(call, archived=pages.flag(call, "archived"))
    limit = pages.limit(call, default=100, most=MOST)
    places = timeline.places(row, limit + 1, descending=_is_descending(call), after=_after(call))
    shown = places[:limit]
    after = _text(shown[-1]) if len(places) > limit else None
    return without_nothing(
        results=timeline.shown(call.viewer, row, shown), paging=pages.following(call, after)
    )


@operation("GET", _ONE, needs=READ, gives={200: shapes.Message}, asks=("property",))
def read(call: Call) -> Any:
    """One message."""
    row = threads.found(call)
    return timeline.shown(call.viewer, row, [_place(call, row)])[0]


@operation(
    "GET", f"{_ONE}/original-content", needs=READ, gives={200: shapes.OriginalContent}, asks=("property",)
)
def original(call: Call) -> Any:
    """The whole of a message, with what it quotes."""
    row = threads.found(call)
    place = _place(call, row)
    if place.kind != timeline.SAID:
        raise refusals.missing("There is no such message.")
    message = Message.objects.get(account_id=call.viewer.account_id, pk=place.id)
    text = "\n\n".join(part for part in (message.text, message.quoted) if part)
    return without_nothing(text=text, richText=message.html or None)


@operation("POST", _LIST, needs=WRITE, takes=shapes.ToSay, gives={201: shapes.Message})
def say(call: Call) -> Any:
    """Send a reply to the customer, or write a comment. The header Idempotency-Key makes a repeated call say it once."""
    row = threads.found(call)
    said = saying.say(call, row, call.body.root)
    place = Place(said.created_at, timeline.SAID, said.pk)
    now = saying.thread_of(call, row, said)
    return timeline.shown(call.viewer, now, [place])[0]


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def _place(call: Call, row: Row) -> Place:
    """Of the message of the address. Raises Refusal."""
    asked = timeline.named(call.parts["messageId"])
    found = timeline.places(row, 1, only=asked) if asked else []
    if not found:
        raise refusals.missing("There is no such message.")
    return found[0]


def _is_descending(call: Call) -> bool:
    asked = pages.several(call, "sort")[:1] or ("-createdAt",)
    if asked[0].lstrip("-") != "createdAt":
        raise refusals.bad("sort is createdAt or -createdAt.", context={"parameter": ["sort"]})
    return asked[0].startswith("-")


def _text(place: Place) -> str:
    return f"{cursors.text_of(place.at)}.{place.kind}.{place.id}"


def _after(call: Call) -> Place | None:
    given = call.query.get("after", "")
    if not given:
        return None
    first, *rest = given.split(".")
    at, numbers = cursors.moment_of(first), [whole(one) for one in rest]
    if (
        at is None
        or len(numbers) != 2
        or numbers[0] is None
        or numbers[1] is None
        or numbers[0] > timeline.HAPPENED
    ):
        raise cursors.wrong()
    return Place(at, numbers[0], numbers[1])
