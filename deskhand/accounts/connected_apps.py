"""Programs of others that work with an account: known by a public id, and by a secret that both sides have.

An app belongs to one account. What it may ask for (`scopes`, `redirect_urls`) is for those that people let in; an app
without them is only told what happens.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.accounts.models import App
from deskhand.accounts.tokens import SCOPES
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import clock, crypto
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line

PURPOSE = "app secret"
LONGEST_NAME = 100
MOST_URLS, LONGEST_URL = 20, 2_000
_HERE = {
    "localhost",
    "127.0.0.1",
    "::1",
}  # on somebody's own computer, where there is no https (RFC 8252 §7.3)


def create(
    account_id: int,
    *,
    name: str,
    redirect_urls: Collection[str] = (),
    scopes: Collection[str] = (),
    by: Actor,
) -> tuple[App, str]:
    """Make one and return it with its secret. Raises Invalid, naming the field."""
    given = _checked(name, redirect_urls, scopes)
    secret = _new_secret()
    with account_scope(account_id):
        app = App.objects.create(
            account_id=account_id, secret=_sealed(account_id, secret), created_by_id=_user(by), **given
        )
        audit.record("app.created", by=by, target_type="app", target_id=app.pk, after=_facts(app))
    return app, secret


def update(
    account_id: int,
    app_id: int,
    *,
    name: str,
    redirect_urls: Collection[str],
    scopes: Collection[str],
    by: Actor,
) -> App:
    """Raises NotFound, also for one that was revoked, or Invalid, naming the field."""
    given = _checked(name, redirect_urls, scopes)
    with account_scope(account_id):
        app = get(account_id, app_id, lock=True)
        before = _facts(app)
        for field, value in given.items():
            setattr(app, field, value)
        if _facts(app) != before:
            app.save(update_fields=list(given))
            audit.record(
                "app.updated", by=by, target_type="app", target_id=app.pk, before=before, after=_facts(app)
            )
    return app


def rotate_secret(account_id: int, app_id: int, *, by: Actor) -> str:
    """Give it another secret, which counts at once, and return that. Raises NotFound, also for one that was revoked."""
    secret = _new_secret()
    with account_scope(account_id):
        app = get(account_id, app_id, lock=True)
        app.secret = _sealed(account_id, secret)
        app.save(update_fields=["secret"])
        audit.record(
            "app.secret_rotated", by=by, target_type="app", target_id=app.pk, after={"name": app.name}
        )
    return secret


def revoke(account_id: int, app_id: int, *, by: Actor) -> None:
    """It is no app any more, for good. Safe to repeat. Raises NotFound."""
    with account_scope(account_id):
        app = App.objects.select_for_update().filter(account_id=account_id, pk=app_id).first()
        if app is None:
            raise _unknown()
        if app.revoked_at is None:
            app.revoked_at = clock.now()
            app.save(update_fields=["revoked_at"])
            audit.record("app.revoked", by=by, target_type="app", target_id=app.pk, after={"name": app.name})


def known(account_id: int) -> list[App]:
    """Those that are not revoked, by name."""
    return list(App.objects.filter(account_id=account_id, revoked_at=None).order_by("name", "id"))


def get(account_id: int, app_id: int, *, lock: bool = False) -> App:
    """Raises NotFound, also for one that was revoked."""
    rows = App.objects.filter(account_id=account_id, pk=app_id, revoked_at=None)
    found = (rows.select_for_update() if lock else rows).first()
    if found is None:
        raise _unknown()
    return found


def by_client_id(given: str) -> App | None:
    """The app that calls itself so, of whatever account; None for what is none, or was revoked."""
    try:
        client_id = UUID(given)
    except ValueError:
        return None
    return App.objects.filter(client_id=client_id, revoked_at=None).first()


def secret_of(app: App) -> str:
    """To sign with, and to show nobody. Raises Invalid when it can't be read with the present key."""
    return crypto.decrypt(app.secret, account_id=app.account_id, purpose=PURPOSE)


def is_secret(app: App, given: str) -> bool:
    """Compares in constant time."""
    return crypto.same(secret_of(app), given)


def _new_secret() -> str:
    return secrets.token_urlsafe(32)  # 256 bits


def _sealed(account_id: int, secret: str) -> str:
    return crypto.encrypt(secret, account_id=account_id, purpose=PURPOSE)


def _checked(name: str, redirect_urls: Collection[str], scopes: Collection[str]) -> dict[str, Any]:
    name = one_line(name)
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid(_("A name has 1 to 100 characters."), field="name", value=name[:LONGEST_NAME])
    urls = list(dict.fromkeys(url.strip() for url in redirect_urls))
    if len(urls) > MOST_URLS:
        raise Invalid(_("At most %(num)s addresses.") % {"num": MOST_URLS}, field="redirect_urls")
    for url in urls:
        _check_url(url)
    for scope in scopes:
        if scope not in SCOPES:
            raise Invalid(
                _("There is no scope %(scope)s.") % {"scope": scope[:80]}, field="scopes", value=scope[:80]
            )
    return {"name": name, "redirect_urls": urls, "scopes": sorted(set(scopes))}


def _check_url(url: str) -> None:
    """Where codes are sent: nobody on the way may read them, and what stands behind a # does not arrive (RFC 6749 §3.1.2)."""
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    except ValueError:
        is_safe = False
    if (
        not is_safe or not parts.hostname or parts.fragment or parts.username is not None
        or len(url) > LONGEST_URL or any(c.isspace() or ord(c) < 32 for c in url)
    ):  # fmt: skip
        raise Invalid(
            _("%(url)s is no address to come back to.") % {"url": url[:80]}, field="redirect_urls", value=url[:80],
            hint=_("It begins with https://, or with http://localhost, and has no #."),
        )  # fmt: skip


def _facts(app: App) -> dict[str, Any]:
    return {"name": app.name, "redirect_urls": app.redirect_urls, "scopes": app.scopes}


def _user(by: Actor) -> int | None:
    return by.id if by.kind is ActorKind.USER else None


def _unknown() -> NotFound:
    return NotFound(_("There is no such app."))
