"""The events that people can choose, per kind of record, with what each tells about itself (R-TRIG-18).

What is chosen is stored as `EventMatch.kind`: a kind of the log ("ticket.snoozed"), or one of ours that is made of
several ("ticket.closed"). A condition about an event names its facts: a property is its new value, `from:` before it
means the one it had, "changed" are the names of all that changed, and "by" and "by_user" say who did it. Of a property
that has several values, `came:` and `gone:` before it mean those that it got and lost; "tag_added" and "tag_removed" are
the tags that came and went.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from deskhand.automation.engine.definition import EventMatch
from deskhand.automation.records import as_fact
from deskhand.crm.filters.evaluate import Fact as Value
from deskhand.crm.filters.evaluate import Facts, holds
from deskhand.crm.filters.types import AllOf, Condition, Filter, Operator, leaves
from deskhand.crm.filters.types import Value as Filtered
from deskhand.crm.pipelines.types import stage_property
from deskhand.crm.records import tasks
from deskhand.crm.records.store import FILED
from deskhand.crm.records.tables import TABLES
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import ActorKind, Event
from deskhand.kernel.errors import DeskhandError

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

CHANGED, BY, BY_USER, WAS = "changed", "by", "by_user", "from:"
CAME, GONE = "came:", "gone:"
TO_TYPE = "to_type"
TAG_ADDED, TAG_REMOVED = "tag_added", "tag_removed"
_CHANGES = ("updated", "moved", "assigned")


@dataclass(frozen=True)
class Option:
    value: str
    label: StrPromise | str


@dataclass(frozen=True)
class Fact:
    """Something that an event tells, for conditions about it. `of` is the property whose values it has."""

    name: str
    label: StrPromise | str
    kind: Kind
    options: tuple[Option, ...] = ()
    of: str = ""


@dataclass(frozen=True)
class Choice:
    """One kind of event on the list. It is `heard` from the log's kinds, where `always` holds."""

    kind: str
    label: StrPromise | str
    about: StrPromise | str
    heard: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    always: Condition | None = None
    #: A property is chosen for it, with the values before and after, if wanted: see `property_changed`.
    asks_property: bool = False


@lru_cache(maxsize=256)
def choices(object_type: str) -> tuple[Choice, ...]:
    """In the order in which people are offered them."""
    found = [*_of_all(object_type)]
    if object_type in FILED or object_type not in TABLES:
        found[1:1] = _of_filed(object_type)
    if object_type == "ticket":
        found += _of_tickets()
    if object_type in ("contact", "company"):
        found += _of_merging(object_type)
    return (*found, *_of_links(object_type), *_of_tasks())


def choice(object_type: str, kind: str) -> Choice:
    """A kind of the log that is not on the list is heard as it is."""
    return _by_kind(object_type).get(kind) or Choice(kind, kind, "", (kind,))


def kinds(object_type: str) -> frozenset[str]:
    """All that a trigger or a delay of such a workflow may name."""
    return frozenset(kind for one in choices(object_type) for kind in (one.kind, *one.heard))


def property_changed(
    object_type: str, property: Property, before: Iterable[Filtered] = (), after: Iterable[Filtered] = ()
) -> tuple[str, Condition]:
    """The kind and the condition of "this property changed from one of these to one of those" (R-TRIG-18).

    Values are of the property's kind; of a date it is one day. Raises Invalid for others.
    """
    parts: list[Condition] = [Filter(CHANGED, Kind.MULTI, Operator.ANY_OF, (property.name,))]
    operator = Operator.ON if property.kind in (Kind.DATE, Kind.DATETIME) else Operator.ANY_OF
    for name, values in zip(_sides(property), (tuple(before), tuple(after)), strict=True):
        if values:
            parts.append(Filter(name, property.kind, operator, values))
    return f"{object_type}.property_changed", AllOf(tuple(parts))


def _sides(property: Property) -> tuple[str, str]:
    """Where conditions find what was and what is. Of several values the others that stay are no change."""
    if property.kind in (Kind.MULTI, Kind.REFS):
        return f"{GONE}{property.name}", f"{CAME}{property.name}"
    return f"{WAS}{property.name}", property.name


def reaching(object_type: str, stage_id: int) -> tuple[EventMatch, ...]:
    """The events of a record that reaches a status: made in it, or moved there (R-ACT-13)."""
    at_stage = Filter(stage_property(object_type), Kind.ENUM, Operator.ANY_OF, (str(stage_id),))
    return EventMatch(f"{object_type}.created", at_stage), EventMatch(f"{object_type}.moved", at_stage)


def is_before(fact: str) -> bool:
    """Whether it tells what was, of what `property_changed` asks for."""
    return fact.startswith((WAS, GONE))


