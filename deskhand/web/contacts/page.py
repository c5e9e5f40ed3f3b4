"""The page of one contact or company: gathered with a fixed number of queries, then put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.automation.history import Named
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import (
    associations,
    directory,
    history,
    joining,
    labeling,
    segment_reading,
    subscriptions,
    tasks,
)
from deskhand.crm.records.models import Company, Contact, PropertyChange, Task
from deskhand.crm.schema.association_labels import Label as LinkLabel
from deskhand.crm.schema.layouts import layout_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property as PropertyOf
from deskhand.crm.segments.models import SegmentMember
from deskhand.desk import customers
from deskhand.desk.customers import Item, What
from deskhand.events.queries import rules_of
from deskhand.kernel import clock
from deskhand.kernel.text import paragraphs
from deskhand.web import tasking
from deskhand.web.choices import Choice
from deskhand.web.contacts import linked, values
from deskhand.web.contacts.lists import named
from deskhand.web.contacts.rows import (
    Consent,
    Control,
    Head,
    HistoryLine,
    Link,
    Merged,
    Property,
    RecordPage,
    Section,
    Ticket,
    Timeline,
    TimelineItem,
)
from deskhand.web.contacts.values import COMPANY, Names
from deskhand.web.contacts.words import KINDS, Kind
from deskhand.web.inbox import causes, told
from deskhand.web.inbox import links as record_links
from deskhand.web.inbox.page import RULES
from deskhand.web.inbox.rows import Label
from deskhand.web.middleware import AccountRequest
from deskhand.web.records.rows import TaskLine
from deskhand.web.segments.offers import offered_for
from deskhand.web.shell import Person
from deskhand.web.workflows import card

HISTORY = 8  # lines of one property
LINKS = 20
#: What changes along with something else, and says nothing by itself.
SILENT = {"hs_assigned_team_ids"}


class RecordPageOf:
    """One record as its page shows it. Raises NotFound for what the viewer may not see."""

    def __init__(
        self, request: AccountRequest, kind: Kind, record_id: int, *, opened: str = "", after: str = "", has_timeline: bool = True
    ) -> None:  # fmt: skip
        """`opened` is a property to change, or to see the history of; `after` a place in the timeline."""
        self.viewer, self.account, self.kind = request.viewer, request.account, kind
        self.record = directory.get(request.viewer, kind.key, record_id)
        self.known = properties_of(kind.key)
        self.url = kind.url("", self.record.pk)
        self.opened = opened if opened in self.known else ""
        self.after, self.has_timeline = after, has_timeline

    def may(self, verb: Verb) -> bool:
        return policy.visible(self.viewer, self.kind.key, verb).reaches(self.record)

    @cached_property
    def may_edit(self) -> bool:
        return self.record.archived_at is None and self.may(Verb.EDIT)

    def build(self, control: Control | None = None) -> RecordPage:
        """`control` stands in for that of the open property, when what was typed is refused."""
        tickets, has_more = customers.tickets_of(self.viewer, self.kind.key, self.record.pk)
        other = KINDS[self.kind.other]
        return RecordPage(
            kind=self.kind.key, id=self.record.pk, url=self.url, list_url=self.kind.url("s"), list_label=str(self.kind.plural),
            head=self.head(), sections=self.sections(control),
            tickets=tuple(_ticket(one) for one in tickets), has_more_tickets=has_more,
            links=self.links[:LINKS], has_more_links=len(self.links) > LINKS, links_title=str(self.kind.links),
            add_link_url=self.kind.url("link", self.record.pk) if self.may_edit and self._sees(other) else "",
            merged=self.merged(), timeline=self.timeline(), tasks=self.tasks(), consent=self.consent(),
            segments=tuple((one.segment.name, reverse("segment", args=[one.segment_id])) for one in self.memberships),
            others=linked.groups(self.viewer, self.kind, self.record.pk), others_url=self._changing("others"),
            others_unlink_url=self._changing("others-unlink"), others_labels_url=self._changing("others-labels"),
            automation=card.card(self.viewer, self.account, self.named, self.url, may_edit=self.may_edit),
            add_to=offered_for(self.viewer, self.kind.key, {one.segment_id for one in self.memberships}) if self.record.archived_at is None else (),
        )  # fmt: skip

    @cached_property
    def open_tasks(self) -> list[Task]:
        return [task for task in tasks.of(self.kind.key, self.record.pk) if task.completed_at is None]

    def tasks(self) -> tuple[TaskLine, ...]:
        """What is still to be done about it (R-WFA-8)."""
        now, here = clock.now(), (self.kind.key, self.record.pk)
        beside = tasking.beside(self.viewer, self.open_tasks, here, self.may_edit)
        return tuple(self._task(task, now, beside[task.pk]) for task in self.open_tasks)

    def _task(self, task: Task, now: datetime, beside: tasking.Beside) -> TaskLine:
        name = self.names.users.get(task.assignee_id or 0, "")
        return TaskLine(
            task.pk, task.title, task.notes, Person.named(name) if name else None, task.due_at, False,
            is_late=bool(task.due_at and task.due_at < now),
            cause=_("a workflow") if task.created_by_kind == "workflow" else "", marks=tasking.marks(task, now),
            done_url=self.kind.url("task-done", self.record.pk, task.pk) if beside.may_finish else "", edit_url="", delete_url="",
            others=beside.others,
        )  # fmt: skip

    def _changing(self, name: str) -> str:
        """An address for who may change the record."""
        return self.kind.url(name, self.record.pk) if self.may_edit else ""

    @property
    def named(self) -> Named:
        return Named(
            self.kind.key, self.record.pk, named(self.record.name).name, self.record.archived_at is not None
        )

    @cached_property
    def memberships(self) -> list[SegmentMember]:
        return segment_reading.of_record(self.kind.key, self.viewer.account_id, self.record.pk)

    def consent(self) -> Consent | None:
        if self.kind.key != "contact":
            return None
        chosen = subscriptions.of_contact(self.record.pk)
        is_off = None in chosen and not chosen[None].is_on
        kinds = tuple(
            Choice(str(one.pk), one.name, not is_off and (one.pk not in chosen or chosen[one.pk].is_on))
            for one in subscriptions.kinds(self.viewer.account_id)
        )
        url = reverse("contact-subscriptions", args=[self.record.pk]) if self.may_edit else ""
        return Consent(url, is_off, kinds)

    def _sees(self, kind: Kind) -> bool:
        return policy.reaches_any(self.viewer, kind.key)

    # ── the head ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def head(self) -> Head:
        r = self.record
        owner = self.names.users.get(r.owner_id or 0, "")
        facts = [("user-round", owner or _("No owner"), "")]
        if isinstance(r, Contact):
            facts.insert(0, ("mail", r.email, ""))
            if r.phone:
                facts.insert(
                    1, ("phone", r.phone, f"tel:{''.join(one for one in r.phone if one in '+0123456789')}")
                )
            subtitle = self._subtitle(r)
        else:
            facts.insert(0, ("globe", r.domain, ""))
            subtitle = str(r.properties.get("industry") or "")
        away = r.archived_at is not None
        may_delete = self.may(Verb.DELETE)
        return Head(
            person=named(r.name or getattr(r, "email", "")), subtitle=subtitle, facts=tuple(fact for fact in facts if fact[1]),
            email_url=self.kind.url("email", r.pk) if self._may_write() else "",
            merge_url=self.kind.url("merge", r.pk) if self.may_edit else "",
            archive_url=self.kind.url("archive", r.pk) if may_delete and not away else "",
            restore_url=self.kind.url("restore", r.pk) if may_delete and away else "", archived_at=r.archived_at,
            bounced_at=getattr(r, "bounced_at", None),
        )  # fmt: skip

    def _may_write(self) -> bool:
        if not isinstance(self.record, Contact) or self.record.archived_at is not None:
            return False
        return (
            bool(self.record.email) and policy.can(self.viewer, Action.REPLY) and self.may(Verb.COMMUNICATE)
        )

    def _subtitle(self, contact: Contact) -> str:
        job = str(contact.properties.get("jobtitle") or "")
        company = (
            self.names.companies.get(contact.company_id or 0, "") if self._sees(KINDS["company"]) else ""
        )
        if job and company:
            return _("%(job)s, %(company)s") % {"job": job, "company": company}
        return job or company

    @cached_property
    def names(self) -> Names:
        """Of everybody that the values and the history name."""
        others = (task.assignee_id for task in self.open_tasks)
        return Names.about(self.kind.key, self.record, self.changes, others)

    def merged(self) -> tuple[Merged, ...]:
        """What became part of it, newest first, by name."""
        found = joining.joined_into(self.kind.key, self.record.pk)
        model = Contact if self.kind.key == "contact" else Company
        away = model._default_manager.in_bulk([one.secondary_id for one in found])
        now = clock.now()
        return tuple(
            Merged(
                named(away[one.secondary_id].name).name, one.at,
                self.kind.url("unmerge", self.record.pk, one.secondary_id)
                if self.may_edit and joining.can_be_parted(one, now) else "",
            )
            for one in found if one.secondary_id in away
        )  # fmt: skip

    # ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sections(self, control: Control | None = None) -> tuple[Section, ...]:
        """The layout's, then all the others folded away: those that can be changed, and those that have a value."""
        layout = layout_of(self.viewer.account_id, self.kind.key).sections
        placed = {name for section in layout for name in section.properties}
        values.work_out(self.kind.key, self.record, placed, self.names)
        rest = [
            prop.name
            for prop in self.known.values()
            if prop.name not in placed and not prop.is_computed and self._is_worth_a_line(prop)
        ]
        sections = [
            Section(f"section-{number}", _(section.label), self._lines(section.properties, control))
            for number, section in enumerate(layout, 1)
        ]
        sections.append(
            Section("section-more", _("More properties"), self._lines(rest, control), self.opened not in rest)
        )
        return tuple(section for section in sections if section.properties)

    def _is_worth_a_line(self, prop: PropertyOf) -> bool:
        return values.is_editable(prop) or values.value_of(self.record, prop) not in (None, "", [])

    def _lines(self, names: Sequence[str], control: Control | None) -> tuple[Property, ...]:
        return tuple(self.line(self.known[name], control) for name in names)

    def line(self, prop: PropertyOf, control: Control | None = None) -> Property:
        is_open = prop.name == self.opened
        values.work_out(self.kind.key, self.record, [prop.name], self.names)
        value = values.value_of(self.record, prop)
        may_edit = self.may_edit and values.is_editable(prop)
        return Property(
            id=f"property-{prop.name}", name=prop.name, label=_(prop.label), value=values.spoken(prop, value, self.names),
            line_url=f"{self.kind.url('property', self.record.pk)}?name={prop.name}",
            open_label=(_("Change “%(property)s”") if may_edit else _("History of “%(property)s”")) % {"property": _(prop.label)},
            open_url=f"{self.url}?open={prop.name}#property-{prop.name}", close_url=f"{self.url}#property-{prop.name}",
            save_url=self.kind.url("save", self.record.pk), value_url=self._value_url(prop, value), help=prop.description,
            may_edit=may_edit, is_open=is_open, control=(control or values.control(prop, value)) if is_open and may_edit else None,
            history=self.history(prop) if is_open else (),
        )  # fmt: skip

    def _value_url(self, prop: PropertyOf, value: Any) -> str:
        if prop.name == COMPANY and value in self.names.companies and self._sees(KINDS["company"]):
            return KINDS["company"].url("", value)
        return ""

    @cached_property
    def history_lines(self) -> list[PropertyChange]:
        """What became of the property that is open, newest first."""
        if not self.opened:
            return []
        return list(
            PropertyChange.objects.filter(
                account_id=self.viewer.account_id, object_type=self.kind.key, record_id=self.record.pk, property=self.opened,
            ).order_by("-id")[:HISTORY]
        )  # fmt: skip

    def history(self, prop: PropertyOf) -> tuple[HistoryLine, ...]:
        return tuple(
            HistoryLine(
                _(prop.label), values.spoken(prop, line.old, self.names), values.spoken(prop, line.new, self.names),
                self.cause(line), line.changed_at,
            )
            for line in self.history_lines
        )  # fmt: skip

    def cause(self, change: PropertyChange | Item) -> str:
        """What did it: a person, a workflow by its name, a rule, or what was merged."""
        rule = self.rules.get(change.event_id or 0)
        if rule:
            return str(RULES.get(rule, rule))
        if change.source == "MERGE":
            name = self.names.users.get(change.actor_id or 0, "")
            return _("%(name)s, by merging") % {"name": name} if name else _("Merged")
        if change.actor_kind == "user":
            return self.names.users.get(change.actor_id or 0, _("Somebody who left"))
        if workflow := self.workflows.get(change.actor_id or 0) if change.actor_kind == "workflow" else "":
            return _("workflow “%(name)s”") % {"name": workflow}
        kinds = {
            "workflow": _("a workflow"), "routing": _("the channel's routing"), "integration": _("an integration"),
            "visitor": _("the customer"), "llm": _("the customer agent"),
        }  # fmt: skip
        return kinds.get(change.actor_kind, _("Deskhand"))

    @cached_property
    def changes(self) -> list[PropertyChange | Item]:
        """All that the page tells."""
        return [*self.history_lines, *self.items[0]]

    @cached_property
    def workflows(self) -> Mapping[int, str]:
        ids = (one.actor_id for one in self.changes if one.actor_kind == "workflow")
        return causes.workflow_names(self.viewer.account_id, ids)

    @cached_property
    def rules(self) -> dict[int, str]:
        return rules_of(self.viewer.account_id, [one.event_id for one in self.changes if one.event_id])

    # ── the timeline ─────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def items(self) -> tuple[list[Item], str]:
        if not self.has_timeline:
            return [], ""
        return customers.timeline(self.viewer, self.kind.key, self.record.pk, after=self.after)

    def timeline(self) -> Timeline:
        found, following = self.items
        more = f"{self.kind.url('timeline', self.record.pk)}?after={following}" if following else ""
        return Timeline(tuple(self._item(one) for one in found if one.property not in SILENT), more)

    def _item(self, item: Item) -> TimelineItem:
        url = reverse("inbox-ticket", args=["all-open", item.ticket_id]) if item.ticket_id else ""
        about = f"#{item.number} {item.subject}" if item.number else item.subject
        if item.what is What.MESSAGE:
            return self._said(item, about, url)
        if item.property.startswith("@"):
            return self._happened(item)
        if item.what is What.CHANGE:
            prop = self.known.get(item.property)
            return TimelineItem(
                "change", item.at, "pencil", _(prop.label) if prop else item.property, self.cause(item),
                old=values.spoken(prop, item.old, self.names), new=values.spoken(prop, item.new, self.names),
            )  # fmt: skip
        icon, title = {
            What.OPENED: ("ticket", _("Ticket opened")),
            What.REOPENED: ("rotate-ccw", _("Ticket reopened")),
            What.CLOSED: ("circle-check", _("Ticket closed")),
        }[item.what]
        return TimelineItem("event", item.at, icon, title, about=about, about_url=url)

    def _happened(self, item: Item) -> TimelineItem:
        """What is no property: a note, a task, a link."""
        by, what = self.cause(item), item.new or {}
        if item.property == history.NOTE:
            parts = paragraphs(str(what.get("text", "")))
            return TimelineItem("note", item.at, "message-square-text", _("Note"), by, paragraphs=parts, author=Person.named(by))  # fmt: skip
        icon = "link" if item.property == history.LINK else "clipboard-list"
        return TimelineItem("event", item.at, icon, told.sentence(item.property, what, self.titles), about=by)

    @cached_property
    def titles(self) -> Mapping[tuple[str, int], str]:
        linked = {
            (str(one.new["type"]), int(one.new["id"]))
            for one in self.items[0]
            if one.property == history.LINK and one.new
        }
        return record_links.titles(self.viewer, linked)

    def _said(self, item: Item, about: str, url: str) -> TimelineItem:
        title = (
            (_("Sent automatically") if item.is_automatic else _("Email from us")) if item.is_ours
            else _("Automatic reply") if item.is_automatic else _("Email")
        )  # fmt: skip
        failed = {"FAILED": _("Not delivered"), "BOUNCED": _("Came back")}.get(item.delivery, "")
        author = item.author or _("Unknown sender")
        parts = tuple(part.strip("\n") for part in item.text.split("\n\n") if part.strip())
        return TimelineItem(
            "out" if item.is_ours else "in", item.at, "mail", title, author, about, url, parts, Person.named(author), failed=failed,
            cause=self.cause(item) if item.is_ours and item.is_automatic and item.actor_kind == "workflow" else "",
        )  # fmt: skip

    # ── who belongs to whom ──────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Companies of a contact, the primary one first; contacts of a company by name. One more than is shown."""
        other = KINDS[self.kind.other]
        if not self._sees(other):
            return ()
        ids = associations.linked_ids(self.kind.key, [self.record.pk], other.key).get(self.record.pk, [])
        primary = getattr(self.record, "company_id", None)
        model = Company if other.key == "company" else Contact
        reach = policy.visible(self.viewer, other.key).q()
        wanted = {*ids, primary} - {None}
        found = model._default_manager.filter(reach, account_id=self.viewer.account_id, archived_at=None)
        if isinstance(self.record, Company):
            found = found.filter(Q(pk__in=wanted) | Q(company_id=self.record.pk))
        else:
            found = found.filter(pk__in=wanted)
        listed = sorted(found.order_by("sort_key", "id")[: LINKS + 1], key=lambda one: one.pk != primary)
        borne = labeling.labels_of_record(self.kind.key, self.record.pk)
        return tuple(self._link(one, other, borne.get((other.key, one.pk), ())) for one in listed)  # type: ignore[arg-type]

    def _link(self, one: Contact | Company, other: Kind, labels: Sequence[LinkLabel]) -> Link:
        is_contact = isinstance(one, Contact)
        is_primary = one.pk == getattr(self.record, "company_id", None) or (
            isinstance(one, Contact) and one.company_id == self.record.pk
        )
        args = (self.record.pk, one.pk)
        return Link(
            one.pk, other.url("", one.pk), named(one.name or getattr(one, "email", "")),
            (one.email if isinstance(one, Contact) else one.domain), is_primary and not is_contact,
            self.kind.url("primary", *args) if self.may_edit and not is_contact and not is_primary else "",
            self.kind.url("unlink", *args) if self.may_edit else "", tuple(label.label for label in labels),
            record_links.label_choices(self.kind.key, other.key, {label.type_id for label in labels}),
            self.kind.url("link-labels", *args) if self.may_edit else "",
        )  # fmt: skip


def _ticket(row: customers.TicketRow) -> Ticket:
    stage = pipelines_of("ticket").stage(row.stage_id)
    return Ticket(
        reverse("inbox-ticket", args=["all-open", row.id]), row.subject, f"#{row.number}",
        Label(_(stage.label), stage.tone), row.sort_at,  # type: ignore[arg-type]
    )  # fmt: skip
