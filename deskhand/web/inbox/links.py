"""What a ticket is linked to, beside it: further contacts, companies, tickets and deals that the viewer may see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.policy import reaches_any
from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import associations, directory, labeling, listing, search
from deskhand.crm.records.labeling import Labeling
from deskhand.crm.records.models import Association, Company, Contact, Ticket
from deskhand.crm.schema import association_labels, object_types
from deskhand.crm.schema.association_labels import Label
from deskhand.events.types import Actor
from deskhand.kernel.errors import NotFound
from deskhand.web.asked import number
from deskhand.web.choices import Choice
from deskhand.web.inbox import panel_rows as rows
from deskhand.web.inbox import words
from deskhand.web.records.kinds import record_url
from deskhand.web.shell import Person

FOUND = 8  # records that a search offers
LONGEST = 200  # letters of a question


@dataclass(frozen=True)
class Kind:
    key: str
    title: str | Promise
    icon: str
    find: Callable[[Viewer, str], list[int]]


def _people(kind: str) -> Callable[[Viewer, str], list[int]]:
    return lambda viewer, text: [row.id for row in directory.rows(viewer, kind, text=text, limit=FOUND).rows]


def _tickets(viewer: Viewer, text: str) -> list[int]:
    return [hit.id for hit in search.tickets(viewer, text, limit=FOUND).hits]


def _named(kind: str) -> Callable[[Viewer, str], list[int]]:
    return lambda viewer, text: listing.named(viewer, kind, text, FOUND)


_EVERYWHERE = {
    kind.key: kind
    for kind in (
        Kind("contact", gettext_lazy("Contacts"), "user-round", _people("contact")),
        Kind("company", gettext_lazy("Companies"), "building-2", _people("company")),
        Kind("ticket", gettext_lazy("Tickets"), "ticket", _tickets),
    )
}


def kinds() -> dict[str, Kind]:
    """What records may be linked to in this account, as it calls them."""
    found = dict(_EVERYWHERE)
    for key in ("deal", "project", *object_types.all_of_them()):
        labels = object_types.labels_of(key)
        found[key] = Kind(key, _(labels.plural), labels.icon, _named(key))
    return found


@dataclass(frozen=True)
class Searching:
    """What is looked for, to be linked."""

    kind: str = "company"
    text: str = ""
    error: str = ""


def may_see_any(viewer: Viewer, kind: Kind) -> bool:
    return reaches_any(viewer, kind.key)


def kind_of(viewer: Viewer, key: str) -> Kind:
    """A kind that can be linked here, of which the viewer may see any. Raises NotFound."""
    kind = kinds().get(key)
    if kind is None or not may_see_any(viewer, kind):
        raise NotFound(_("There is no such kind of record."))
    return kind


def asked(viewer: Viewer, form: QueryDict) -> tuple[Kind, int]:
    """The record `id` of `kind`, which must be in sight. Raises NotFound, and Invalid for an id that is no number."""
    kind = kind_of(viewer, form.get("kind", ""))
    record_id = number(form.get("id", ""), "id")
    if not seen(viewer, kind, [record_id]):
        raise NotFound(_("There is nothing at this address."))
    return kind, record_id


def seen(viewer: Viewer, kind: Kind, ids: Collection[int]) -> list[Any]:
    """Those of the records that the viewer may see and that are not put away. One query, none for none."""
    if not ids or not may_see_any(viewer, kind):
        return []
    return listing.seen(viewer, kind.key, list(ids))


def lines(viewer: Viewer, kind: Kind, ids: Sequence[int], view: str = "all-open") -> tuple[rows.Linked, ...]:
    """Those that the viewer may see, in this order; one query."""
    by_id = {record.pk: record for record in seen(viewer, kind, ids)}
    return tuple(_line(kind, by_id[pk], view) for pk in ids if pk in by_id)


def _line(kind: Kind, record: Any, view: str) -> rows.Linked:
    if isinstance(record, Contact):
        name = record.name or record.email
        line, url = record.email if record.email != name else "", reverse("contact", args=[record.pk])
        return rows.Linked(kind.key, record.pk, name, line, url, Person.named(name))
    if isinstance(record, Company):
        url = reverse("company", args=[record.pk])
        return rows.Linked(
            kind.key, record.pk, record.name or record.domain, record.domain if record.name else "", url
        )
    if isinstance(record, Ticket):
        url = reverse("inbox-ticket", args=[view, record.pk])
        status = words.status(pipelines_of("ticket").stage(record.stage_id))
        return rows.Linked(kind.key, record.pk, record.subject, f"#{record.number}", url, status=status)
    url, stage_id = record_url(kind.key, record.pk), record.stage_id
    stage = pipelines_of(kind.key).find(stage_id) if stage_id else None
    status_or_none = words.status(stage) if stage else None
    return rows.Linked(kind.key, record.pk, record.name or _("No name"), url=url, status=status_or_none)


# ── what a record is linked to ───────────────────────────────────────────────────────────────────────────────────────


def linked_ids(
    account_id: int, object_type: str, record_id: int, to_types: Collection[str]
) -> dict[str, list[int]]:
    """{kind: ids in the order of linking}"""
    found = Association.objects.filter(
        account_id=account_id, from_type=object_type, from_id=record_id, to_type__in=to_types, label_type_id=None
    )  # fmt: skip
    ids: dict[str, list[int]] = defaultdict(list)
    for to_type, to_id in found.order_by("id").values_list("to_type", "to_id"):
        ids[to_type].append(to_id)
    return ids


def lines_of(
    viewer: Viewer, ids: Mapping[str, Sequence[int]], view: str = "all-open"
) -> dict[str, tuple[rows.Linked, ...]]:
    """By kind, in the order of `ids`: those that the viewer may see; one query for each."""
    known = kinds()
    return {key: lines(viewer, known[key], ids[key], view) for key in ids}


def groups(
    object_type: str, record_id: int, seen: Mapping[str, Sequence[rows.Linked]]
) -> tuple[rows.LinkGroup, ...]:
    """What a record is linked to, by kind, with what they are to it."""
    known = kinds()
    borne = labeling.labels_of_record(object_type, record_id) if any(seen.values()) else {}
    return tuple(
        rows.LinkGroup(
            str(known[key].title), known[key].icon,
            tuple(_labeled(object_type, one, borne.get((key, one.id), ())) for one in found),
        )
        for key, found in seen.items() if found
    )  # fmt: skip


# ── labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _labeled(object_type: str, one: rows.Linked, borne: Sequence[Label]) -> rows.Linked:
    """With what it is to the record, and what it may be."""
    numbers = {label.type_id for label in borne}
    return replace(
        one,
        labels=tuple(label.label for label in borne),
        choices=label_choices(object_type, one.kind, numbers),
    )


def label_choices(from_type: str, to_type: str, chosen: Collection[int] = ()) -> tuple[Choice, ...]:
    """What a linked record of a kind may be, of the account's own labels."""
    found = association_labels.own_of(from_type, to_type)
    return tuple(Choice(str(one.type_id), one.label, one.type_id in chosen) for one in found)