def property_of(fact: str) -> str:
    """The property whose values it has."""
    for side in (WAS, CAME, GONE):
        fact = fact.removeprefix(side)
    return fact


@lru_cache(maxsize=256)
def _by_kind(object_type: str) -> Mapping[str, Choice]:
    return {one.kind: one for one in choices(object_type)}


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_WHO = (
    Fact(BY, _("Who did it"), Kind.ENUM, (
        Option(ActorKind.USER, _("A colleague")), Option(ActorKind.VISITOR, _("A customer")),
        Option(ActorKind.WORKFLOW, _("A workflow")), Option(ActorKind.ROUTING, _("The assignment")),
        Option(ActorKind.INTEGRATION, _("Another program")), Option(ActorKind.SYSTEM, _("The product itself")),
    )),
    Fact(BY_USER, _("Which colleague"), Kind.REF),
)  # fmt: skip


def _is(name: str, value: bool) -> Filter:
    return Filter(name, Kind.BOOL, Operator.ANY_OF, (value,))


def _did_change(name: str) -> Filter:
    return Filter(CHANGED, Kind.MULTI, Operator.ANY_OF, (name,))


def _property(name: str, label: StrPromise | str, kind: Kind) -> Fact:
    return Fact(name, label, kind, of=name.removeprefix(WAS))


def _of_all(object_type: str) -> Iterable[Choice]:
    changes = tuple(f"{object_type}.{did}" for did in _CHANGES)
    owner, teams = "hubspot_owner_id", "hs_assigned_team_ids"
    had_owner = _property(f"{WAS}{owner}", _("Owner before"), Kind.REF)
    has_owner = _property(owner, _("Owner"), Kind.REF)
    created = f"{object_type}.created"
    yield Choice(created, _("Created"), _("The record was made."), (created,), _WHO)
    yield Choice(
        f"{object_type}.property_changed", _("A property changed"), _("A property got another value."), changes, _WHO,
        asks_property=True,
    )  # fmt: skip
    yield Choice(
        f"{object_type}.owner_set", _("Assigned to somebody"), _("The record got an owner, or another one."),
        (created, *changes), (has_owner, had_owner, *_WHO),
        AllOf((_did_change(owner), Filter(owner, Kind.REF, Operator.KNOWN))),
    )  # fmt: skip
    yield Choice(
        f"{object_type}.owner_removed", _("Owner removed"), _("The record belongs to nobody any more."),
        changes, (had_owner, *_WHO), AllOf((_did_change(owner), Filter(owner, Kind.REF, Operator.UNKNOWN))),
    )  # fmt: skip
    yield Choice(
        f"{object_type}.teams_changed", _("Teams changed"), _("The record was given to other teams."), changes,
        (_property(teams, _("Teams"), Kind.REFS), _property(f"{WAS}{teams}", _("Teams before"), Kind.REFS), *_WHO),
        _did_change(teams),
    )  # fmt: skip
    restored = f"{object_type}.restored"
    yield Choice(restored, _("Restored"), _("The record was deleted and is back."), (restored,), _WHO)


def _of_filed(object_type: str) -> Iterable[Choice]:
    stage = stage_property(object_type)
    created, moved = f"{object_type}.created", f"{object_type}.moved"
    to = _property(stage, _("Status"), Kind.ENUM)
    came_from = _property(f"{WAS}{stage}", _("Status before"), Kind.ENUM)
    yield Choice(
        f"{object_type}.stage_entered", _("Reached a status"), _("The record was moved into a status, or made in it."),
        (created, moved), (to, came_from, *_WHO),
    )  # fmt: skip
    yield Choice(
        f"{object_type}.stage_left", _("Left a status"), _("The record was moved out of a status."), (moved,),
        (came_from, to, *_WHO),
    )  # fmt: skip
    closed = AllOf((_did_change("hs_is_closed"), _is("hs_is_closed", True)))
    opened = AllOf((_did_change("hs_is_closed"), _is("hs_is_closed", False)))
    about = _("The record was moved from an open status into a closed one.")
    yield Choice(f"{object_type}.closed", _("Closed"), about, (moved,), (to, came_from, *_WHO), closed)
    about = _("The record was moved from a closed status into an open one.")
    yield Choice(f"{object_type}.reopened", _("Reopened"), about, (moved,), (to, came_from, *_WHO), opened)


_AUTOMATIC = (
    Option("no", _("A person")), Option("generated", _("A machine, by itself")), Option("answer", _("An automatic answer")),
    Option("report", _("A report, such as a bounce")),
)  # fmt: skip
_SENDERS = (
    Option("contact", _("The customer")), Option("colleague", _("A colleague")), Option("stranger", _("Somebody else")),
)  # fmt: skip


