"""Tickets in the cells of tables and on cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import queries as accounts
from deskhand.crm.pipelines.cards import COMPANY, CONTACT
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import computed
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Kind, Property
from deskhand.desk import table
from deskhand.web import labels
from deskhand.web.board.rows import Cell, Chosen, Mark, Row
from deskhand.web.inbox import property_values
from deskhand.web.inbox.property_values import OWNER, STATUS, TEAMS, People, Typed
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Person

#: Shorter than the property's own label, where it heads a column.
SHORT = {
    "hs_ticket_id": gettext_lazy("Number"), CONTACT: gettext_lazy("Contact"), COMPANY: gettext_lazy("Company"),
    STATUS: gettext_lazy("Status"), "createdate": gettext_lazy("Created"),
    "hs_helpdesk_sort_timestamp": gettext_lazy("Latest activity"), TEAMS: gettext_lazy("Team"),
}  # fmt: skip


def is_number(prop: Property) -> bool:
    """What is compared digit by digit, so that it stands at the end of its column; ids and numbers of tickets are names."""
    return prop.kind in (Kind.NUMBER, Kind.DURATION) and prop.name not in ("hs_ticket_id", "hs_object_id")


def label_of(name: str) -> str:
    return str(SHORT[name]) if name in SHORT else _(properties_of("ticket")[name].label)


#: Cards have the names of people and teams with their values.
NOBODY = People({}, {})


class Cells:
    """Rows of tickets in words, whatever table they are in. People are read once, also those who left."""

    def __init__(self, request: AccountRequest, columns: tuple[str, ...]) -> None:
        account_id = request.viewer.account_id
        self.columns, self.viewer = columns, request.viewer
        members = accounts.members(account_id, active_only=False)
        self.people = People(
            {member.user_id: member.name for member in members},
            {team.id: team.name for team in accounts.teams(account_id)},
        )
        there = {member.user_id: member.name for member in members if member.is_active}
        self._to_choose = replace(self.people, users=there)

    def rows(self, found: Sequence[table.Row]) -> tuple[Row, ...]:
        computed.attach("ticket", [one.ticket for one in found], self.columns)
        return tuple(self._row(one) for one in found)

    def row(self, found: table.Row, editing: str = "", typed: Typed | None = None) -> Row:
        computed.attach("ticket", [found.ticket], self.columns)
        return self._row(found, editing, typed)

    def _row(self, found: table.Row, editing: str = "", typed: Typed | None = None) -> Row:
        ticket = found.ticket
        return Row(
            ticket.pk, reverse("table-row", args=[ticket.pk]),
            tuple(self._cell(found, name, typed if name == editing else None, name == editing) for name in self.columns),
            ticket.subject,
        )  # fmt: skip

    def _cell(self, found: table.Row, name: str, typed: Typed | None, is_edited: bool) -> Cell:
        ticket = found.ticket
        if name in (CONTACT, COMPANY):
            return Cell(name, label_of(name), _who(ticket, name) or property_values.DASH)
        prop = properties_of("ticket")[name]
        value = property_values.value_of(ticket, prop)
        may_edit = found.may_edit and property_values.is_editable(prop)
        urls = (reverse("cell-save", args=[ticket.pk, name]), reverse("table-row", args=[ticket.pk]))
        return replace(
            told(prop, value, self.people),
            edit_url=reverse("cell-edit", args=[ticket.pk, name]) if may_edit else "",
            link_url=reverse("inbox-ticket", args=["all-open", ticket.pk]) if name == "subject" else "",
            editor=property_values.editor(self.viewer, prop, ticket, self._to_choose, self.people.users, urls, typed) if is_edited and may_edit else None,
        )  # fmt: skip


def told(prop: Property, value: Any, people: People) -> Cell:
    """A value as it is read."""
    name, text = prop.name, property_values.words(prop, value, people)
    return Cell(
        name, label_of(name), f"#{value}" if name == "hs_ticket_id" else text,
        status=labels.status(pipelines_of("ticket").stage(value)) if name == STATUS else None,
        priority=labels.priority(value) if name == "hs_ticket_priority" else None,
        person=Person.named(text) if name == OWNER and value in people.users else None,
        is_number=is_number(prop), tags=labels.tags(value or ()) if name == TAGS else (),
    )  # fmt: skip


def _who(ticket: Ticket, name: str) -> str:
    contact = ticket.contact
    if contact is None:
        return ""
    if name == CONTACT:
        return contact.name or contact.email
    return contact.company.name if contact.company else ""


def on_card(
    shown: Sequence[str], who: Mapping[str, str], marks: Mapping[str, Mark], facts: Mapping[str, Cell]
) -> Chosen:
    """Each in its part of a card, in the order that was chosen. A priority is a mark, too."""
    marks = {name: Mark(chip=cell.priority) for name, cell in facts.items() if cell.priority} | dict(marks)
    return Chosen(
        " · ".join(who[name] for name in shown if who.get(name)),
        tuple(facts[name] for name in shown if name in facts and name not in {*who, *marks}),
        tuple(marks[name] for name in shown if name in marks),
    )


def facts(
    props: Sequence[Property], values: Mapping[str, Any], told: Callable[[Property, Any], Cell]
) -> dict[str, Cell]:
    """What is not empty of a card's values, as tables tell it; people and teams come by their names."""
    return {
        prop.name: told(prop, value) if prop.kind not in (Kind.REF, Kind.REFS) else Cell(prop.name, _label(prop), _names(value))
        for prop in props
        if (value := values[prop.name]) not in (None, "", [])
    }  # fmt: skip


def _label(prop: Property) -> str:
    return str(SHORT.get(prop.name) or _(prop.label))


def _names(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
