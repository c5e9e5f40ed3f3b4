"""How a customer gets in: a link in a mail, signed, for one address, good once and for a short while (R-POR-6).

No passwords. A customer's session is no user's: it has a table and a cookie of its own, and opens nothing but the portal.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts import attempts, mails
from deskhand.accounts.models import Account
from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Portal, Reach, Session, SignInLink
from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import to_sql
from deskhand.crm.filters.types import EVERYTHING, Condition
from deskhand.crm.records import contacts, directory
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Contact
from deskhand.crm.records.tables import tables_of
from deskhand.delivery import outbox
from deskhand.delivery.types import Address, Mail, NewSend
from deskhand.desk import blocking
from deskhand.desk.customer_policy import Customer
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import crypto
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError, Limited, NotFound

MINUTES = 20  # that a link is good for
STAYS = timedelta(days=30)  # signed in
_PURPOSE = "portal link"

#: Makes the address of a link of its id and signature, for the mail.
LinkTo = Callable[[int, str], str]


def ask(
    account: Account,
    email: str,
    *,
    network: str,
    link_to: LinkTo,
    now: datetime,
    ticket_id: int | None = None,
) -> None:
    """Mail a link to an address, if it may come in; for any other one the same work is done and undone (S8, S11).

    Raises Invalid for what is no address, and Limited when too many links were asked for. Opens its own scopes.
    """
    email = contacts.address(email)
    try:
        # Apart from the help desk's own sign-in: people who share a network don't shut each other out.
        attempts.count(f"portal {account.pk} {email}", f"portal {attempts.network(network)}")
    except Limited as limited:
        raise Limited(_("Too many links were asked for."), retry_after=limited.retry_after) from None
    with account_scope(account.pk), transaction.atomic():
        _forget_old(account.pk, now)
        portal = portals.of_account(account.pk)
        may_enter = _may_enter(portal, email)
        link = SignInLink.objects.create(
            account_id=account.pk, email=email, ticket_id=ticket_id, created_at=now,
            expires_at=now + timedelta(minutes=MINUTES),
        )  # fmt: skip
        outbox.enqueue([_letter(account, portal, link, link_to(link.pk, _sign(link)))])
        if not may_enter:
            transaction.set_rollback(True)


def _may_enter(portal: Portal, email: str) -> bool:
    is_known = bool(contacts.ids_of([email]))
    is_blocked = bool(blocking.blocked({email}))
    return (is_known or portal.takes_strangers) and not is_blocked


def _letter(account: Account, portal: Portal, link: SignInLink, url: str) -> NewSend:
    """From the address that requests are answered from, so that people know it."""
    channel, name = portals.channel_of(portal), portals.name_of(account, portal)
    minutes = ngettext(
        "Open this link to sign in. It works once, and for %(num)s minute:",
        "Open this link to sign in. It works once, and for %(num)s minutes:",
        MINUTES,
    ) % {"num": MINUTES}
    mail = Mail(
        sender=Address(channel.address if channel else mails.sender_address(), name), to=(Address(link.email),),
        subject=_("Sign in to %(name)s") % {"name": name},
        text=f"{minutes}\n{url}\n\n" + _("If you did not ask for it, do nothing: nobody gets in without this link."),
        automatic="auto-generated",
    )  # fmt: skip
    return NewSend(
        account_id=account.pk, transport="mail", idempotency_key=f"portal:link:{link.pk}", recipients=[link.email],
        payload=mail.payload(), channel_account_id=channel.pk if channel else None, is_new=True,
    )  # fmt: skip


def find(account_id: int, link_id: int, signature: str, now: datetime, *, lock: bool = False) -> SignInLink:
    """Whose link it is. Raises NotFound when it was used, is too old or was never ours."""
    links = SignInLink.objects.select_for_update() if lock else SignInLink.objects.all()
    link = links.filter(account_id=account_id, pk=link_id, used_at=None, expires_at__gt=now).first()
    if link is None or not crypto.is_signed(
        _content(link), signature, account_id=account_id, purpose=_PURPOSE
    ):
        raise NotFound(_("This link is no longer valid. Ask for a new one."))
    return link


@dataclass(frozen=True)
class Entered:
    """`token` goes into the cookie, and nowhere else."""

    token: str
    ticket_id: int | None


def enter(account_id: int, link_id: int, signature: str, now: datetime) -> Entered:
    """Use the link up, and sign in its address; who is no contact becomes one. Raises NotFound. Needs the account's scope."""
    link = find(account_id, link_id, signature, now, lock=True)
    if not _may_enter(portals.of_account(account_id), link.email):
        raise NotFound(_("This link is no longer valid. Ask for a new one."))
    link.used_at = now
    link.save(update_fields=["used_at"])
    contact_id = contacts.upsert_many([Person(link.email)], by=Actor(ActorKind.VISITOR), at=now)[link.email]
    token = secrets.token_urlsafe(32)
    Session.objects.create(
        account_id=account_id, digest=crypto.digest(token), email=link.email, contact_id=contact_id, created_at=now,
        expires_at=now + STAYS,
    )  # fmt: skip
    return Entered(token, link.ticket_id)


