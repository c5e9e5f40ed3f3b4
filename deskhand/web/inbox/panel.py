"""The panel beside an open ticket: its contact, its properties, why it is whose, and what happened to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import policy
from deskhand.accounts.models import Team
from deskhand.automation.history import Named
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import computed
from deskhand.crm.records.history import LINK
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.crm.schema import clock_names, clocks, layouts
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Property
from deskhand.desk import merging, preferences
from deskhand.kernel import clock
from deskhand.routing import explain
from deskhand.routing import queries as routing
from deskhand.routing.models import Decision
from deskhand.web.choices import Choice
from deskhand.web.inbox import links, property_values, tasks, told, words
from deskhand.web.inbox import panel_rows as rows
from deskhand.web.inbox.property_values import People, Typed
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Person
from deskhand.web.workflows import card
from deskhand.web.workflows.rows import Card

OTHERS = 5
LONG = 100  # changes on a page of the history
#: Left out where everything is shown: second names of what is shown already, and numbers that say nothing to people.
HIDDEN = {
    "hs_object_id", "hs_createdate", "hs_is_visible_in_help_desk", "hs_is_closed", "hs_inbox_id", "hs_merged_object_ids",
    "hs_conversations_originating_thread_id", "hs_conversations_originating_message_id", "hs_helpdesk_sort_timestamp",
    "hs_originating_channel_instance_id", "hs_first_agent_message_sent_by", "hs_unique_creation_key",
    "hs_assignment_method", "first_agent_reply_date", "last_reply_date", "hs_object_source_label", "hs_object_source_id",
    "hs_object_source_user_id", "hs_user_ids_of_all_owners", "hs_summarized_ticket_owner_type", "source_ref", "source_thread_id",
    "hs_primary_company_id", "last_engagement_date", "notes_last_updated", "notes_last_contacted", "notes_next_activity_date",
    "hs_last_email_activity", "num_contacted_notes", "hs_all_conversation_mentions", "hs_waitlist_sort_value",
}  # fmt: skip
#: Changes that only come along with another one.
SILENT = {
    "hs_pipeline", "hs_is_closed", "hubspot_owner_assigneddate", "hs_assignment_method", "hs_last_closed_date",
    "hs_ticket_reopened_at", "hs_added_to_waitlist_at", "hs_waitlist_sort_value", "hs_waitlist_routing_targets",
}  # fmt: skip
PARTS = {
    "tasks": gettext_lazy("Tasks"),
    "links": gettext_lazy("Linked records"),
    "automation": gettext_lazy("Automation"),
    "why": gettext_lazy("Why this owner"),
    "others": gettext_lazy("Other tickets"),
    "merged": gettext_lazy("Merged tickets"),
    "followers": gettext_lazy("Followers"),
    "history": gettext_lazy("History"),
}
LAYOUT = "layout-"  # and the number of a further section of the layout
#: Shorter than the property's own label, where it stands among the usual ones.
SHORT = {
    property_values.STATUS: gettext_lazy("Status"),
    property_values.TEAMS: gettext_lazy("Team"),
    "createdate": gettext_lazy("Created"),
    "closed_date": gettext_lazy("Closed"),
}
ICONS = {"hs_ticket_priority": "flag"}


@dataclass(frozen=True)
class Editing:
    """The property that is open for editing, and what was refused about it."""

    name: str
    typed: Typed | None = None


@dataclass(frozen=True)
class Wish:
    """How the panel is asked for."""

    is_all: bool = False
    is_history: bool = False  # everything that happened, and of that what was before a change
    before: int | None = None
    editing: Editing | None = None
    task: tasks.Writing | None = None
    linking: links.Searching | None = None


@dataclass(frozen=True)
class History:
    """The latest changes, and how their causes are told."""

    changes: Sequence[PropertyChange]
    cause: Callable[[PropertyChange], str]
    followers: Collection[int] = ()


class PanelOf:
    """Gathers with a fixed number of queries, then puts into words."""

    def __init__(
        self,
        request: AccountRequest,
        view: str,
        ticket: Ticket,
        users: Mapping[int, str],
        may_edit: bool,
        wish: Wish | None = None,
    ) -> None:
        self.viewer, self.view, self.ticket, self.may_edit = request.viewer, view, ticket, may_edit
        self.account = request.account
        self.wish = wish or Wish()
        self.chosen = preferences.of(self.viewer)
        teams = Team.objects.filter(account_id=self.viewer.account_id).order_by("name", "id")
        self.people = People(users, dict(teams.values_list("id", "name")))
        self.known = properties_of("ticket")

    def build(self, history: History) -> rows.Panel:
        here = [self.view, self.ticket.pk]
        return rows.Panel(
            sections=tuple(self._sections()),
            parts={key: self._section(key, str(title)) for key, title in PARTS.items()},
            all_url="" if self.wish.is_all else reverse("ticket-properties", args=here),
            less_url=reverse("inbox-ticket", args=here) if self.wish.is_all or self.wish.is_history else "",
            contact=self._contact(),
            decision=self._decision(),
            others=self._others(),
            history=tuple(self._history(history)),
            history_url="" if self.wish.is_history else reverse("ticket-history", args=here),
            older_url=self._older(history) if self.wish.is_history else "",
            followers=self._followers(history.followers),
            merged=tuple(self._merged()),
            tasks=None if self.wish.is_history else self.tasks(),
            links=None if self.wish.is_history else self.links(),
            automation=None if self.wish.is_history else self.automation(),
        )

    def tasks(self) -> rows.Tasks:
        return tasks.TasksOf(
            self.viewer, self.view, self.ticket, self.people.users, self.may_edit, self.wish.task
        ).build()

    def links(self) -> rows.Links:
        return links.LinksOf(self.viewer, self.view, self.ticket, self.may_edit, self.wish.linking).build()

    def automation(self) -> Card | None:
        here = reverse("inbox-ticket", args=[self.view, self.ticket.pk])
        named = Named("ticket", self.ticket.pk, self.ticket.subject, False)
        return card.card(self.viewer, self.account, named, here)

    def _merged(self) -> Iterable[rows.Merged]:
        if not self.ticket.properties.get("hs_merged_object_ids"):
            return
        found = merging.of(self.ticket.pk, clock.now())
        gone = Ticket.objects.in_bulk([one.merged_id for one in found])
        for one in found:
            here = [self.view, self.ticket.pk, one.pk]
            url = reverse("ticket-part", args=here) if self.may_edit else ""
            yield rows.Merged(
                gone[one.merged_id].subject, f"#{gone[one.merged_id].number}", one.merged_at, url
            )

    def _older(self, history: History) -> str:
        if len(history.changes) < LONG:
            return ""
        return reverse("ticket-history-before", args=[self.view, self.ticket.pk, history.changes[-1].pk])

    def _followers(self, user_ids: Collection[int]) -> rows.Followers:
        names = self.people.users
        return rows.Followers(
            reverse("ticket-follow", args=[self.view, self.ticket.pk]),
            tuple(rows.Follower(pk, Person.named(name)) for pk, name in names.items() if pk in user_ids),
            tuple(Choice(str(pk), name) for pk, name in names.items() if pk not in user_ids),
            may_edit=self.may_edit,
        )

    # ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _sections(self) -> Iterable[rows.Section]:
        if self.wish.is_history:
            return
        pinned = [name for name in self.chosen.pinned if name in self.known]
        if pinned:
            yield self._section("pinned", _("Pinned"), self._lines(pinned))
        placed, layout = list(pinned), self._layout()
        times = [prop.name for prop in clocks.of("ticket")] if self.wish.is_all else []
        chosen = [name for section in layout for name in section.properties]
        every = self.known if self.wish.is_all else ()
        computed.attach("ticket", [self.ticket], [*every, *pinned, *chosen, *times])
        for number, section in enumerate(layout):
            names = [name for name in section.properties if name not in placed]
            placed += names
            if names or not number:
                key = f"{LAYOUT}{number}" if number else "ticket"
                yield self._section(key, _(section.label), self._lines(names))
        rest = [name for name in self._all() if name not in placed]
        if self.wish.is_all or self._edits_one_of(rest):
            yield self._section("rest", _("More properties"), self._lines(rest))
        there = [name for name in times if name not in placed and self._has_value(self.known[name])]
        if there:
            yield self._section("times", _("Times by status"), self._lines(there))

    def _layout(self) -> list[layouts.Section]:
        """As the account arranged it; in the product's own the account's properties come last. Nothing is open and closed."""
        layout = layouts.layout_of(self.viewer.account_id, "ticket")
        first, *others = layout.sections
        if not layout.is_own:
            own = [prop.name for prop in self.known.values() if prop.is_custom]
            first = layouts.Section(first.label, (*first.properties, *own))
        return [
            layouts.Section(one.label, tuple(filter(self._is_worth_a_line, one.properties)))
            for one in (first, *others)
        ]

    def _is_worth_a_line(self, name: str) -> bool:
        return name != "closed_date" or self.ticket.closed_at is not None

    def _all(self) -> list[str]:
        """Everything that can be set here, and of the rest what has a value."""
        return [
            name
            for name, prop in self.known.items()
            if name not in HIDDEN and (property_values.is_editable(prop) or self._has_value(prop))
        ]

    def _has_value(self, prop: Property) -> bool:
        return property_values.value_of(self.ticket, prop) not in (None, "", [])

    def _edits_one_of(self, names: Sequence[str]) -> bool:
        return self.wish.editing is not None and self.wish.editing.name in names

    def _section(self, key: str, title: str, lines: Iterable[rows.PropertyLine] = ()) -> rows.Section:
        return rows.Section(
            key, title, tuple(lines), is_folded=key in self.chosen.folded, fold_url=reverse("inbox-fold")
        )

    def _lines(self, names: Iterable[str]) -> Iterable[rows.PropertyLine]:
        return (self.line(name) for name in names)

    def line(self, name: str) -> rows.PropertyLine:
        """One property, as its value or as its editor."""
        prop = self.known[name]
        text = property_values.words(prop, property_values.value_of(self.ticket, prop), self.people)
        here = [self.view, self.ticket.pk, name]
        is_editable = self.may_edit and property_values.is_editable(prop)
        found = rows.PropertyLine(
            name, str(SHORT.get(name) or _(prop.label)), text, edit_url=reverse("ticket-property", args=here) if is_editable else "",
            pin_url=reverse("ticket-pin", args=here), is_pinned=name in self.chosen.pinned, help=prop.description,
            wraps=clock_names.parse(name) is not None,
        )  # fmt: skip
        found = self._with_mark(found)
        if is_editable and self.wish.editing is not None and self.wish.editing.name == name:
            return replace(found, editor=self._editor(prop))
        return found

    def _with_mark(self, line: rows.PropertyLine) -> rows.PropertyLine:
        if line.name == property_values.STATUS:
            return replace(line, tone=words.tone(pipelines_of("ticket").stage(self.ticket.stage_id)))
        if line.name == TAGS:
            return replace(line, tags=words.tags(self.ticket.properties.get(TAGS) or ()))
        return replace(line, icon=ICONS.get(line.name, "") if line.text != property_values.DASH else "")

    def _editor(self, prop: Property) -> rows.Editor:
        assert self.wish.editing is not None
        here = [self.view, self.ticket.pk, prop.name]
        urls = reverse("ticket-property-save", args=here), reverse("ticket-property-shown", args=here)
        people = self.people
        if prop.is_user:
            agents = routing.agents_with_state(self.viewer.account_id)
            people = replace(people, users={agent.user_id: agent.name for agent in agents})
        return property_values.editor(
            self.viewer, prop, self.ticket, people, self.people.users, urls, self.wish.editing.typed
        )

    # ── around the ticket ────────────────────────────────────────────────────────────────────────────────────────────

    def _contact(self) -> rows.ContactCard | None:
        contact = self.ticket.contact
        if contact is None:
            return None
        facts = [rows.Fact(_("Email"), contact.email)]
        if contact.phone:
            facts.append(rows.Fact(_("Phone"), contact.phone))
        may_see = policy.visible(self.viewer, "contact").reaches(contact)
        return rows.ContactCard(
            Person.named(contact.name or contact.email),
            contact.company.name if contact.company else "",
            tuple(facts),
            reverse("contact", args=[contact.pk]) if may_see else "",
        )

    def _decision(self) -> rows.Decision | None:
        decision = routing.decision_for_ticket(self.viewer.account_id, self.ticket.pk)
        if decision is None:
            return None
        told = explain.explain(decision)
        return rows.Decision(
            told.headline, told.at, tuple(rows.Fact(name, value) for name, value in told.details),
            tuple(rows.Dropped(Person.named(d.name), d.reason) for d in told.dropped),
            self._since(decision),
        )  # fmt: skip

    def _since(self, decision: Decision) -> str:
        """What the decision does not explain: who has the ticket now, if it is another than was chosen then."""
        owner = self.ticket.owner_id
        if owner == (decision.user_id or decision.left_user_id):
            return ""
        if owner is None:
            return _("Nobody has it now. When it was routed:")
        return _("%(name)s got it later; the history tells how. When it was routed:") % {
            "name": self.people.users.get(owner, "")
        }

    def _others(self) -> tuple[rows.OtherTicket, ...]:
        if self.ticket.contact_id is None:
            return ()
        found = Ticket.objects.filter(
            policy.visible(self.viewer, "ticket").q(),
            account_id=self.viewer.account_id,
            contact_id=self.ticket.contact_id,
            archived_at=None,
        ).exclude(pk=self.ticket.pk)
        return tuple(
            rows.OtherTicket(
                reverse("inbox-ticket", args=[self.view, o.pk]),
                o.subject,
                f"#{o.number}",
                o.sort_at,
                words.status(pipelines_of("ticket").stage(o.stage_id)),
            )
            for o in found.order_by("-sort_at", "-id")[:OTHERS]
        )

    def _history(self, history: History) -> Iterable[rows.HistoryLine]:
        found = {
            (new["type"], new["id"])
            for change in history.changes
            if change.property == LINK and (new := change.new)
        }
        self.linked = links.titles(self.viewer, found)
        for change in history.changes:
            if change.property not in SILENT:
                yield rows.HistoryLine(self._changed(change), history.cause(change), change.changed_at)

    def _changed(self, change: PropertyChange) -> str:
        if change.property.startswith("@"):
            return told.sentence(change.property, change.new or {}, self.linked)
        prop = self.known.get(change.property)
        if prop is None:
            return _("%(property)s: %(value)s") % {"property": change.property, "value": str(change.new)}
        words = {"property": _(prop.label), "value": property_values.words(prop, change.new, self.people)}
        if change.old in (None, "", []):
            return _("%(property)s: %(value)s") % words
        words["old"] = property_values.words(prop, change.old, self.people)
        return _("%(property)s: %(value)s, before %(old)s") % words
