"""Mails about signing in. They leave through the outbox, and cost the same whether somebody gets them or nobody."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts.models import Account, Membership, User
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
        to = Address(user.email, user.name) if user else Address("nobody@example.invalid")
        _enqueue(member.account if member else None, to, subject, text)
        if member is None:
            transaction.set_rollback(True)


def send_invitation(member: Membership, url: str, *, invited_by: str, days: int) -> None:
    """To somebody who is not in yet, in their own language or the account's."""
    account, user = member.account, member.user
    with translation.override(user.locale or account.locale):
        sentence = _("%(name)s invited you to the help desk of %(account)s.") if invited_by else _(
            "You are invited to the help desk of %(account)s."
        )  # fmt: skip
        _enqueue(
            account,
            Address(user.email),
            _("Your invitation to %(account)s") % {"account": account.name},
            sentence % {"name": invited_by, "account": account.name}
            + "\n\n"
            + ngettext(
                "Join here. The link works once, and for %(num)s day:",
                "Join here. The link works once, and for %(num)s days:",
                days,
            )
            % {"num": days}
            + f"\n{url}\n\n"
            + _("If you don't know what this is about, do nothing."),
        )


def send_address_changed(member: Membership, former: str, *, changed_by: str) -> None:
    """To the address that was somebody's until now, so that a change behind their back does not stay unseen."""
    account, user = member.account, member.user
    with translation.override(user.locale or account.locale):
        sentence = (
            _("%(name)s changed the address that you sign in with to %(email)s.")
            if changed_by
            else _("The address that you sign in with was changed to %(email)s.")
        )
        _enqueue(
            account,
            Address(former, user.name),
            _("Your address at %(account)s was changed") % {"account": account.name},
            sentence % {"name": changed_by, "email": user.email}
            + "\n\n"
            + _("Mail about this help desk goes there from now on. If this is not right, tell an administrator at once."),
        )  # fmt: skip


def _enqueue(account: Account | None, to: Address, subject: str, text: str) -> None:
    key = f"accounts:{secrets.token_hex(16)}"
    outbox.enqueue([_letter(account, to, subject, text, key)._replace(is_new=True)])


def letter(account: Account, to: User, subject: str, text: str, *, key: str) -> NewSend:
    """An automatic mail to one of our own people. The same `key` is one mail for ever."""
    return _letter(account, Address(to.email, to.name), subject, text, key)


def _letter(account: Account | None, to: Address, subject: str, text: str, key: str) -> NewSend:
    mail = Mail(
        sender=Address(sender_address(), account.name if account else ""), to=(to,), subject=subject, text=text,
        automatic="auto-generated",
    )  # fmt: skip
    return NewSend(
        account_id=account.pk if account else NOBODY, transport="mail", idempotency_key=key, recipients=[to.email],
        payload=mail.payload(),
    )  # fmt: skip


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
