"""Where apps are told: set, cleared, paused. Needs the account's scope, as all verbs of this area."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from deskhand.accounts import audit, connected_apps
from deskhand.accounts.models import App
from deskhand.delivery.calls import Call
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.webhooks import deliveries
from deskhand.webhooks.models import MOST_AT_ONCE, Target

AT_ONCE = 10  # requests, where nobody says
LONGEST_URL = 2_000


def of(account_id: int, app_id: int) -> Target:
    """Raises NotFound for an app without an address."""
    return deliveries.target_of(account_id, app_id)


def put(account_id: int, app_id: int, *, url: str, max_concurrent: int = AT_ONCE, by: Actor) -> Target:
    """Say where an app is told. Raises NotFound, or Invalid, naming the field."""
    url = checked_url(url)
    if not 1 <= max_concurrent <= MOST_AT_ONCE:
        raise Invalid(
            _("It takes 1 to %(num)s requests at once.") % {"num": MOST_AT_ONCE}, field="max_concurrent", value=max_concurrent
        )  # fmt: skip
    app = connected_apps.get(account_id, app_id, lock=True)
    now = clock.now()
    target = Target.objects.filter(account_id=account_id, app_id=app_id).first()
    before = _facts(app, target) if target else {}
    if target is None:
        target = Target(account_id=account_id, app_id=app_id, created_at=now)
    if (url, max_concurrent) != (target.url, target.max_concurrent) or target.pk is None:
        target.url, target.max_concurrent, target.updated_at = url, max_concurrent, now
        target.save()
        audit.record(
            "webhook.set",
            by=by,
            target_type="app",
            target_id=app.pk,
            before=before,
            after=_facts(app, target),
        )
    return target


def clear(account_id: int, app_id: int, *, by: Actor) -> None:
    """It is told nowhere any more; what it asked for stays. Safe to repeat. Raises NotFound."""
    app = connected_apps.get(account_id, app_id, lock=True)
    target = Target.objects.filter(account_id=account_id, app_id=app_id).first()
    if target is not None:
        audit.record(
            "webhook.cleared", by=by, target_type="app", target_id=app.pk, before=_facts(app, target)
        )
        target.delete()


def set_paused(account_id: int, app_id: int, on: bool, *, by: Actor) -> None:
    """Tell it nothing until it is let go on: what happens meanwhile it never hears; what waits is sent then. Safe to repeat.

    Raises NotFound.
    """
    app = connected_apps.get(account_id, app_id, lock=True)
    target = of(account_id, app_id)
    if on != (target.paused_at is not None):
        target.paused_at = clock.now() if on else None
        target.save(update_fields=["paused_at"])
        what = "webhook.paused" if on else "webhook.resumed"
        audit.record(what, by=by, target_type="app", target_id=app.pk, after={"name": app.name})
        if not on:
            deliveries.hurry(account_id, app_id)


def known(account_id: int) -> list[Target]:
    """Those of apps that are not revoked, by name, each with its app. One query."""
    found = Target.objects.filter(account_id=account_id, app__revoked_at=None)
    return list(found.select_related("app").order_by("app__name", "app_id"))


def checked_url(url: str) -> str:
    """Raises Invalid for what is no web address that can be signed as it stands."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        is_address = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
        has_user = parts.username is not None or parts.password is not None
    except ValueError:
        is_address = has_user = False
    if (
        not is_address
        or len(url) > LONGEST_URL
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or "#" in url
    ):
        raise Invalid(
            _("This is not a web address."), field="url", value=url[:80], hint=_("It begins with https://, and has no # and no spaces."),
        )  # fmt: skip
    if has_user:
        raise Invalid(_("An address can't hold a user name or password."), field="url")
    return url


def _facts(app: App, target: Target) -> dict[str, Any]:
    """Without the path, which may hold a secret."""
    place = Call("POST", target.url).place
    return {"name": app.name, "url": place, "max_concurrent": target.max_concurrent}
