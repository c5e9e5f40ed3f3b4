"""Verbs on forms: each is a channel of ours (R-FORM-1), so that routing, statuses and the settings of channels are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from deskhand.accounts import audit
from deskhand.channels.forms.models import Form
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id

CHANNEL = "form"
#: The kinds of records that a form may be about, by their numbers of the contract.
KINDS: Mapping[str, str] = {"0-1": "contact", "0-2": "company", "0-5": "ticket"}


@dataclass(frozen=True)
class Field:
    """One question of a form."""

    object_type_id: str
    name: str
    label: str
    required: bool
    options: frozenset[str]  # none: anything

    @property
    def object_type(self) -> str:
        return KINDS[self.object_type_id]

    @property
    def prop(self) -> Property | None:
        """None where it was archived since."""
        return properties_of(self.object_type).get(self.name)


def fields_of(definition: Mapping[str, Any]) -> list[Field]:
    """All fields, those that depend on others behind them."""
    return [
        Field(
            str(one.get("objectTypeId") or "0-1"),
            str(one.get("name")),
            str(one.get("label") or one.get("name")),
            # Who has not chosen what it depends on was never asked.
            bool(one.get("required")) and not depends,
            frozenset(str(option.get("value")) for option in one.get("options") or ()),
        )
        for group in definition.get("fieldGroups") or ()
        for one, depends in _walk(group.get("fields") or ())
    ]


def _walk(fields: Any, depends: bool = False) -> Iterator[tuple[Mapping[str, Any], bool]]:
    for one in fields:
        yield one, depends
        yield from _walk([each["dependentField"] for each in one.get("dependentFields") or ()], True)


def why_not(field: Field) -> str:
    """What is wrong with a question that a form would ask; empty where nothing is."""
    if field.object_type_id not in KINDS:
        return f"A form asks about {', '.join(KINDS)}, not {field.object_type_id}."
    if field.prop is None:
        return f'Property "{field.name}" does not exist.'
    if field.prop.read_only or field.prop.is_computed:
        return f'Property "{field.name}" is read only.'
    if field.prop.is_place:
        return "Where a form's tickets begin is set in its channel."
    return ""


def create(name: str, definition: Mapping[str, Any], *, by: Actor) -> Form:
    """Make a form, with a channel of its own in the help desk."""
    account_id, guid, now = current_account_id(), uuid4(), clock.now()
    desk = inboxes.ensure_defaults(account_id)
    channel = inboxes.add_channel_account(desk, channel=CHANNEL, name=name, address=str(guid))
    audit.record(
        "channel_account.connected", by=by, target_type="channel_account", target_id=channel.pk,
        after={"name": name, "address": channel.address},
    )  # fmt: skip
    return Form.objects.create(
        account_id=account_id, guid=guid, channel_account_id=channel.pk, name=name, definition=dict(definition), created_at=now,
        updated_at=now,
    )  # fmt: skip


def change(form: Form, name: str, definition: Mapping[str, Any], *, by: Actor) -> Form:
    """Safe to repeat."""
    if (form.name, form.definition) == (name, dict(definition)):
        return form
    channel = _channel(form)
    if form.definition != dict(definition):
        audit.record(
            "channel_account.updated", by=by, target_type="channel_account", target_id=channel.pk,
            before={"body": _said(form.definition)}, after={"name": name, "body": _said(definition)},
        )  # fmt: skip
    if name != channel.name:
        inboxes.change(channel, by=by, name=name)
    form.name, form.definition, form.updated_at = name, dict(definition), clock.now()
    form.save(update_fields=["name", "definition", "updated_at"])
    return form


def _said(definition: Mapping[str, Any]) -> str:
    asked = ", ".join(f"{field.label}{' *' if field.required else ''}" for field in fields_of(definition))
    action = (definition.get("configuration") or {}).get("postSubmitAction") or {}
    return f"{asked} → {action.get('value', '')}"


def archive(form: Form, *, by: Actor) -> None:
    """Take nothing more by it; what it brought stays. Safe to repeat."""
    if form.archived_at is not None:
        return
    form.archived_at = form.updated_at = clock.now()
    form.save(update_fields=["archived_at", "updated_at"])
    inboxes.disconnect(_channel(form), by=by)


def _channel(form: Form) -> ChannelAccount:
    return ChannelAccount.objects.get(account_id=form.account_id, pk=form.channel_account_id)


def find(guid: str, *, archived: bool = False) -> Form | None:
    """A form of the open account by its id; None too for what is no such id."""
    try:
        wanted = UUID(guid)
    except ValueError:
        return None
    return Form.objects.filter(
        account_id=current_account_id(), guid=wanted, archived_at__isnull=not archived
    ).first()


def takes_any(form: Form) -> bool:
    """Whether its channel is connected; in the settings it can be disconnected without the form."""
    return _channel(form).archived_at is None
