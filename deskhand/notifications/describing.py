"""A line of the list in words: what it is about, what happened, and where it leads."""

from __future__ import annotations

from django.utils.translation import gettext as _

from deskhand.notifications import failures, pages
from deskhand.notifications.reading import Line
from deskhand.notifications.types import Kind, Topic
from deskhand.notifications.wording import failed, heading, sentence


def name(line: Line) -> str:
    """What it is about; of a ticket its subject."""
    if line.ticket_id is not None:
        return line.subject or ""
    if line.topic in (Topic.FAILURE, Topic.MENTION):
        return heading(Kind(line.about_kind), line.about_name)
    return _("Your availability") if line.topic is Topic.AVAILABILITY else line.about_name


def title(line: Line) -> str:
    """The name, and a ticket's number before it."""
    return f"#{line.number} {name(line)}" if line.ticket_id is not None else name(line)


def words(line: Line) -> str:
    """What happened."""
    if line.topic is Topic.NOTICE:
        return line.text
    if line.topic is Topic.FAILURE:
        return failed(Kind(line.about_kind), line.times)
    return sentence(line.topic, line.actor_name, line.about_name if line.ticket_id else line.text, line.times)


def path(line: Line) -> str:
    """The page it leads to."""
    about_id = line.about_id or 0
    if line.ticket_id is not None:
        return pages.ticket(line.ticket_id, line.about_id)
    if line.topic is Topic.FAILURE:
        return failures.url_of(Kind(line.about_kind), about_id)
    if line.topic is Topic.MENTION:
        return pages.step_comment(about_id)
    return pages.AVAILABILITY if line.topic is Topic.AVAILABILITY else pages.record(line.about_kind, about_id)
