"""Verbs on accounts."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deskhand.accounts import audit, plans, roles
from deskhand.accounts.models import Account, Plan
from deskhand.events import log
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import one_line

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # a DNS label
_PLACE = re.compile(r"(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/.+")


def create(
    *,
    slug: str,
    name: str,
    zone: str = "UTC",
    locale: str = "en",
    plan: str = Plan.EVERYTHING,
    by: Actor = SYSTEM,
) -> Account:
    """Create an account with its preset roles.

    Raises Invalid for a value that can't be taken, Conflict when the slug is taken.
    """
    account = Account(slug=slug, name=one_line(name), zone=zone, locale=locale, plan=plan)
    _check(account)
    with transaction.atomic():
        try:
            with transaction.atomic():
                account.save(force_insert=True)
        except IntegrityError as taken:
            raise Conflict(_("There is an account %(slug)s already.") % {"slug": slug}) from taken
        with account_scope(account.pk):
            roles.create_presets(account)
            log.record("account.created", object_type="account", object_id=account.pk, version=1, by=by)
            audit.record(
                "account.created", by=by, target_type="account", target_id=account.pk, after=_facts(account)
            )
    return account


def update(account_id: int, *, by: Actor, **values: Any) -> Account:
    """Change name, zone, locale, plan or features. Raises Invalid; what is equal already is no change."""
    unknown = set(values) - {"name", "zone", "locale", "plan", "features"}
    if unknown:
        raise TypeError(f"An account has no {', '.join(sorted(unknown))} to change.")
    with account_scope(account_id):
        account = Account.objects.select_for_update().get(pk=account_id)
        before = _facts(account)
        for name, value in values.items():
            setattr(account, name, value)
        _check(account)
        if _facts(account) != before:
            account.save(update_fields=list(values))
            audit.record(
                "account.updated",
                by=by,
                target_type="account",
                target_id=account_id,
                before=before,
                after=_facts(account),
            )
    return account


def _facts(account: Account) -> Mapping[str, Any]:
    return {name: getattr(account, name) for name in ("slug", "name", "zone", "locale", "plan", "features")}


def _check(account: Account) -> None:
    locales = [code for code, _label in settings.LANGUAGES]
    wrong = (
        ("slug", _SLUG.fullmatch(account.slug), _("lower-case letters, digits and hyphens")),
        ("name", account.name and len(account.name) <= 200, _("1 to 200 characters")),
        ("zone", is_zone(account.zone), _("a time zone such as Europe/Oslo")),
        ("locale", account.locale in locales, ", ".join(locales)),
        ("plan", account.plan in Plan.values, ", ".join(Plan.values)),
    )
    for field, is_fine, allowed in wrong:
        if not is_fine:
            value = getattr(account, field)
            sentence = _("%(field)s is %(value)r; it must be: %(allowed)s.")
            raise Invalid(
                sentence % {"field": field, "value": value, "allowed": allowed},
                field=field,
                value=value,
                hint=allowed,
            )
    plans.check_switches(account.features)


def zones() -> list[str]:
    """The time zones that people choose from, by name: places, and UTC."""
    return [*sorted(one for one in zoneinfo.available_timezones() if _PLACE.fullmatch(one)), "UTC"]


def is_zone(name: str) -> bool:
    return name in zoneinfo.available_timezones()
