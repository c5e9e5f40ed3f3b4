"""Long conversations: folded in the middle, open where the unread part starts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from deskhand.desk import replies
from deskhand.desk.models import Message, Seen
from deskhand.kernel import clock
from deskhand.web.inbox import reading
from deskhand.web.inbox.rows import Divider, Earlier, Said
from deskhand.web.shell import Person

AT = datetime(2026, 11, 16, tzinfo=UTC)


def said(count):
    return [Said(n, "in", Person.named("Astrid"), AT) for n in range(1, count + 1)]


def layout(count, unread=()):
    """Numbers of messages; a list for what is folded, "new" for the line."""
    found = reading.laid_out(said(count), set(unread))
    return [
        [one.id for one in item.items] if isinstance(item, Earlier) else "new" if isinstance(item, Divider) else item.id
        for item in found
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2, 21])
def test_what_is_short_is_shown_whole(count):
    assert layout(count) == list(range(1, count + 1))


def test_the_middle_of_what_is_long_is_folded_in_steps():
    assert layout(22) == [1, list(range(2, 11)), *range(11, 23)]
    assert layout(31)[1] == layout(22)[1]
    assert layout(32)[1] == list(range(2, 21))


def test_nothing_unread_is_folded_and_a_line_stands_before_it():
    assert layout(3, {3}) == [1, 2, "new", 3]
    assert layout(40, {15, 16, 40}) == [1, list(range(2, 15)), "new", *range(15, 41)]
    assert layout(40, {3}) == [1, 2, "new", *range(3, 41)]
    assert layout(2, {1, 2}) == [1, 2]


def test_a_ticket_opens_where_its_unread_part_starts(office, sign_in):
    """R-WORK-13"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    page = lambda: client.get(f"/inbox/all-open/{ticket.pk}").content.decode()  # noqa: E731
    assert "divider--new" not in page()
    with office.inside() as world:
        Seen.objects.update(seen_at=clock.now() - timedelta(hours=1))
        replies.comment(ticket.pk, "Seen by nobody yet", by=world.bob)
        replies.comment(ticket.pk, "My own words", by=world.grace)
        Message.objects.filter(text="Where is my money?").update(created_at=clock.now() - timedelta(hours=2))

    opened = page()

    line = opened.index("divider--new")
    assert opened.index("Where is my money?</p>") < line < opened.index("Seen by nobody yet</p>")


def test_a_long_one_says_how_much_is_folded(office, sign_in):
    ticket = office.mail()
    with office.inside() as world:
        for number in range(30):
            replies.comment(ticket.pk, f"Comment {number}.", by=world.bob)

    page = sign_in(office.world.grace).get(f"/inbox/all-open/{ticket.pk}").content.decode()

    (folded,) = re.findall(r'(?s)<details class="earlier".*?</details>', page)
    assert "Show 9 earlier" in folded
    assert folded.count("<article") == 9
    assert "Comment 29." not in folded
