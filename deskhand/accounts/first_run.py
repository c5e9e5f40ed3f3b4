"""The first account and its administrator, made in the browser by whoever holds the token that a terminal printed.

Open only while the installation has no account at all. Of the token its digest is stored; making a new one ends the
former, and using it ends it for good.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from deskhand.accounts import accounts, attempts, users
from deskhand.accounts.models import Account, Membership, SetUpToken, User
from deskhand.events.types import Actor
from deskhand.kernel import crypto
from deskhand.kernel.errors import Invalid, NotFound

_TAKEN = {"demo"}  # the demo company's


@dataclass(frozen=True)
class FirstRun:
    """What whoever sets up an installation says of the company and of themselves."""

    company: str
    zone: str
    locale: str
    name: str
    email: str
    password: str


def is_open() -> bool:
    """Whether nobody has an account here yet."""
    return not Account.objects.exists()


def new_token() -> str:
    """Make the token that counts from now on. Raises NotFound when there is an account already."""
    if not is_open():
        raise _over()
    token = secrets.token_urlsafe(32)
    SetUpToken.objects.update_or_create(pk=1, defaults={"digest": crypto.digest(token)})
    return token


def check(token: str, address: str) -> None:
    """Raises NotFound for a wrong token and Limited for too many of them from one network."""
    name = f"set-up {attempts.network(address)}"
    attempts.count(name, address)
    if not _is_right(SetUpToken.objects.filter(pk=1).first(), token):
        raise _over()
    attempts.take_back(name, address)


def set_up(token: str, wanted: FirstRun) -> tuple[Account, User]:
    """Make the account and its super admin, and use the token up.

    Raises NotFound when somebody was faster, and Invalid, with the field of `FirstRun`, for what can't be taken.
    """
    with transaction.atomic():
        if not _is_right(SetUpToken.objects.select_for_update().filter(pk=1).first(), token):
            raise _over()
        user = users.create(
            email=wanted.email, name=wanted.name, password=wanted.password, locale="", zone=""
        )
        account = _account(wanted, Actor.user(user.pk))
        users.add_to_account(account.pk, user.pk, is_super_admin=True, by=Actor.user(user.pk))
        show_guide(account.pk, user.pk, True)
        SetUpToken.objects.all().delete()
    return account, user


def show_guide(account_id: int, user_id: int, shown: bool) -> None:
    """Keep "Get started" in somebody's rail, or put it away."""
    Membership.objects.filter(account_id=account_id, user_id=user_id).update(sees_start=shown)


def _is_right(kept: SetUpToken | None, token: str) -> bool:
    return kept is not None and is_open() and crypto.same(kept.digest, crypto.digest(token))


def _account(wanted: FirstRun, by: Actor) -> Account:
    try:
        return accounts.create(
            slug=_slug(wanted.company), name=wanted.company, zone=wanted.zone, locale=wanted.locale, by=by
        )
    except Invalid as refusal:
        if refusal.field == "name":
            refusal.field = "company"
        raise


def _slug(company: str) -> str:
    """The company's name as a DNS label."""
    made = slugify(company)[:60].strip("-_").replace("_", "-") or "desk"
    return f"{made}-1" if made in _TAKEN else made


def _over() -> NotFound:
    return NotFound(_("This set-up link is no longer valid."))