def _of_tickets() -> Iterable[Choice]:
    channel = Fact("channel_account_id", _("Channel"), Kind.REF, of="hs_originating_channel_instance_id")
    yield Choice(
        "message.received", _("Message received"), _("Somebody wrote in a conversation that was there already."),
        ("message.received",),
        (Fact("sender", _("Who wrote"), Kind.ENUM, _SENDERS), Fact("automatic", _("Written by"), Kind.ENUM, _AUTOMATIC),
         Fact("forward", _("Forwarded by a colleague"), Kind.BOOL), channel),
        _is("opened", False),  # R-TRIG-11: the ticket was there before the event
    )  # fmt: skip
    yield Choice(
        "ticket.reply_sent", _("Reply sent"), _("A colleague answered the customer."), ("message.sent",),
        (_WHO[1],), _is("automatic", False),
    )  # fmt: skip
    yield Choice(
        "ticket.mail_sent", _("Automatic email sent"), _("A workflow wrote to the customer."), ("message.sent",), (),
        _is("automatic", True),
    )  # fmt: skip
    yield Choice(
        "message.bounced", _("Email came back"), _("A message could not be delivered."), ("message.bounced",),
        (Fact("recipient", _("Address"), Kind.TEXT), Fact("reason", _("Reason"), Kind.TEXT)),
    )  # fmt: skip
    yield Choice(
        "comment.added", _("Internal comment"), _("A colleague left a comment."), ("comment.added",),
        (_WHO[1], Fact("mentioned", _("Mentioned colleagues"), Kind.REFS)),
    )  # fmt: skip
    spam = "is_spam"
    changes = tuple(f"ticket.{did}" for did in _CHANGES)
    yield Choice(
        "ticket.spam_set", _("Marked as spam"), _("The ticket was put into Spam."), changes, _WHO,
        AllOf((_did_change(spam), _is(spam, True))),
    )  # fmt: skip
    yield Choice(
        "ticket.spam_lifted", _("Taken out of spam"), _("The ticket was taken out of Spam."), changes, _WHO,
        AllOf((_did_change(spam), _is(spam, False))),
    )  # fmt: skip
    for fact, heard, label, about in (
        (
            TAG_ADDED,
            ("ticket.created", *changes),
            _("Tag added"),
            _("Somebody, a workflow or a rule put a tag on the ticket."),
        ),
        (
            TAG_REMOVED,
            changes,
            _("Tag removed"),
            _("Somebody, a workflow or a rule took a tag off the ticket."),
        ),
    ):
        yield Choice(
            f"ticket.{fact}", label, about, heard, (Fact(fact, _("Tag"), Kind.MULTI, of=TAGS), *_WHO),
            Filter(fact, Kind.MULTI, Operator.KNOWN),
        )  # fmt: skip
    for kind, label, about in (
        ("ticket.snoozed", _("Snoozed"), _("The ticket rests until a moment.")),
        ("ticket.woken", _("Woken"), _("The ticket was snoozed and is back.")),
        ("ticket.merged", _("Merged"), _("Another ticket became a part of this one.")),
        ("ticket.unmerged", _("Parted again"), _("A merge with another ticket was undone.")),
        ("ticket.split", _("Split"), _("Messages of this ticket were moved to a new one.")),
        ("ticket.copied", _("Copied from"), _("Messages of this ticket were copied to a new one.")),
        ("ticket.followed", _("Followed"), _("A colleague follows the ticket.")),
        ("ticket.unfollowed", _("Followed no more"), _("A colleague stopped following the ticket.")),
    ):
        yield Choice(kind, label, about, (kind,), _WHO)


def _of_links(object_type: str) -> Iterable[Choice]:
    other = Fact(TO_TYPE, _("Kind of record"), Kind.ENUM)  # `kinds.told_of` has its values
    for did, label, about in (
        ("linked", _("Linked to a record"), _("The record was linked to another one.")),
        ("unlinked", _("Link removed"), _("A link to another record was removed.")),
        (
            "relabeled",
            _("Labels of a link changed"),
            _("A link to another record was given a label, or lost one."),
        ),
    ):
        kind = f"{object_type}.{did}"
        yield Choice(kind, label, about, (kind,), (other, *_WHO))


def _of_merging(object_type: str) -> Iterable[Choice]:
    for did, label, about in (
        ("merged", _("Merged"), _("Another record became a part of this one.")),
        ("unmerged", _("Parted again"), _("A merge with another record was undone.")),
    ):
        yield Choice(f"{object_type}.{did}", label, about, (f"{object_type}.{did}",), _WHO)


def _of_tasks() -> Iterable[Choice]:
    assignee = Fact("assignee_id", _("Task is for"), Kind.REF)
    for kind, label, about in (
        ("task.created", _("Task created"), _("A task about the record was made.")),
        ("task.done", _("Task done"), _("A task about the record was finished.")),
        ("task.reopened", _("Task reopened"), _("A finished task is to be done again.")),
        ("task.deleted", _("Task deleted"), _("A task about the record was deleted.")),
    ):
        yield Choice(kind, label, about, (kind,), (assignee, *_WHO))


# ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def subject_of(event: Event) -> tuple[str, int] | None:
    """The record that an event is about: of a message its ticket, of a task its main one."""
    return next(iter(subjects_of(event)), None)


def subjects_of(event: Event) -> list[tuple[str, int]]:
    """All of them: a task has further ones besides its main one (R-WFA-8)."""
    if event.object_type == "thread":
        ticket_id = event.data.get("ticket_id")
        return [("ticket", ticket_id)] if ticket_id else []
    if event.object_type == "task":
        return tasks.told_of(event)
    return [(event.object_type, event.object_id)]


def names_of(event: Event) -> list[str]:
    """All kinds by which triggers and delays may have asked for this event."""
    subject = subject_of(event)
    if subject is None:
        return [event.kind]
    facts = EventFacts(event, subject[0])
    met = [one.kind for one in choices(subject[0]) if event.kind in one.heard and _meets(one.always, facts)]
    return list(dict.fromkeys([event.kind, *met]))


def is_meant(event: Event, one: Choice, about: Condition | None, zone: ZoneInfo) -> bool:
    """Whether the event is of this choice and tells what `about` asks for."""
    subject = subject_of(event)
    if subject is None or event.kind not in one.heard:
        return False
    facts = EventFacts(event, subject[0])
    if event.data.get("is_spam") and not _names_spam(one.always) and not _names_spam(about):
        return False  # what lies in Spam reaches nothing (R-CC-12)
    return _meets(one.always, facts) and _meets(about, facts, zone)


def _names_spam(condition: Condition | None) -> bool:
    return condition is not None and any(
        isinstance(leaf, Filter) and (leaf.property == "is_spam" or "is_spam" in leaf.values)
        for leaf in leaves(condition)
    )


def _meets(condition: Condition | None, facts: EventFacts, zone: ZoneInfo | None = None) -> bool:
    if condition is None:
        return True
    try:
        return holds(condition, facts, now=facts.event.at, zone=zone or UTC)
    except DeskhandError:  # it compares what this event has as another kind
        return False


UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class EventFacts:
    """What an event tells of itself."""

    event: Event
    object_type: str

    def value(self, property: str) -> Value:
        if property == CHANGED:
            return self._changed()
        if property == BY:
            return self.event.by.kind.value
        if property == BY_USER:
            return self.event.by.id if self.event.by.kind is ActorKind.USER else None
        if property in (TAG_ADDED, TAG_REMOVED):
            return self._moved(TAGS, self.event.data.get(TAGS), property == TAG_ADDED)
        if property.startswith((CAME, GONE)):
            return self._moved(property_of(property), None, property.startswith(CAME))
        name = property.removeprefix(WAS)
        changes = self.event.data.get("changes", {})
        if name in changes:
            return self._as_fact(name, changes[name][0 if property != name else 1])
        if property != name:
            return None
        prop = _known(self.object_type, name)
        if prop is not None and prop.column and prop.column in self.event.data:
            return as_fact(prop, self.event.data[prop.column])
        return _plain(self.event.data.get(name))

    def past_values(self, property: str) -> Iterable[Value]:
        return ()

    def associated(self, to: str, type_id: int | None) -> Iterable[Facts]:
        return ()

    def memberships(self, of: str) -> Collection[int]:
        return ()

    def _moved(self, name: str, whole: Any, did_come: bool) -> Value:
        """What came or went of several values; a record that is new got the `whole`."""
        old, new = self.event.data.get("changes", {}).get(name) or (None, whole)
        came, went = (new, old) if did_come else (old, new)
        return tuple(one for one in came or () if one not in (went or ())) or None

    def _changed(self) -> tuple[str, ...]:
        """A new record's values count as changes."""
        data = self.event.data
        if "changes" in data:
            return tuple(data["changes"])
        if not self.event.kind.endswith(".created"):
            return ()
        return tuple(p.name for p in _built_in(self.object_type).values() if p.column and data.get(p.column))

    def _as_fact(self, name: str, raw: Any) -> Value:
        prop = _known(self.object_type, name)
        return as_fact(prop, raw) if prop else _plain(raw)


def _plain(raw: Any) -> Value:
    return None if raw in ("", []) else raw


@lru_cache(maxsize=256)
def _built_in(object_type: str) -> Mapping[str, Property]:
    return {p.name: p for p in BUILT_IN.get(object_type, BUILT_IN["custom"])}


def _known(object_type: str, name: str) -> Property | None:
    """An account's own properties are read only where one is asked for."""
    return _built_in(object_type).get(name) or properties_of(object_type).get(name)
