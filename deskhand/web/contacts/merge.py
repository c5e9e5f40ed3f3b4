"""Making one of two contacts or companies: choosing the other, comparing, doing it, undoing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records import joining
from deskhand.crm.records.contacts import Taken
from deskhand.crm.records.joining import MERGED_IDS, Record
from deskhand.crm.records.models import Contact
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.desk import customers
from deskhand.desk.customers import Standing
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.web.contacts import lists, values
from deskhand.web.contacts.actions import actor, changeable
from deskhand.web.contacts.lists import named
from deskhand.web.contacts.rows import Comparison, MergePage, MergeSide, PickPage
from deskhand.web.contacts.values import Names
from deskhand.web.contacts.views import kind_of, part, show
from deskhand.web.contacts.words import Kind
from deskhand.web.jinja import wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of

#: What the comparison leaves out: it follows from the rest.
UNSAID = {MERGED_IDS, "hs_assigned_team_ids", "hs_object_id", "hs_createdate", "hs_lastmodifieddate", "lastmodifieddate"}  # fmt: skip


@require_GET
def choose(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """Which one is the same as this one."""
    found = kind_of(request, kind)
    record = changeable(request, found, record_id)
    text = request.GET.get("q", "").strip()[: lists.TEXT_LIMIT]
    name = _name(record)
    chosen = tuple(
        lists.candidate(row, standing, url=found.url("merge-with", record.pk, row.id), action=pgettext("verb", "Compare"))
        for row, standing in lists.candidates(request.viewer, found, text, [record.pk])
    )  # fmt: skip
    page = PickPage(
        _("Merge %(name)s with another one") % {"name": name}, _("Choose the one that is the same. Nothing is merged before you have seen both side by side."),
        found.url("merge", record.pk), found.url("", record.pk), name, text, str(found.search), chosen,
    )  # fmt: skip
    if wants_fragment(request):
        return part(request, "found", {"page": page, "kind": found})
    return show(request, "pick", page, found)


@require_GET
def compare(request: AccountRequest, kind: str, record_id: int, other_id: int) -> HttpResponse:
    found = kind_of(request, kind)
    both = _both(request, found, record_id, other_id)
    return show(request, "merge", merge_page(request, found, *both), found)


@require_POST
def merge(request: AccountRequest, kind: str, record_id: int, other_id: int) -> HttpResponse:
    """The first one stays, the other becomes part of it."""
    found = kind_of(request, kind)
    primary, secondary = _both(request, found, record_id, other_id)
    try:
        joining.join(kind, primary.pk, secondary.pk, by=actor(request))
    except Invalid as refusal:
        page = merge_page(request, found, primary, secondary, error=words_of(refusal))
        return show(request, "merge", page, found, status=422)
    messages.success(request, _("Merged. It can be undone for 30 days."))
    return redirect(found.url("", primary.pk))


@require_POST
def undo(request: AccountRequest, kind: str, record_id: int, other_id: int) -> HttpResponse:
    """`other_id` is the record that became part of this one."""
    found = kind_of(request, kind)
    record = changeable(request, found, record_id)
    joined = next((one for one in joining.joined_into(kind, record.pk) if one.secondary_id == other_id), None)
    if joined is None:
        raise NotFound(_("There is no such merge to undo."))
    try:
        joining.part(joined.pk, by=actor(request))
    except (Conflict, Taken) as refusal:
        messages.error(request, str(refusal))
        return redirect(found.url("", record.pk))
    messages.success(request, _("These are two again."))
    return redirect(found.url("", record.pk))


def _both(request: AccountRequest, kind: Kind, record_id: int, other_id: int) -> tuple[Record, Record]:
    """Both must be there, in sight and changeable, and two."""
    pair = changeable(request, kind, record_id), changeable(request, kind, other_id)
    if pair[0].pk == pair[1].pk or any(one.archived_at for one in pair):
        raise NotFound(_("There is nothing at this address."))
    return pair


def _name(record: Record) -> str:
    return named(record.name or getattr(record, "email", "")).name


# ── side by side ─────────────────────────────────────────────────────────────────────────────────────────────────────


def merge_page(request: AccountRequest, kind: Kind, primary: Record, secondary: Record, error: str = "") -> MergePage:  # fmt: skip
    ids = [primary.pk, secondary.pk]
    standings = customers.standings(request.viewer, kind.key, ids)
    left, right = (_side(kind, one, standings[one.pk]) for one in (primary, secondary))
    return MergePage(
        title=_("Merge %(secondary)s into %(primary)s") % {"secondary": right.person.name, "primary": left.person.name},
        url=kind.url("merged", *ids), swap_url=kind.url("merge-with", *reversed(ids)), back_url=kind.url("merge", primary.pk),
        primary=left, secondary=right, lines=tuple(lines(kind, primary, secondary)),
        consequences=tuple(consequences(primary, secondary)),
        button=ngettext("Merge %(num)s contact", "Merge %(num)s contacts", 2) % {"num": 2} if kind.key == "contact"
        else ngettext("Merge %(num)s company", "Merge %(num)s companies", 2) % {"num": 2},
        error=error,
    )  # fmt: skip


def _side(kind: Kind, record: Record, standing: Standing) -> MergeSide:
    address = record.email if isinstance(record, Contact) else record.domain
    return MergeSide(
        record.pk, kind.url("", record.pk), named(record.name or address), address, record.created_at, standing.last_at,
        standing.open_tickets,
    )  # fmt: skip


def lines(kind: Kind, primary: Record, secondary: Record) -> list[Comparison]:
    """What either of them says, and what the one that stays will say."""
    known = [
        prop for prop in properties_of(kind.key).values() if prop.name not in UNSAID and not prop.is_computed
    ]
    gained = joining.outcome(primary, secondary)
    people = Names.of(
        (one.owner_id for one in (primary, secondary)), (getattr(one, "company_id", None) for one in (primary, secondary))
    )  # fmt: skip
    found = []
    for prop in known:
        left, right = values.value_of(primary, prop), values.value_of(secondary, prop)
        result = _result(prop, primary, secondary, gained)
        if any(one not in (None, "", []) for one in (left, right, result)):
            found.append(_line(prop, left, right, result, people))
    return found


def _result(prop: Property, primary: Record, secondary: Record, gained: dict[str, Any]) -> Any:
    if prop.name == "createdate":
        return min(primary.created_at, secondary.created_at)
    return gained.get(prop.column or prop.name, values.value_of(primary, prop))


def _line(prop: Property, left: Any, right: Any, result: Any, people: Names) -> Comparison:
    takes = "left" if result == left else "right" if result == right else "both"
    said = [values.spoken(prop, one, people) for one in (left, right, result)]
    return Comparison(_(prop.label), said[0], said[1], said[2], takes)  # type: ignore[arg-type]


def consequences(primary: Record, secondary: Record) -> Sequence[str]:
    """What happens, in sentences."""
    names = {"primary": _name(primary), "secondary": _name(secondary)}
    found = [
        _("Tickets, conversations and links of %(secondary)s go to %(primary)s.") % names,
        _("The old address of this page leads to %(primary)s.") % names,
    ]
    if isinstance(secondary, Contact) and secondary.email:
        found.insert(
            0, _("Mail from %(email)s is mail from %(primary)s.") % {**names, "email": secondary.email}
        )
    found.append(_("It can be undone for 30 days."))
    return found
