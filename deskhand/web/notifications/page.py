"""Putting into words what somebody was told, and what they may be told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import plans, policy
from deskhand.accounts.models import Account
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.delivery import chats, push
from deskhand.kernel import clock
from deskhand.notifications import describing, failures, reaching, reading, wishes
from deskhand.notifications.reaching import Tried
from deskhand.notifications.reading import Line
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Way, Ways
from deskhand.web import troubles
from deskhand.web.choices import Tab
from deskhand.web.frame import unread_text
from deskhand.web.notifications.rows import (
    BellList,
    BrowserLine,
    Cell,
    Group,
    ReachedPage,
    Told,
    TopicLine,
    TriedLine,
    WayLine,
)
from deskhand.web.shell import Person

IN_BELL = 20

TOPICS = {
    Topic.MENTION: (
        gettext_lazy("Mentions"),
        gettext_lazy("Somebody names you with @ in a comment."),
    ),
    Topic.ASSIGNED: (gettext_lazy("Assigned to me"), gettext_lazy("A ticket becomes yours.")),
    Topic.TEAM: (
        gettext_lazy("Handed over to my team"),
        gettext_lazy("Somebody hands tickets over to a team of yours, and nobody owns them yet."),
    ),
    Topic.TASK: (
        gettext_lazy("Tasks for me"),
        gettext_lazy(
            "Somebody, or an automation, gives you something to do about a ticket or another record."
        ),
    ),
    Topic.REMINDER: (
        gettext_lazy("Reminders"),
        gettext_lazy("A task of yours has a reminder, and its time has come."),
    ),
    Topic.MESSAGE: (
        gettext_lazy("Messages on my tickets"),
        gettext_lazy("A customer or a colleague writes on a ticket that you own."),
    ),
    Topic.COMMENT: (
        gettext_lazy("Comments on my tickets"),
        gettext_lazy("A colleague comments on a ticket that you own."),
    ),
    Topic.REOPENED: (
        gettext_lazy("Reopened tickets of mine"),
        gettext_lazy("Somebody, or an automation, opens a closed ticket that you own."),
    ),
    Topic.STATUS: (
        gettext_lazy("Status of my tickets"),
        gettext_lazy("Somebody else, or an automation, changes the status of a ticket that you own."),
    ),
    Topic.SNOOZED: (
        gettext_lazy("Snoozed tickets"),
        gettext_lazy(
            "The moment has come until which a ticket was put off: by you, or for everybody and it is yours."
        ),
    ),
    Topic.FOLLOWED: (
        gettext_lazy("Tickets that I follow"),
        gettext_lazy("There is a message or a comment on a ticket that you follow."),
    ),
    Topic.UNASSIGNED: (
        gettext_lazy("New tickets without an owner"),
        gettext_lazy("A new ticket that you may see came in, and the routing gave it to nobody."),
    ),
    Topic.NOTICE: (
        gettext_lazy("Messages from workflows"),
        gettext_lazy("A workflow tells you something about a ticket or another record."),
    ),
    Topic.AVAILABILITY: (
        gettext_lazy("My availability"),
        gettext_lazy("A colleague sets you to available or to away."),
    ),
    Topic.FAILURE: (
        gettext_lazy("Failures"),
        gettext_lazy(
            "A step of an automation, a channel, a mail or background work failed, and somebody must look."
        ),
    ),
}


#: In the order of their columns.
WAYS = {
    Way.BELL: (gettext_lazy("Bell"), gettext_lazy("A number at the bell, and a line in its list.")),
    Way.POPUP: (
        gettext_lazy("Pop-up"),
        gettext_lazy("A short message at the edge of the page of Deskhand that you have open."),
    ),
    Way.MAIL: (gettext_lazy("Email"), gettext_lazy("A mail to the address that you sign in with.")),
    Way.PUSH: (
        gettext_lazy("Browser"),
        gettext_lazy(
            "A message of the browsers that you allow below, also while no page of Deskhand is open."
        ),
    ),
    Way.CHAT: (gettext_lazy("Chat"), gettext_lazy("A message in the chat whose address you give below.")),
}
POPS_FOR = timedelta(seconds=20)  # what is older, or was seen, pops up no more


def bell(viewer: Viewer, *, before: int = 0, limit: int = reading.PAGE) -> BellList:
    lines, after = reading.lines(viewer, before=before, limit=limit)
    unread = reading.unread(viewer)
    return BellList(
        groups=tuple(_groups(lines)),
        unread=unread,
        unread_text=unread_text(unread),
        more_url=f"{reverse('notifications')}?before={after}" if after else "",
    )


def _groups(lines: Sequence[Line]) -> list[Group]:
    """By what they are about, in the order of what is newest of each."""
    found: dict[tuple[int | None, str, int | None], list[Line]] = {}
    for line in lines:
        key = (None, line.about_kind, line.about_id) if line.ticket_id is None else (line.ticket_id, "", None)
        found.setdefault(key, []).append(line)
    return [_group(own) for own in found.values()]


def _group(own: Sequence[Line]) -> Group:
    first = own[0]
    is_ticket = first.ticket_id is not None
    read = (
        reverse("notification-read", args=[first.ticket_id])
        if is_ticket
        else reverse("notification-read-failure", args=[first.about_kind, first.about_id or 0])
    )
    return Group(
        number=f"#{first.number}" if is_ticket else "",
        subject=describing.name(first),
        url=describing.path(first),
        read_url=read,
        told=tuple(_told(line) for line in own),
        is_unread=any(line.is_unread for line in own),
        is_failure=first.topic is Topic.FAILURE,
    )


def _told(line: Line) -> Told:
    popup = line.id if line.pops_up and line.at > clock.now() - POPS_FOR else 0
    return Told(describing.words(line), line.at, line.is_unread, _person(line), popup)


def _person(line: Line) -> Person | None:
    """Who did it; a machine, and whoever has a workflow say something, is nobody."""
    is_persons = line.actor_name and line.topic not in (Topic.NOTICE, Topic.FAILURE)
    return Person.named(line.actor_name) if is_persons else None


def offered(viewer: Viewer) -> list[Topic]:
    """What somebody may choose about: failures are told to those who can set any right."""
    return [topic for topic in TOPICS if topic is not Topic.FAILURE or failures.kinds_for(viewer)]


def topics(viewer: Viewer) -> list[TopicLine]:
    mine = wishes.of_many(viewer.account_id, {viewer.user_id})
    return [
        _line(topic, mine.choice(viewer.user_id, topic), mine.default(topic).is_locked)
        for topic in offered(viewer)
    ]


def default_topics(account_id: int) -> list[TopicLine]:
    """What is told to who chose nothing (R-NOT-3)."""
    found = wishes.defaults_of(account_id)
    return [_line(topic, found[topic].ways, found[topic].is_locked) for topic in TOPICS]


def _line(topic: Topic, ways: Ways, is_locked: bool) -> TopicLine:
    label, help_text = TOPICS[topic]
    cells = tuple(Cell(way.value, str(name), ways.has(way)) for way, (name, _help) in WAYS.items())
    return TopicLine(topic.value, str(label), str(help_text), cells, is_locked)


def ways(off: Collection[str]) -> list[WayLine]:
    """What one can switch off altogether, whatever is chosen of each topic (R-NOT-5)."""
    return [WayLine(way.value, str(label), str(text), way not in off) for way, (label, text) in WAYS.items()]


def reached(viewer: Viewer) -> ReachedPage:
    """Where somebody can be told beside their mailbox."""
    mine = reaching.reached(viewer.account_id, viewer.user_id)
    return ReachedPage(
        browsers=tuple(
            BrowserLine(one.pk, one.name or _("A browser"), one.mark, one.added_at, _tried(tried))
            for one, tried in mine.browsers
        ),
        push_key=push.public_key(reaching.private_key()),
        services=tuple((key, name) for key, name in chats.NAMES.items()),
        service=mine.chat.service if mine.chat else "",
        service_name=chats.NAMES[mine.chat.service] if mine.chat else "",
        place=mine.chat_place,
        tried=_tried(mine.chat_tried),
    )


def _tried(tried: Tried | None) -> TriedLine | None:
    if tried is None:
        return None
    if tried.is_sent:
        return TriedLine(_("The last message was taken."), "green", tried.at)
    why = troubles.of_delivery(tried.error)
    if tried.is_failed:
        text = _("The last message failed: %(why)s") % {"why": why.text}
        return TriedLine(text, "red", tried.at, why.detail)
    waits = (
        _("It will be tried again: %(why)s") % {"why": why.text}
        if why.text
        else _("A message is on its way.")
    )
    return TriedLine(waits, "amber", tried.at, why.detail)


def may_set_defaults(viewer: Viewer, account: Account) -> bool:
    """Super admins, in plans that have it (R-NOT-3)."""
    has_it = plans.has_feature(account, Feature.DEFAULT_NOTIFICATIONS)
    return has_it and policy.can(viewer, Action.EDIT_DEFAULT_NOTIFICATIONS)


def tabs(viewer: Viewer, account: Account, current: str) -> tuple[Tab, ...]:
    """One's own, and those of the account for who may set them."""
    if not may_set_defaults(viewer, account):
        return ()
    pages = {"notification-settings": _("Mine"), "notification-defaults": _("For everybody")}
    return tuple(Tab(label, reverse(name), name == current) for name, label in pages.items())
