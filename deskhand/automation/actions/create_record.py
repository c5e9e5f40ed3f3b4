"""Make another record, and link it to this one. What it starts elsewhere goes on at the next depth, and the workflow
that made it is not entered by it (R-EXEC-20)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import gone, kinds
from deskhand.automation.actions import choices, reading
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import (
    Action,
    Doing,
    Done,
    Group,
    Output,
    by_workflow,
    failed,
    here,
)
from deskhand.automation.engine.loops import Touches
from deskhand.crm.records import associations, contacts, making, tickets
from deskhand.crm.records.checking import required_of
from deskhand.crm.records.contacts import Taken
from deskhand.crm.records.making import New
from deskhand.crm.records.unique import NotUnique
from deskhand.crm.schema import object_types
from deskhand.crm.schema.queries import properties_of, unique_of
from deskhand.crm.schema.types import Property
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import Invalid

#: What a record of these kinds can't be without, besides what the schema says.
NEEDED = {"contact": ("email",), "company": ("name",)}
NOBODY, OWNER = "nobody", "owner"


class CreateRecord(Action):
    kind = "create_record"
    label = gettext_lazy("Create record")
    about = gettext_lazy("A new ticket, contact, company, deal or other record.")
    icon, tone, group = "plus", "teal", Group.RECORD

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        made = [Option(kind, kinds.label(kind)) for kind in kinds.all_of_them()]
        first = (
            here(around),
            Setting(
                "record_type",
                _("Kind of record"),
                Input.CHOICE,
                required=True,
                options=tuple(made),
                redraws=True,
            ),
        )
        kind = str(settings.get("record_type") or "")
        if not kinds.is_known(kind):
            return first
        needed = _needed(kind)
        others = [
            prop for prop in choices.settable(kind) if prop.name not in needed and not _is_asked_apart(prop)
        ]
        also = Setting("also", _("Also set"), Input.MANY, options=choices.properties(others), redraws=True)
        chosen = [prop for prop in others if prop.name in reading.several(settings, "also")]
        return (
            *first,
            *(_value(around, kind, properties_of(kind)[name], required=True) for name in needed),
            *_place(around, kind),
            Setting("owner", _("Owner"), Input.CHOICE, options=_owners(), default=NOBODY),
            also,
            *(_value(around, kind, prop, required=False) for prop in chosen),
            *_link(around, kind),
        )  # fmt: skip

    def summary(self, settings: Mapping[str, Any]) -> str:
        kind = str(settings.get("record_type") or "")
        names = (
            [str(settings.get(f"value_{name}") or "") for name in _needed(kind)]
            if kinds.is_known(kind)
            else []
        )
        return _said(kind, names)

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        return (Output("record_id", _("ID of the new record")),)

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return Touches(creates=frozenset({str(settings.get("record_type") or "")}))

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers: dict[int, Done] = {}
        for part in by_workflow(batch):
            groups: dict[str, list[Doing]] = defaultdict(list)
            for doing in part:
                groups[str(doing.settings.get("record_type"))].append(doing)
            for kind, group in groups.items():
                answers |= _made(kind, group)
        return [answers[doing.enrollment_id] for doing in batch]


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _needed(kind: str) -> tuple[str, ...]:
    return NEEDED.get(kind) or required_of(kind)


def _is_asked_apart(prop: Property) -> bool:
    return choices.is_stage(prop) or prop.name == choices.OWNER


def _value(around: Around, kind: str, prop: Property, *, required: bool) -> Setting:
    return choices.value_setting(
        replace(around, pipeline_id=None), kind, prop, f"value_{prop.name}", label=_(prop.label), required=required
    )  # fmt: skip


def _stage_of(kind: str) -> Property | None:
    own = object_types.all_of_them().get(kind)
    if own is not None and not own.has_pipelines:
        return None
    return next((prop for prop in properties_of(kind).values() if choices.is_stage(prop)), None)


def _place(around: Around, kind: str) -> tuple[Setting, ...]:
    prop = _stage_of(kind)
    if prop is None:
        return ()
    return (
        choices.value_setting(
            replace(around, pipeline_id=None), kind, prop, "stage", label=_(prop.label), help=_("Empty: where new records begin.")
        ),
    )  # fmt: skip


def _owners() -> tuple[Option, ...]:
    return (
        Option(NOBODY, _("Nobody")), Option(OWNER, _("The owner of the record")), *choices.people(with_seat=True),
    )  # fmt: skip


def _link(around: Around, kind: str) -> tuple[Setting, ...]:
    if kind not in kinds.linkable(around.object_type):
        return ()
    return (Setting("link", _("Link it to this record"), Input.CHECK, default=True),)


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _made(kind: str, group: Sequence[Doing]) -> dict[int, Done]:
    """One set of new records. What a record can't be made of is refused alone."""
    answers: dict[int, Done] = {}
    wanted: dict[int, tuple[Doing, dict[str, Any]]] = {}
    seats = choices.seats(group[0].account_id)
    for doing in group:
        try:
            wanted[doing.enrollment_id] = doing, _properties(kind, doing, seats)
        except Invalid as refusal:
            answers[doing.enrollment_id] = failed(refusal.message)
    for depth in sorted({doing.depth for doing, _values in wanted.values()}):
        some = [pair for pair in wanted.values() if pair[0].depth == depth]
        ids, refused = _created(kind, some)
        answers |= refused
        some = [pair for pair in some if pair[0].enrollment_id not in refused]
        _link_all(kind, [doing for doing, _values in some], ids)
        for (doing, values), record_id in zip(some, ids, strict=True):
            said = _said(kind, [str(values.get(name) or "") for name in _needed(kind)])
            answers[doing.enrollment_id] = Done(message=said, outputs={"record_id": record_id})
    return answers