def leave(account_id: int, token: str) -> None:
    """Safe to repeat."""
    Session.objects.filter(account_id=account_id, digest=crypto.digest(token)).delete()


# ── who it is ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Visitor:
    """Who is signed in: the person, the address they came in by, and what they may see."""

    contact: Contact
    email: str
    customer: Customer


def visitor(portal: Portal, token: str, now: datetime, zone: ZoneInfo) -> Visitor | None:
    """Whose session it is; nobody's once it is over, the contact is deleted, or the address is theirs no more.

    Of a contact that was merged it is the survivor's: the address went along.
    """
    session = Session.objects.filter(
        account_id=portal.account_id, digest=crypto.digest(token), expires_at__gt=now
    ).first()
    if session is None or blocking.blocked({session.email}):
        return None
    contact_id = contacts.ids_of([session.email]).get(session.email)
    if contact_id is None:
        return None
    if contact_id != session.contact_id:
        became = directory.survivors("contact", [session.contact_id]).get(session.contact_id)
        if became != contact_id:  # whoever has a deleted contact's address is somebody else
            return None
    contact = Contact.objects.select_related("company").get(account_id=portal.account_id, pk=contact_id)
    further = contact.addresses.values_list("email", flat=True)
    emails = frozenset(email for email in (contact.email, *further) if email)
    customer = Customer(portal.account_id, contact_id, emails, _company(portal, contact, now, zone))
    return Visitor(contact, session.email, customer)


def _company(portal: Portal, contact: Contact, now: datetime, zone: ZoneInfo) -> int | None:
    """The company all of whose requests they see (R-POR-3, R-POR-4)."""
    company = contact.company
    if portal.reach == Reach.OWN or company is None or company.archived_at is not None:
        return None
    if portal.reach == Reach.CHOSEN and not _is_chosen(portals.condition_of(portal), contact, now, zone):
        return None
    return int(company.pk)


def _is_chosen(condition: Condition, contact: Contact, now: datetime, zone: ZoneInfo) -> bool:
    """Without filters nobody is chosen; what can't be asked any more lets nobody see more than their own."""
    if condition == EVERYTHING:
        return False
    source = SchemaSource(tables_of(contact.account_id), "contact", "t")
    try:
        asked = to_sql(condition, source, now=now, zone=zone)
    except DeskhandError:
        return False
    found = sql.row(
        f"select ({asked.text}) is true from crm_contact t where t.account_id = %s and t.id = %s",
        [*asked.params, contact.account_id, contact.pk],
    )
    return bool(found and found[0])


def _sign(link: SignInLink) -> str:
    return crypto.sign(_content(link), account_id=link.account_id, purpose=_PURPOSE)


def _content(link: SignInLink) -> bytes:
    return f"{link.pk}:{link.email}:{link.expires_at.timestamp():.6f}".encode()


def _forget_old(account_id: int, now: datetime) -> None:
    SignInLink.objects.filter(account_id=account_id, expires_at__lte=now).delete()
    Session.objects.filter(account_id=account_id, expires_at__lte=now).delete()
