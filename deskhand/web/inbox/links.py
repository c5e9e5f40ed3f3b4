"""What a ticket is linked to, beside it: further contacts, companies, tickets and deals that the viewer may see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Reach, Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import directory, search
from deskhand.crm.records.models import Association, Company, Contact, Deal, Ticket
from deskhand.kernel.errors import NotFound
from deskhand.web.choices import Choice
from deskhand.web.inbox import panel_rows as rows
from deskhand.web.inbox import words
from deskhand.web.shell import Person

FOUND = 8  # records that a search offers
LONGEST = 200  # letters of a question


@dataclass(frozen=True)
class Kind:
    key: str
    title: str | Promise
    icon: str
    model: Any
    find: Callable[[Viewer, str], list[int]]


def _people(kind: str) -> Callable[[Viewer, str], list[int]]:
    return lambda viewer, text: [row.id for row in directory.rows(viewer, kind, text=text, limit=FOUND).rows]


def _tickets(viewer: Viewer, text: str) -> list[int]:
    return [hit.id for hit in search.tickets(viewer, text, limit=FOUND).hits]


def _deals(viewer: Viewer, text: str) -> list[int]:
    return [hit.id for hit in search.deals(viewer, text, limit=FOUND).hits]


KINDS = {
    kind.key: kind
    for kind in (
        Kind("contact", gettext_lazy("Contacts"), "user-round", Contact, _people("contact")),
        Kind("company", gettext_lazy("Companies"), "building-2", Company, _people("company")),
        Kind("ticket", gettext_lazy("Tickets"), "ticket", Ticket, _tickets),
        Kind("deal", gettext_lazy("Deals"), "folder", Deal, _deals),
    )
}


@dataclass(frozen=True)
class Searching:
    """What is looked for, to be linked."""

    kind: str = "company"
    text: str = ""
    error: str = ""


def may_see_any(viewer: Viewer, kind: Kind) -> bool:
    return visible(viewer, kind.key).reach is not Reach.NONE


def kind_of(viewer: Viewer, key: str) -> Kind:
    """A kind that can be linked here, of which the viewer may see any. Raises NotFound."""
    kind = KINDS.get(key)
    if kind is None or not may_see_any(viewer, kind):
        raise NotFound(_("There is no such kind of record."))
    return kind


def seen(viewer: Viewer, kind: Kind, ids: Collection[int]) -> list[Any]:
    """Those of the records that the viewer may see and that are not put away. One query, none for none."""
    if not ids or not may_see_any(viewer, kind):
        return []
    reach = visible(viewer, kind.key).q()
    found = kind.model.objects.filter(reach, account_id=viewer.account_id, pk__in=ids, archived_at=None)
    return list(found)


class LinksOf:
    def __init__(
        self, viewer: Viewer, view: str, ticket: Ticket, may_edit: bool, searching: Searching | None = None
    ) -> None:
        self.viewer, self.view, self.ticket, self.may_edit = viewer, view, ticket, may_edit
        self.searching = searching

    def build(self) -> rows.Links:
        linked = self._linked()
        return rows.Links(
            tuple(self._groups(linked)),
            url=self._url("ticket-links") if self.may_edit else "",
            new_url=self._url("ticket-link-new") if self.may_edit else "",
            search=self._search(linked) if self.may_edit and self.searching else None,
        )

    def _url(self, name: str) -> str:
        return reverse(name, args=[self.view, self.ticket.pk])

    def _linked(self) -> dict[str, list[int]]:
        """{kind: ids in the order of linking}, without the contact whose ticket it is."""
        found = Association.objects.filter(
            account_id=self.viewer.account_id, from_type="ticket", from_id=self.ticket.pk, to_type__in=KINDS
        )
        ids: dict[str, list[int]] = defaultdict(list)
        for kind, record_id in found.order_by("id").values_list("to_type", "to_id"):
            is_own_contact = (kind, record_id) == ("contact", self.ticket.contact_id)
            if not is_own_contact and record_id not in ids[kind]:
                ids[kind].append(record_id)
        return ids

    def _groups(self, linked: dict[str, list[int]]) -> Iterable[rows.LinkGroup]:
        for kind in KINDS.values():
            found = self._lines(kind, linked.get(kind.key, ()))
            if found:
                yield rows.LinkGroup(str(kind.title), kind.icon, found)

    def _lines(self, kind: Kind, ids: Sequence[int]) -> tuple[rows.Linked, ...]:
        by_id = {record.pk: record for record in seen(self.viewer, kind, ids)}
        return tuple(self._line(kind, by_id[pk]) for pk in ids if pk in by_id)

    def _line(self, kind: Kind, record: Any) -> rows.Linked:
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
            url = reverse("inbox-ticket", args=[self.view, record.pk])
            status = words.status(pipelines_of("ticket").stage(record.stage_id))
            return rows.Linked(kind.key, record.pk, record.subject, f"#{record.number}", url, status=status)
        status = words.status(pipelines_of("deal").stage(record.stage_id))
        return rows.Linked(kind.key, record.pk, record.name, status=status)

    # ── looking for more ─────────────────────────────────────────────────────────────────────────────────────────────

    def _search(self, linked: dict[str, list[int]]) -> rows.LinkSearch:
        assert self.searching is not None
        kind, text = KINDS[self.searching.kind], self.searching.text
        offered = [one for one in KINDS.values() if may_see_any(self.viewer, one)]
        ids = kind.find(self.viewer, text) if text else []
        taken = {*linked.get(kind.key, ()), self.ticket.contact_id if kind.key == "contact" else None}
        taken.add(self.ticket.pk if kind.key == "ticket" else None)
        found = self._lines(kind, [pk for pk in ids if pk not in taken])
        return rows.LinkSearch(
            url=self._url("ticket-link-new"), cancel_url=self._url("ticket-link-left"), text=text,
            kinds=tuple(Choice(one.key, str(one.title), one is kind) for one in offered), found=found,
            error=self.searching.error or (_("Nothing else was found.") if text and not found else ""),
        )  # fmt: skip


def titles(viewer: Viewer, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """{(kind, id): what it is called}, of what the viewer may see; as many queries as there are kinds."""
    ids: dict[str, set[int]] = defaultdict(set)
    for kind, record_id in wanted:
        ids[kind].add(record_id)
    return {
        (kind, record.pk): getattr(record, "subject", "")
        or getattr(record, "name", "")
        or getattr(record, "email", "")
        for kind in KINDS
        for record in (seen(viewer, KINDS[kind], ids[kind]) if kind in ids else ())
    }
