"""What a person has typed and not sent: one draft per person, ticket and mode (R-WORK-6)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from deskhand.accounts.types import Viewer
from deskhand.desk import writing
from deskhand.desk.models import Draft, DraftFile
from deskhand.kernel import clock
from deskhand.kernel.text import storable
from deskhand.kernel.written import Written

LIMIT = 200_000  # characters
LINE_LIMIT = 10_000  # characters of a line of addresses
LINES = ("to", "cc", "bcc")


def save(
    viewer: Viewer,
    ticket_id: int,
    *,
    mode: str,
    body: str,
    html: str = "",
    recipients: Mapping[str, str] | None = None,
    kept_as: Set[str] = frozenset(),
) -> None:
    """Keep the draft, or drop it when it is empty. Safe to repeat.

    `recipients` are the lines as typed; None leaves those that are kept. `html` is sanitized. `kept_as` are the modes
    that the same text may have been kept in before.
    """
    forget(viewer, ticket_id, kept_as - {mode})
    mine: dict[str, Any] = {
        "account_id": viewer.account_id,
        "user_id": viewer.user_id,
        "ticket_id": ticket_id,
        "mode": mode,
    }
    body = storable(body[:LIMIT])
    if not body.strip():
        Draft.objects.filter(**mine).delete()
        return
    values: dict[str, Any] = {"body": body, "html": storable(html[: 2 * LIMIT]), "updated_at": clock.now()}
    if recipients is not None:
        values["recipients"] = {
            line: storable(recipients[line][:LINE_LIMIT]) for line in LINES if line in recipients
        }
    Draft.objects.update_or_create(**mine, defaults=values)


def latest(viewer: Viewer, ticket_id: int) -> Draft | None:
    """What was typed last in a ticket, in either mode."""
    found = Draft.objects.filter(account_id=viewer.account_id, user_id=viewer.user_id, ticket_id=ticket_id)
    return found.order_by("-updated_at", "-id").first()


def forget(viewer: Viewer, ticket_id: int, modes: Set[str]) -> None:
    """Drop the drafts whose text went on in the other mode; the files stay with that."""
    if not modes:
        return
    Draft.objects.filter(
        account_id=viewer.account_id, user_id=viewer.user_id, ticket_id=ticket_id, mode__in=modes
    ).delete()


def drop(account_id: int, user_id: int, ticket_id: int, mode: str) -> None:
    """What was written has been said: its draft goes, and the files that went with it."""
    mine = {"account_id": account_id, "user_id": user_id, "ticket_id": ticket_id}
    Draft.objects.filter(**mine, mode=mode).delete()
    DraftFile.objects.filter(**mine).delete()


def put_back(account_id: int, user_id: int, ticket_id: int, values: Mapping[str, Any]) -> None:
    """Make a reply that was taken back the draft again, above what was typed since."""
    mine: dict[str, Any] = {
        "account_id": account_id,
        "user_id": user_id,
        "ticket_id": ticket_id,
        "mode": "reply",
    }
    typed = Draft.objects.filter(**mine).first()
    given = dict(values)
    if typed:
        both = writing.joined(Written(given["body"], given["html"]), Written(typed.body, typed.html))
        given |= {"body": both.text, "html": both.html}
    Draft.objects.update_or_create(**mine, defaults=given | {"updated_at": clock.now()})
