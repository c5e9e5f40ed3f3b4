"""Tickets that people make by hand: for somebody who called, stood at the counter, or wrote elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from deskhand.accounts.policy import reaches_any
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import contacts, guard, store, tickets
from deskhand.crm.records.checking import is_empty, refuse_long
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Contact, Ticket
from deskhand.crm.records.tickets import Created
from deskhand.desk.replies import default_channel_if_any
from deskhand.desk.threads import preview_of
from deskhand.events.types import Actor
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.errors import Forbidden, Incomplete, Invalid
from deskhand.kernel.text import storable


@dataclass(frozen=True)
class Request:
    """What was asked for. `is_routed`: where nobody is named, the help desk's own rule chooses.

    `properties` are what the status asks for besides, by their names.
    """

    subject: str
    stage_id: int
    content: str = ""
    email: str = ""
    name: str = ""
    priority: str | None = None
    owner_id: int | None = None
    team_id: int | None = None
    is_routed: bool = True
    properties: Mapping[str, Any] = field(default_factory=dict)


def may_create(viewer: Viewer) -> bool:
    return reaches_any(viewer, "ticket", Verb.EDIT)


def create(asked: Request, viewer: Viewer, *, at: datetime | None = None) -> Created:
    """Raises Forbidden, and Invalid that names the field as the form does: Incomplete for all that is missing at once."""
    if not may_create(viewer):
        raise Forbidden(_("You may not create tickets."))
    by = Actor.user(viewer.user_id)
    subject = storable(asked.subject).strip()
    refuse_long(subject, tickets.SUBJECT, field="subject", message=_("The subject is too long."))
    content = storable(asked.content).strip()
    checked = tickets.checked("ticket", {"hs_ticket_priority": asked.priority, **asked.properties})
    _require_whole(asked, {**checked, "subject": subject, "content": content, "owner_id": asked.owner_id}, by)
    contact = _contact(asked, viewer, by, at)
    # Where the ticket belongs, and whose rule chooses; without any there is nobody to choose.
    channel = default_channel_if_any(viewer.account_id)
    is_given = bool(asked.owner_id or asked.team_id)
    columns = columns_of(Ticket)
    facts: dict[str, Any] = {"preview": preview_of(content)}
    facts |= {name: value for name, value in checked.items() if name in columns}
    if asked.team_id:
        facts["assigned_team_ids"] = [asked.team_id]
    return tickets.create(
        tickets.NewTicket(
            subject, content, stage_id=asked.stage_id, contact_id=contact.pk if contact else None,
            company_id=contact.company_id if contact else None, owner_id=asked.owner_id, source_type="MANUAL",
            inbox_id=channel.inbox_id if channel else None,
            channel_account_id=channel.pk if channel and asked.is_routed and not is_given else None, facts=facts,
            properties={name: store.plain(value) for name, value in checked.items() if name not in columns and not is_empty(value)},
        ),
        by=by, at=at,
    )  # fmt: skip


def _require_whole(asked: Request, values: Mapping[str, Any], by: Actor) -> None:
    """Raises Incomplete: a name, and what the status asks of people (R-REQ-1)."""
    missing = {} if values["subject"] else {"subject": _("A ticket needs a subject.")}
    stage = pipelines_of("ticket").stage(asked.stage_id)
    missing |= {
        name: said
        for name, said in guard.asked_at_birth("ticket", stage, values, by).items()
        if name != "subject"
    }
    if missing:
        raise Incomplete(missing)


def _contact(asked: Request, viewer: Viewer, by: Actor, at: datetime | None) -> Contact | None:
    """Who has this address, made if nobody does."""
    email = storable(asked.email).strip().lower()
    if not email:
        if asked.name.strip():
            raise Invalid(
                _("A contact needs an email address."), field="email", hint=_("Give one, or leave the name out.")
            )  # fmt: skip
        return None
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid(
            _("This is not an email address."), field="email", value=email, hint=_("It looks like name@example.com.")
        ) from None  # fmt: skip
    if not contacts.ids_of([email]) and not reaches_any(viewer, "contact", Verb.EDIT):
        raise Invalid(
            _("Nobody has this address, and you may not create contacts."), field="email", value=email,
            hint=_("Give the address of a contact."),
        )  # fmt: skip
    found = contacts.upsert_many([Person(email, storable(asked.name).strip())], by=by, at=at)
    return Contact.objects.get(account_id=viewer.account_id, pk=found[email])
