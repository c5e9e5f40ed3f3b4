"""Values that calls and custom code may use and nobody can read again: encrypted at rest, never shown, never logged."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.automation import uses
from deskhand.automation.models import CustomAction, WorkflowSecret
from deskhand.events.types import Actor
from deskhand.kernel import clock, crypto
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import Conflict, Invalid, NotFound

PURPOSE = "workflow secret"
LONGEST_NAME = 60
LONGEST = 8_000
PAGE = "secrets"  # where they are kept

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NAMED = re.compile(r"\bsecret\.([A-Za-z][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Known:
    """What can be told of a secret."""

    id: int
    name: str
    updated_at: datetime
    updated_by_id: int | None


def known(account_id: int) -> list[Known]:
    found = WorkflowSecret.objects.filter(account_id=account_id).order_by("name")
    return [Known(*row) for row in found.values_list("id", "name", "updated_at", "updated_by_id")]


def add(account_id: int, name: str, value: str, *, by: Actor) -> int:
    """Keep a new one; returns its id. Raises Invalid, naming the field."""
    name = name.strip()
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise Invalid(
            _("A name has letters, digits and underscores, and begins with a letter."), field="name", value=name[:LONGEST_NAME],
            hint=_("For example: SHOP_KEY"),
        )  # fmt: skip
    sealed = _sealed(account_id, value)
    try:
        with attempt():
            made = WorkflowSecret.objects.create(
                account_id=account_id, name=name, value=sealed, updated_at=clock.now(), updated_by_id=by.id
            )
    except IntegrityError as taken:
        raise Invalid(
            _("There is a secret of this name already."), field="name", value=name, hint=_("Replace its value, or use another name."),
        ) from taken  # fmt: skip
    audit.record("secret.created", by=by, target_type="secret", target_id=made.pk, after={"name": name})
    return made.pk


def replace(account_id: int, secret_id: int, value: str, *, by: Actor) -> str:
    """Give it another value from the next call on; returns its name. Raises NotFound, or Invalid without a value."""
    secret = _get(account_id, secret_id)
    secret.value, secret.updated_at, secret.updated_by_id = _sealed(account_id, value), clock.now(), by.id
    secret.save(update_fields=["value", "updated_at", "updated_by_id"])
    audit.record(
        "secret.replaced", by=by, target_type="secret", target_id=secret.pk, after={"name": secret.name}
    )
    return secret.name


def delete(account_id: int, secret_id: int, *, by: Actor) -> str:
    """Forget it; returns its name. Raises NotFound, or Conflict while a workflow uses it."""
    secret = _get(account_id, secret_id)
    if used_in(account_id).get(secret.name):
        raise Conflict(_("A workflow uses this secret. Take it out there first."))
    if CustomAction.objects.filter(account_id=account_id, secret=secret.name).exists():
        raise Conflict(_("An integration signs its calls with this secret. Choose another one there first."))
    secret.delete()
    audit.record(
        "secret.deleted", by=by, target_type="secret", target_id=secret_id, before={"name": secret.name}
    )
    return secret.name


def values(account_id: int, names: Collection[str]) -> dict[str, str]:
    """The values of those that are there, by name, to be used at once and never kept. One query."""
    if not names:
        return {}
    found = WorkflowSecret.objects.filter(account_id=account_id, name__in=names).values_list("name", "value")
    return {
        name: crypto.decrypt(bytes(value).decode(), account_id=account_id, purpose=PURPOSE) for name, value in found
    }  # fmt: skip


def missing(account_id: int, names: Collection[str]) -> list[str]:
    """Those of the names that nothing is kept under."""
    if not names:
        return []
    found = WorkflowSecret.objects.filter(account_id=account_id, name__in=names).values_list(
        "name", flat=True
    )
    return sorted(set(names) - set(found))


def named_in(settings: Any) -> set[str]:
    """The secrets that a step's settings use: chosen as "secret" or "secrets", or named in a text."""
    if isinstance(settings, str):
        return set(_NAMED.findall(settings))
    if isinstance(settings, Mapping):
        chosen = [settings.get("secret"), *(settings.get("secrets") or ())]
        return {str(name) for name in chosen if name} | {
            name for value in settings.values() for name in named_in(value)
        }
    if isinstance(settings, list | tuple):
        return {name for value in settings for name in named_in(value)}
    return set()


_USED = f"""{uses.DEFINITIONS}
select m.found[1], s.id from definitions s cross join lateral regexp_matches(s.definition::text, '\\msecret\\.([A-Za-z][A-Za-z0-9_]*)', 'g') m (found)
union
select x.name #>> '{{}}', s.id from definitions s
cross join lateral jsonb_path_query(s.definition, '$.**.secret ? (@ != "")') x (name) where jsonb_typeof(x.name) = 'string'
union
select x.name #>> '{{}}', s.id from definitions s cross join lateral jsonb_path_query(s.definition, '$.**.secrets[*]') x (name)
order by 1, 2
"""


def used_in(account_id: int) -> dict[str, list[int]]:
    """{name: the workflows that use it}, drafts included. One query."""
    found: dict[str, list[int]] = {}
    for name, workflow_id in sql.rows(_USED, {"account": account_id}):
        found.setdefault(name, []).append(workflow_id)
    return found


def _get(account_id: int, secret_id: int) -> WorkflowSecret:
    found = WorkflowSecret.objects.select_for_update().filter(account_id=account_id, pk=secret_id).first()
    if found is None:
        raise NotFound(_("There is no such secret."))
    return found


def _sealed(account_id: int, value: str) -> bytes:
    if not value:
        raise Invalid(
            _("A secret needs a value."), field="value", hint=_("Paste it here. It is not shown again.")
        )
    if len(value) > LONGEST:
        raise Invalid(
            _("A secret has at most %(num)s characters.") % {"num": LONGEST}, field="value", hint=_("Use a shorter one.")
        )  # fmt: skip
    return crypto.encrypt(value, account_id=account_id, purpose=PURPOSE).encode()
