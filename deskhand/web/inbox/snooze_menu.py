"""Until when a ticket is put off, and what is offered."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts.models import User
from deskhand.accounts.types import Viewer
from deskhand.desk.models import Snooze
from deskhand.web import times
from deskhand.web.inbox import later_times, rows


def offered(viewer: Viewer, view: str, ticket_id: int, users: Mapping[int, User]) -> rows.Snoozing | None:
    if not (viewer.has_seat or viewer.is_super_admin):
        return None
    own = Q(user_id=viewer.user_id) | Q(user_id=None)
    found = Snooze.objects.filter(own, account_id=viewer.account_id, ticket_id=ticket_id).order_by("-set_at")
    stands = found.first()
    return rows.Snoozing(
        url=reverse("ticket-snooze", args=[view, ticket_id]), wake_url=reverse("ticket-wake", args=[view, ticket_id]),
        offers=later_times.offered(), earliest=later_times.earliest(), text=_said(stands, users) if stands else "",
    )  # fmt: skip


def _said(stands: Snooze, users: Mapping[int, User]) -> str:
    words = {"time": times.moment(stands.until) if stands.until else "", "name": ""}
    if stands.user_id is None:
        words["name"] = users[stands.set_by].name if stands.set_by in users else _("somebody")
        if stands.until:
            return _("%(name)s snoozed this ticket for everybody until %(time)s.") % words
        return _("%(name)s snoozed this ticket for everybody until the customer replies.") % words
    if stands.until:
        return _("You snoozed this ticket until %(time)s.") % words
    return _("You snoozed this ticket until the customer replies.")