def label_numbers(form: QueryDict) -> list[int]:
    """The labels that were chosen. Raises Invalid for what is no number."""
    return [number(one, "label") for one in form.getlist("label")]


def relabel(link: associations.Link, form: QueryDict, by: Actor) -> bool:
    """Make the labels of a link those that were chosen; whether any changed. Raises Invalid."""
    return labeling.relabel(link, Labeling(add=frozenset(label_numbers(form)), replaces=True), by=by)


class LinksOf:
    def __init__(
        self, viewer: Viewer, view: str, ticket: Ticket, may_edit: bool, searching: Searching | None = None
    ) -> None:
        self.viewer, self.view, self.ticket, self.may_edit = viewer, view, ticket, may_edit
        self.searching, self.kinds = searching, kinds()

    def build(self) -> rows.Links:
        linked = self._linked()
        return rows.Links(
            self._groups(linked),
            url=self._url("ticket-links") if self.may_edit else "",
            new_url=self._url("ticket-link-new") if self.may_edit else "",
            labels_url=self._url("ticket-link-labels") if self.may_edit else "",
            search=self._search(linked) if self.may_edit and self.searching else None,
        )

    def _url(self, name: str) -> str:
        return reverse(name, args=[self.view, self.ticket.pk])

    def _linked(self) -> dict[str, list[int]]:
        """Without the contact whose ticket it is."""
        ids = linked_ids(self.viewer.account_id, "ticket", self.ticket.pk, self.kinds)
        ids["contact"] = [pk for pk in ids.get("contact", ()) if pk != self.ticket.contact_id]
        return ids

    def _groups(self, linked: Mapping[str, Sequence[int]]) -> tuple[rows.LinkGroup, ...]:
        in_order = {key: linked.get(key, ()) for key in self.kinds}
        return groups("ticket", self.ticket.pk, lines_of(self.viewer, in_order, self.view))

    # ── looking for more ─────────────────────────────────────────────────────────────────────────────────────────────

    def _search(self, linked: dict[str, list[int]]) -> rows.LinkSearch:
        assert self.searching is not None
        kind, text = self.kinds[self.searching.kind], self.searching.text
        offered = [one for one in self.kinds.values() if may_see_any(self.viewer, one)]
        ids = kind.find(self.viewer, text) if text else []
        taken = {*linked.get(kind.key, ()), self.ticket.contact_id if kind.key == "contact" else None}
        taken.add(self.ticket.pk if kind.key == "ticket" else None)
        found = lines(self.viewer, kind, [pk for pk in ids if pk not in taken], self.view)
        return rows.LinkSearch(
            url=self._url("ticket-link-new"), cancel_url=self._url("ticket-link-left"), text=text,
            kinds=tuple(Choice(one.key, str(one.title), one is kind) for one in offered), found=found,
            labels=label_choices("ticket", kind.key) if found else (),
            error=self.searching.error or (_("Nothing else was found.") if text and not found else ""),
        )  # fmt: skip


def titles(viewer: Viewer, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """{(kind, id): what it is called}, of what the viewer may see; as many queries as there are kinds."""
    ids: dict[str, set[int]] = defaultdict(set)
    for kind, record_id in wanted:
        ids[kind].add(record_id)
    known = kinds() if ids else {}
    return {
        (kind, record.pk): getattr(record, "subject", "")
        or getattr(record, "name", "")
        or getattr(record, "email", "")
        for kind in known
        for record in (seen(viewer, known[kind], list(ids[kind])) if kind in ids else ())
    }
