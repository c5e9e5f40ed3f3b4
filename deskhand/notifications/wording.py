"""The sentence for a notice, on the screen and in a mail."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.notifications import pages
from deskhand.notifications.types import Kind, Topic


def sentence(topic: Topic, name: str, task: str = "", number: int = 1) -> str:
    """`name`: who did it; empty for routing, a workflow or somebody without a name. `task`: what is to be done; the new
    status of a ticket, or of somebody; a team. `number`: of tickets that were handed over together."""
    if topic is Topic.REMINDER:
        return _("Reminder: %(task)s") % {"task": task}
    if topic is Topic.SNOOZED:
        return _("This ticket was put off until now")
    if topic is Topic.STATUS:
        words = (
            _("%(name)s set your ticket to “%(status)s”") if name else _("Your ticket is now “%(status)s”")
        )
        return words % {"name": name, "status": _(task) if task else ""}
    if topic is Topic.AVAILABILITY:
        is_away = task == "AWAY"
        return (_("%(name)s set you to away") if is_away else _("%(name)s set you to available")) % {"name": name or _("Somebody")}  # fmt: skip
    if topic is Topic.TASK:
        words = (
            _("%(name)s gave you the task “%(task)s”") if name else _("You were given the task “%(task)s”")
        )
        return words % {"name": name, "task": task}
    if topic is Topic.TEAM:
        words = ngettext(
            "%(name)s handed over %(num)s ticket to the team “%(team)s”",
            "%(name)s handed over %(num)s tickets to the team “%(team)s”",
            number,
        )
        return words % {"name": name or _("Somebody"), "num": number, "team": task}
    if topic is Topic.ASSIGNED and number > 1:
        words = ngettext(
            "%(name)s handed over %(num)s ticket to you",
            "%(name)s handed over %(num)s tickets to you",
            number,
        )
        return words % {"name": name or _("Somebody"), "num": number}
    if not name:
        return {
            Topic.ASSIGNED: _("This ticket was assigned to you"),
            Topic.MENTION: _("You were mentioned"),
            Topic.MESSAGE: _("There is a new message on your ticket"),
            Topic.COMMENT: _("There is a new comment on your ticket"),
            Topic.REOPENED: _("Your ticket was reopened"),
            Topic.FOLLOWED: _("There is news on a ticket that you follow"),
            Topic.UNASSIGNED: _("A new ticket is nobody's"),
        }[topic]
    said = {
        Topic.ASSIGNED: _("%(name)s assigned this ticket to you"),
        Topic.MENTION: _("%(name)s mentioned you"),
        Topic.MESSAGE: _("%(name)s wrote on your ticket"),
        Topic.COMMENT: _("%(name)s commented on your ticket"),
        Topic.REOPENED: _("%(name)s reopened your ticket"),
        Topic.FOLLOWED: _("%(name)s wrote on a ticket that you follow"),
        Topic.UNASSIGNED: _("A new ticket of %(name)s is nobody's"),
    }[topic]
    return said % {"name": name}


def heading(kind: Kind, name: str) -> str:
    """`name`: of the automation or the channel."""
    if kind is Kind.WORK:
        return _("Background work")
    if kind in (Kind.AUTOMATION, Kind.RATE, Kind.PACE, Kind.BUDGET):
        return _("Automation “%(name)s”") % {"name": name}
    return name


def failed(kind: Kind, number: int) -> str:
    """What happened, and how often."""
    match kind:
        case Kind.AUTOMATION:
            words = ngettext("A step failed", "%(num)s steps failed", number)
        case Kind.RECEIVING:
            words = _("Mail is no longer received")
        case Kind.SENDING:
            words = ngettext("A mail can't be sent", "%(num)s mails can't be sent", number)
        case Kind.QUARANTINE:
            words = ngettext("A mail is in quarantine", "%(num)s mails are in quarantine", number)
        case Kind.WORK:
            words = ngettext("A job was given up", "%(num)s jobs were given up", number)
        case Kind.BUDGET:
            words = _(
                "It sent too much within an hour; automation sends nothing until somebody lets it go on"
            )
        case Kind.RATE:
            words = _("More records than usual are enrolled")
        case Kind.PACE:
            words = ngettext(
                "Another pace than in the week before: %(num)s record enrolled within a day",
                "Another pace than in the week before: %(num)s records enrolled within a day",
                number,
            )
    return words % {"num": number}


def mail_of(what: str) -> str:
    """The text of a mail that says this, in the language of the moment; it ends with where one chooses such mail."""
    return _("%(what)s\n\nYou choose what you get mail about here:\n%(settings_url)s") % {
        "what": what,
        "settings_url": settings.SITE_URL + pages.SETTINGS,
    }