def _said(kind: str, names: Sequence[str]) -> str:
    """The kind of record, and the first of what it must have that is not empty."""
    named = next((name for name in names if name), "")
    return (
        _("%(kind)s: %(property)s") % {"kind": kinds.label(kind), "property": named}
        if named
        else kinds.label(kind)
    )


def _properties(kind: str, doing: Doing, seats: Collection[int]) -> dict[str, Any]:
    """By the names of the API. Raises Invalid."""
    settings = doing.settings
    names = dict.fromkeys([*_needed(kind), *reading.several(settings, "also")])
    found = {name: _filled(doing, settings.get(f"value_{name}")) for name in names}
    stage, owner = _stage_of(kind), _owner(doing, seats)
    if stage and settings.get("stage"):
        gone.refuse(kind, stage.name, settings["stage"])
        found[stage.name] = settings["stage"]
    found |= {choices.OWNER: owner} if owner else {}
    checked = tickets.checked(kind, found)
    if not all(checked.get(properties_of(kind)[name].column or name) for name in _needed(kind)):
        raise Invalid(_("What the record must have is empty."))
    return found


def _filled(doing: Doing, value: Any) -> Any:
    return doing.fill(value) if isinstance(value, str) else value


def _owner(doing: Doing, seats: Collection[int]) -> int | None:
    """Raises Invalid for a chosen person who can own nothing any more; such an owner of the record is left out (R-WFA-9)."""
    wanted = str(doing.settings.get("owner") or NOBODY)
    if wanted == OWNER:
        owner = doing.record.get("owner_id")
        return owner if owner in seats else None
    if not wanted.isdigit():
        return None
    if int(wanted) not in seats:
        raise Invalid(_("This person has no seat or is not active any more."))
    return int(wanted)


def _created(kind: str, pairs: Sequence[tuple[Doing, dict[str, Any]]]) -> tuple[list[int], dict[int, Done]]:
    """Ids in order, without those whose value is another record's: one by one when there is such a one."""
    if not unique_of(kind):
        return _create(kind, pairs), {}
    try:
        with attempt():
            return _create(kind, pairs), {}
    except NotUnique as refusal:
        if len(pairs) == 1:
            return [], {pairs[0][0].enrollment_id: failed(refusal.message)}
    ids: list[int] = []
    refused: dict[int, Done] = {}
    for pair in pairs:
        made, why = _created(kind, [pair])
        ids += made
        refused |= why
    return ids, refused


def _create(kind: str, pairs: Sequence[tuple[Doing, dict[str, Any]]]) -> list[int]:
    """Ids in order. All of them are of one workflow and depth. Contacts who are known already are kept as they are."""
    if kind == "contact":
        return _contacts(pairs)
    return _make(kind, pairs)


def _make(kind: str, pairs: Sequence[tuple[Doing, dict[str, Any]]]) -> list[int]:
    if not pairs:
        return []
    first = pairs[0][0]
    new = [New(given, _links(kind, doing), doing.cause) for doing, given in pairs]
    return making.make_many(kind, new, by=first.by, depth=first.depth + 1, at=first.now, source_type="MANUAL")


def _links(kind: str, doing: Doing) -> list[tuple[str, int]]:
    """A new ticket is of the people whose record the step stands at."""
    if kind != "ticket" or not doing.settings.get("link", True):
        return []
    found = [(other, (doing.record.get(other) or {}).get("id")) for other in ("contact", "company")]
    return [(other, pk) for other, pk in found if pk]


def _contacts(pairs: Sequence[tuple[Doing, dict[str, Any]]]) -> list[int]:
    emails = [contacts.address(str(given["email"])) for _doing, given in pairs]
    known = contacts.ids_of(emails)
    wanted = {
        email: pair for email, pair in reversed([*zip(emails, pairs, strict=True)]) if email not in known
    }
    try:
        with attempt():
            made = _make("contact", [*wanted.values()])
    except Taken:  # somebody else made one at this moment, who is known now
        return _contacts(pairs)
    known |= dict(zip(wanted, made, strict=True))
    return [known[email] for email in emails]


def _link_all(kind: str, group: Sequence[Doing], ids: Sequence[int]) -> None:
    """To the records at the step, where their kinds can be linked and it is wanted."""
    links = [
        (doing.object_type, doing.record_id, kind, made)
        for doing, made in zip(group, ids, strict=True)
        if doing.settings.get("link", True)
        and kind in kinds.linkable(doing.object_type)
        and (doing.object_type, doing.record_id) != (kind, made)
    ]
    associations.link_many(links, group[0].now)
