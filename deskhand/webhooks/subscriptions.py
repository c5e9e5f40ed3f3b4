"""What apps ask to be told of. Needs the account's scope."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import IntegrityError
from django.db.models import Count
from django.utils.translation import gettext as _

from deskhand.accounts import audit, connected_apps
from deskhand.crm.schema import object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.webhooks.models import Subscription
from deskhand.webhooks.types import CHANGE, CONVERSATION, EVENT_TYPES, NUMBERS, OBJECT, THREAD_PROPERTIES

MOST = 1_000  # of one app


@dataclass(frozen=True)
class Wanted:
    """What somebody asks to be told of."""

    event_type: str
    property_name: str = ""
    object_type: str = ""

    @property
    def kind(self) -> str:
        """Of which records."""
        return self.object_type or self.event_type.partition(".")[0]


def of(account_id: int, app_id: int) -> list[Subscription]:
    return list(Subscription.objects.filter(account_id=account_id, app_id=app_id).order_by("id"))


def counted(account_id: int) -> dict[int, int]:
    """{app: how much it is told of}. One query."""
    active = Subscription.objects.filter(account_id=account_id, active=True)
    return dict(active.values_list("app_id").annotate(Count("id")).order_by())


def get(account_id: int, app_id: int, subscription_id: int) -> Subscription:
    """Raises NotFound."""
    found = Subscription.objects.filter(account_id=account_id, app_id=app_id, pk=subscription_id).first()
    if found is None:
        raise NotFound(_("There is no such subscription."))
    return found


def add(account_id: int, app_id: int, wanted: Wanted, *, active: bool, by: Actor) -> Subscription:
    """Raises NotFound, Invalid, naming the field, or Conflict for what is asked for already."""
    check(wanted)
    app = connected_apps.get(account_id, app_id, lock=True)
    before = said(account_id, app_id)
    _refuse_too_many(len(before) + 1)
    now = clock.now()
    try:
        with attempt():
            made = Subscription.objects.create(
                account_id=account_id, app_id=app_id, event_type=wanted.event_type, property_name=wanted.property_name,
                object_type=wanted.object_type, active=active, created_at=now, updated_at=now,
            )  # fmt: skip
    except IntegrityError as there:
        raise Conflict(_("There is such a subscription already.")) from there
    _tell(account_id, app.pk, app.name, before, by)
    return made


def set_active(
    account_id: int, app_id: int, wanted: Mapping[int, bool], *, by: Actor
) -> dict[int, Subscription]:
    """{subscription: whether it counts}; those that are not there are left out of the answer. Raises NotFound for the app."""
    app = connected_apps.get(account_id, app_id, lock=True)
    before = said(account_id, app_id)
    found = Subscription.objects.filter(account_id=account_id, app_id=app_id).in_bulk(
        [pk for pk in wanted if 0 < pk < 2**63]
    )
    changed = [one for pk, one in found.items() if one.active != wanted[pk]]
    for one in changed:
        one.active, one.updated_at = wanted[one.pk], clock.now()
    if changed:
        Subscription.objects.bulk_update(changed, ["active", "updated_at"])
        _tell(account_id, app.pk, app.name, before, by)
    return found


def drop(account_id: int, app_id: int, subscription_id: int, *, by: Actor) -> None:
    """Safe to repeat. Raises NotFound for the app."""
    app = connected_apps.get(account_id, app_id, lock=True)
    before = said(account_id, app_id)
    if Subscription.objects.filter(account_id=account_id, app_id=app_id, pk=subscription_id).delete()[0]:
        _tell(account_id, app.pk, app.name, before, by)


def arrange(account_id: int, app_id: int, wanted: Collection[Wanted], *, by: Actor) -> None:
    """Ask for these and no others. What stays keeps its number. Raises NotFound, or Invalid, naming the field."""
    for one in wanted:
        check(one)
    _refuse_too_many(len(set(wanted)))
    app = connected_apps.get(account_id, app_id, lock=True)
    before = said(account_id, app_id)
    there = {
        Wanted(one.event_type, one.property_name, one.object_type): one for one in of(account_id, app_id)
    }
    now = clock.now()
    Subscription.objects.filter(
        pk__in=[one.pk for key, one in there.items() if key not in set(wanted)]
    ).delete()
    Subscription.objects.filter(
        pk__in=[there[key].pk for key in wanted if key in there], active=False
    ).update(active=True, updated_at=now)
    Subscription.objects.bulk_create(
        Subscription(
            account_id=account_id, app_id=app_id, event_type=key.event_type, property_name=key.property_name,
            object_type=key.object_type, active=True, created_at=now, updated_at=now,
        )
        for key in dict.fromkeys(wanted) if key not in there
    )  # fmt: skip
    _tell(account_id, app.pk, app.name, before, by)


def check(wanted: Wanted) -> None:
    """Raises Invalid, naming the field, for what nothing would ever be told of."""
    if wanted.event_type not in EVENT_TYPES:
        raise Invalid(
            _("Nothing is told of “%(name)s”.") % {"name": wanted.event_type[:80]}, field="event_type", value=wanted.event_type[:80],
            hint=_("Choose from: %(names)s.") % {"names": ", ".join(EVENT_TYPES)},
        )  # fmt: skip
    prefix, _dot, what = wanted.event_type.partition(".")
    if (prefix == OBJECT) != bool(wanted.object_type):
        raise Invalid(
            _("Say which kind of record is meant, for “object” events and no others."), field="object_type"
        )
    if prefix == OBJECT and wanted.object_type not in {*NUMBERS, *object_types.all_of_them()}:
        raise Invalid(
            _("There is no such kind of record."), field="object_type", value=wanted.object_type[:80]
        )
    if (what == CHANGE) != bool(wanted.property_name):
        raise Invalid(
            _("Say which property is meant, for changes of properties and for nothing else."),
            field="property_name",
        )
    if what == CHANGE:
        names: Collection[str] = (
            THREAD_PROPERTIES.values() if prefix == CONVERSATION else properties_of(wanted.kind)
        )
        if wanted.property_name not in names:
            raise Invalid(
                _("There is no property “%(name)s”.") % {"name": wanted.property_name[:80]}, field="property_name", value=wanted.property_name[:80],
            )  # fmt: skip


def said(account_id: int, app_id: int) -> list[str]:
    """What counts, as the audit has it."""
    return [name(one) for one in of(account_id, app_id) if one.active]


def name(one: Subscription | Wanted) -> str:
    return " ".join(part for part in (one.event_type, one.object_type, one.property_name) if part)


def _tell(account_id: int, app_id: int, app_name: str, before: Sequence[str], by: Actor) -> None:
    after = said(account_id, app_id)
    if after != before:
        audit.record(
            "webhook.subscriptions_changed", by=by, target_type="app", target_id=app_id,
            before={"event_types": list(before)}, after={"name": app_name, "event_types": after},
        )  # fmt: skip


def _refuse_too_many(number: int) -> None:
    if number > MOST:
        raise Invalid(
            _("An app can ask for at most %(num)s kinds of events.") % {"num": MOST}, field="event_type"
        )
