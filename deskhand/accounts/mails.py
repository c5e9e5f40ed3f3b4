"""Mails about signing in. They leave through the outbox, and cost the same whether somebody gets them or nobody."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from deskhand.accounts.models import Membership, User
from deskhand.delivery import outbox
from deskhand.delivery.types import Address, Mail, NewSend

NOBODY = 0  # no account has this id


def send(user: User | None, *, subject: str, text: str) -> None:
    """Put a mail to the user into the outbox of the first account they can enter.

    For None, and for somebody who can enter none, the same work is done and undone: an onlooker with a watch
    learns nothing (S11). In particular nobody can have us write to addresses we don't know (S8).
    """
    member = (
        Membership.objects.select_related("account")
        .filter(user_id=user.pk if user else NOBODY, is_active=True, user__is_active=True)
        .order_by("id")
        .first()
    )
    with transaction.atomic():
        name = member.account.name if member else ""
        to = Address(user.email, user.name) if user else Address("nobody@example.invalid")
        mail = Mail(
            sender=Address(sender_address(), name),
            to=(to,),
            subject=subject,
            text=text,
            automatic="auto-generated",
        )
        outbox.enqueue(
            [
                NewSend(
                    account_id=member.account_id if member else NOBODY,
                    transport="mail",
                    idempotency_key=f"accounts:{secrets.token_hex(16)}",
                    recipients=[to.email],
                    payload=mail.payload(),
                    is_new=True,
                )
            ]
        )
        if member is None:
            transaction.set_rollback(True)


def send_reset_link(user: User | None, url: str) -> None:
    """The link works once; what it opens, and for how long, is the caller's matter."""
    with translation.override((user and user.locale) or translation.get_language()):
        send(
            user,
            subject=_("Set a new password"),
            text=_(
                "Somebody, probably you, asked for a new password for your user %(username)s.\n\n"
                "Set it here:\n%(url)s\n\n"
                "If it wasn't you, do nothing: the present password still holds."
            )
            % {"username": user.username if user else "", "url": url},
        )


def sender_address() -> str:
    """MAIL_FROM, or an address of the host that people open."""
    return getattr(settings, "MAIL_FROM", "") or f"deskhand@{urlsplit(settings.SITE_URL).hostname}"
