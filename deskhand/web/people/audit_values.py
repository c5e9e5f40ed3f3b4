"""What the facts of the audit log hold, in words: keys, numbers of what has a name, conditions, and what is nested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from babel.dates import get_day_names
from django.conf import settings
from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import permissions, queries
from deskhand.accounts.models import ApiToken, App, AuditEntry, Plan, Role, Team
from deskhand.accounts.permissions import ANY_TYPE, Capability
from deskhand.accounts.types import Reach, Verb, Viewer
from deskhand.automation import coderuns
from deskhand.automation.models import CustomAction, MailTemplate, Workflow, WorkflowFolder, WorkflowSecret
from deskhand.crm.filters import as_json
from deskhand.crm.filters.types import EVERYTHING
from deskhand.crm.pipelines import options as pipeline_options
from deskhand.crm.pipelines import rules as pipeline_rules
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.options import Mode
from deskhand.crm.records.models import SubscriptionType, TaskQueue
from deskhand.crm.schema import object_types
from deskhand.crm.schema.defaults import PRIORITIES
from deskhand.crm.schema.models import ObjectType, PropertyDefinition
from deskhand.crm.schema.queries import archived_label, properties_of
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.desk.models import ChannelAccount, Inbox, InboxKind, Snippet
from deskhand.events.types import ActorKind
from deskhand.kernel.errors import DeskhandError
from deskhand.kernel.text import whole
from deskhand.routing import agents
from deskhand.routing.models import AwayState, Skill, SkillCategory, SkillRuleSet
from deskhand.routing.types import Measure
from deskhand.web import times, troubles
from deskhand.web.channels.page import SECURITY
from deskhand.web.channels.rule import OPTIONS, REROUTE, STRATEGIES
from deskhand.web.choices import joined
from deskhand.web.filters.asked import Asked
from deskhand.web.holding import TYPES as TICKET_TYPES
from deskhand.web.hours import week
from deskhand.web.notifications.page import TOPICS, WAYS
from deskhand.web.objects.kinds import LABELS as PROPERTY_KINDS
from deskhand.web.objects.own import PICTURES
from deskhand.web.objects.pipelines import TONES
from deskhand.web.people.account import FEATURES
from deskhand.web.people.roles import CAPABILITIES, REACHES, TYPES, VERBS
from deskhand.web.people.rows import Changed
from deskhand.web.portal.settings import REACHES as PORTAL_REACHES
from deskhand.web.segments.common import KINDS as SEGMENT_KINDS
from deskhand.web.snippets.views import AUDIENCES

#: Words for what is stored as a key.
VALUES: Mapping[str, Mapping[Any, str | Promise]] = {
    "plan": {plan.value: plan.label for plan in Plan},
    "option": OPTIONS,
    "strategy": STRATEGIES,
    "reroute": REROUTE,
    "locale": dict(settings.LANGUAGES),
    "kind": PROPERTY_KINDS
    | {one: SEGMENT_KINDS[one][0] for one in (SegmentKind.FILTER, SegmentKind.STATIC)}
    | {InboxKind.HELP_DESK: gettext_lazy("Help desk"), InboxKind.INBOX: gettext_lazy("Inbox")},
    "measure": {
        Measure.TOTAL: gettext_lazy("All open tickets together"),
        Measure.BY_TYPE: gettext_lazy("Each type of ticket by itself"),
    },
    "icon": PICTURES,
    "audience": AUDIENCES,
    "reach": {reach: words[0] for reach, words in PORTAL_REACHES.items()},
    "imap_security": SECURITY,
    "smtp_security": SECURITY,
    "imap_password": {"changed": gettext_lazy("changed")},
    "smtp_password": {"changed": gettext_lazy("changed")},
    **{
        topic.value: {way.value: words[0] for way, words in WAYS.items()} | {"locked": gettext_lazy("Locked")}
        for topic in TOPICS
    },
}
_STATES = {StageState.OPEN: gettext_lazy("Open"), StageState.CLOSED: gettext_lazy("Closed")}
_MODES = {
    Mode.ALWAYS: gettext_lazy("Reopen the ticket"),
    Mode.WITHIN_DAYS: gettext_lazy("Reopen the ticket for some days, then open a new one"),
    Mode.NEVER: gettext_lazy("Open a new ticket"),
}
_FLAGS = {
    "all_channels": gettext_lazy("Follow every channel, not email alone"),
    "stay_closed_on_sent": gettext_lazy("Keep a closed ticket closed when somebody writes to the customer"),
    "reopen_then_apply_reply_target": gettext_lazy("Give a reopened ticket the status set for replies"),
    "ignore_acknowledgements": gettext_lazy("Keep a closed ticket closed when the answer only says thanks"),
}

#: Which names stand behind the numbers of a field.
REFERENCES = {
    "role_id": "role", "main": "team", "extra": "team", "parent_id": "team", "team_ids": "team",
    "fallback_team_ids": "team", "user_id": "user", "user_ids": "user", "fallback_user_ids": "user",
    "pipeline_id": "pipeline", "pipelines": "pipeline", "stage_id": "stage", "sent_stage_id": "stage", "reply_stage_id": "stage",
    "excluded_stage_ids": "stage", "skill_rule_set_id": "skill_rules", "owner_id": "user", "folder_id": "workflow_folder",
    "workflow": "workflow", "channel_account_id": "channel_account",
}  # fmt: skip
TABLES: Mapping[str, tuple[type[Model], str]] = {
    "role": (Role, "name"),
    "team": (Team, "name"),
    "token": (ApiToken, "name"),
    "app": (App, "name"),
    "pipeline": (Pipeline, "label"),
    "stage": (Stage, "label"),
    "object_type": (ObjectType, "plural"),
    "property": (PropertyDefinition, "label"),
    "segment": (Segment, "name"),
    "workflow": (Workflow, "name"),
    "workflow_folder": (WorkflowFolder, "name"),
    "mail_template": (MailTemplate, "name"),
    "integration": (CustomAction, "name"),
    "secret": (WorkflowSecret, "name"),
    "subscription_type": (SubscriptionType, "name"),
    "channel_account": (ChannelAccount, "name"),
    "inbox": (Inbox, "name"),
    "snippet": (Snippet, "name"),
    "away_state": (AwayState, "name"),
    "skill": (Skill, "name"),
    "skill_category": (SkillCategory, "name"),
    "skill_rules": (SkillRuleSet, "name"),
    "task_queue": (TaskQueue, "name"),
}
_OURS_AT_FIRST = (
    "pipeline",
    "stage",
    "object_type",
    "property",
)  # made with the account, called as the product does
_LONGEST = 300  # characters of a value


class Names:
    """The names behind the numbers of some entries, and conditions in words; one query per kind, however many entries
    there are."""

    def __init__(self, viewer: Viewer, entries: Iterable[AuditEntry]) -> None:
        self._viewer = viewer
        self._asked: dict[str, Asked] = {}
        self._archived: dict[tuple[str, str], str] = {}
        wanted: dict[str, set[int]] = {kind: set() for kind in (*TABLES, "user")}
        for entry in entries:
            for kind, number in _mentioned(entry):
                if kind in wanted:
                    wanted[kind].add(number)
        self._found = {"user": queries.names_of(wanted.pop("user"))}
        for kind, ids in wanted.items():
            self._found[kind] = _read(viewer.account_id, *TABLES[kind], ids) if ids else {}

    def of(self, kind: str, number: int | None) -> str:
        """Nothing for what is not there any more."""
        found = self._found.get(kind, {}).get(number or 0, "")
        return _(found) if found and kind in _OURS_AT_FIRST else found

    def said(self, kind: str, number: int) -> str:
        """Also of what is not there any more."""
        gone = _("somebody who is no longer known") if kind == "user" else _("(deleted)")
        return self.of(kind, number) or gone

    def record_kind(self, object_type: str) -> str:
        """What records of a kind are called, several of them."""
        try:
            return _(object_types.labels_of(object_type).plural)
        except DeskhandError:
            return _("a kind of record that was deleted")

    def property(self, object_type: str, name: str) -> str:
        found = properties_of(object_type).get(name)
        if found is not None:
            return _(found.label)
        key = object_type, name
        if key not in self._archived:
            self._archived[key] = archived_label(*key)
        return self._archived[key] or _("a property that was deleted")

    def condition(self, object_type: str, stored: object) -> str:
        """In one line, also where it names what was deleted."""
        try:
            read = as_json.from_json(stored) if stored else EVERYTHING
            if object_type not in self._asked:
                self._asked[object_type] = Asked(self._viewer, object_type)
            said = self._asked[object_type].in_words(read)
        except (DeskhandError, LookupError, TypeError, ValueError):
            return _("A filter that can't be read any more")
        return said or _("All: %(kind)s") % {"kind": self.record_kind(object_type)}


def _read(account_id: int, model: type[Model], field: str, ids: set[int]) -> dict[int, str]:
    found = model._default_manager.filter(account_id=account_id, pk__in=ids)
    return dict(found.values_list("pk", field))


def _mentioned(entry: AuditEntry) -> Iterable[tuple[str, int]]:
    if entry.target_id is not None:
        yield entry.target_type, entry.target_id
    if entry.actor_kind == ActorKind.USER and entry.actor_id is not None:
        yield "user", entry.actor_id
    for facts in (entry.before, entry.after):
        for field, value in facts.items():
            if field in REFERENCES:
                yield from ((REFERENCES[field], number) for number in numbers(value))
            elif field in _INSIDE:
                yield from _INSIDE[field](value)


def numbers(value: object) -> list[int]:
    return [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]


def object_type_of(entry: AuditEntry) -> str:
    """What records the properties and the conditions of an entry are about."""
    if entry.target_type == "portal":
        return "contact"
    said = (facts.get("object_type") for facts in (entry.after, entry.before))
    return next((str(one) for one in said if one), "ticket")


# ── a value ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def value_said(field: str, value: object, names: Names, object_type: str) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if field in READERS and value is not None:
        return READERS[field](value, names, object_type)[:_LONGEST]
    if value is None or value in ("", [], {}):
        return "–"
    if field in REFERENCES:
        return joined(names.said(REFERENCES[field], number) for number in numbers(value))
    known = VALUES.get(field, {})
    several = value if isinstance(value, list) else [value]
    return ", ".join(str(known.get(one, one) if isinstance(one, str) else one) for one in several)[:_LONGEST]


def _properties(value: Any, names: Names, object_type: str) -> str:
    return (
        joined(names.property(object_type, name) for name in ([value] if isinstance(value, str) else value))
        or "–"
    )


def _record_kinds(value: Any, names: Names, _object_type: str) -> str:
    return joined(names.record_kind(one) for one in ([value] if isinstance(value, str) else value)) or "–"


def _moment(value: Any, _names: Names, _object_type: str) -> str:
    return times.absolute(datetime.fromisoformat(value))


def _fields(value: Any, _names: Names, _object_type: str) -> str:
    """What an integration is given or answers with: [{"name": "amount", "value": "number"}]."""
    said = (f"{one['name']} ({coderuns.TYPES.get(one['value'], one['value'])})" for one in value)
    return ", ".join(said) or "–"


def _messages(value: Any, _names: Names, _object_type: str) -> str:
    return "; ".join(f"{one['name']}: {one['value']}" for one in value) or "–"


def _country(value: Any, _names: Names, _object_type: str) -> str:
    return str(times.locale().territories.get(value, value)) if value else _("No public holidays")


def _agent(value: Any, _names: Names, _object_type: str) -> str:
    found = agents.known.get(value)
    return found.name if found else value or "–"


#: How a field is read that is no plain word and no plain number.
READERS: Mapping[str, Callable[[Any, Names, str], str]] = {
    "condition": lambda value, names, object_type: names.condition(object_type, value),
    "object_type": _record_kinds,
    "object_types": _record_kinds,
    "from_type": _record_kinds,
    "to_type": _record_kinds,
    "primary": _properties,
    "required": _properties,
    "searchable": _properties,
    "secondary": _properties,
    "cards": _properties,
    "since": _moment,
    "until": _moment,
    "inputs": _fields,
    "outputs": _fields,
    "messages": _messages,
    "country": _country,
    "agent_key": _agent,
    "needs_review": lambda value, _names, _object_type: troubles.of_workflow(value).text or "–",
}


# ── what is nested, a line for each part that changed ────────────────────────────────────────────────────────────────


def _permissions(before: Any, after: Any, names: Names, _object_type: str) -> Iterable[Changed]:
    """What a role allows, a line for each cell of its table that changed."""
    was, became = permissions.parse(before or {}), permissions.parse(after or {})
    for key in dict.fromkeys([*TYPES, *was.records, *became.records]):
        here, there = was.on(key), became.on(key)
        label = (
            _("Everything else") if key == ANY_TYPE else str(TYPES.get(key) or "") or names.record_kind(key)
        )
        for verb in Verb:
            old, new = (one.reach.get(verb, Reach.NONE) for one in (here, there))
            if old is not new:
                yield Changed(f"{label} · {VERBS[verb]}", str(REACHES[old]), str(REACHES[new]))
        if here.unassigned != there.unassigned:
            yield _switched(f"{label} · {_('Without an owner')}", here.unassigned, there.unassigned)
    for one in Capability:
        if (one in was.capabilities) != (one in became.capabilities):
            yield _switched(str(CAPABILITIES[one][0]), one in was.capabilities, one in became.capabilities)
    if was.extra_teams != became.extra_teams:
        yield _switched(_("Extra teams count too"), was.extra_teams, became.extra_teams)


def _features(before: Any, after: Any, _names: Names, _object_type: str) -> Iterable[Changed]:
    """Switches of single features; without one the plan decides."""
    for one, label in FEATURES.items():
        was, became = ((facts or {}).get(one) for facts in (before, after))
        if was != became:
            yield Changed(str(label), _switch(was), _switch(became))


def _switch(value: object) -> str:
    return _("as the plan says") if value is None else _("on") if value else _("off")


def _switched(label: str, was: bool, became: bool) -> Changed:
    return Changed(label, *(_("yes") if one else _("no") for one in (was, became)))


def _hours(before: Any, after: Any, _names: Names, _object_type: str) -> Iterable[Changed]:
    """A working week, a line for each day that changed."""
    days = get_day_names("wide", "stand-alone", locale=times.locale())
    for day in range(7):
        was, became = (
            ", ".join(f"{week.clock(start)}–{week.clock(end)}" for at, start, end in one or () if at == day)
            for one in (before, after)
        )
        if was != became:
            yield Changed(days[day].capitalize(), was or "–", became or "–")


def _rows(label: str, before: Mapping[Any, str], after: Mapping[Any, str]) -> Iterable[Changed]:
    """Named rows: those that were changed, are new or are gone; if none is, they stand in another order."""
    changed = [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    for key in changed:
        yield Changed(label, before.get(key, "–"), after.get(key, "–"))
    if not changed:
        yield Changed(_("Order"), joined(before.values()), joined(after.values()))


def _statuses(before: Any, after: Any, names: Names, _object_type: str) -> Iterable[Changed]:
    """Those of a pipeline, as rows or as numbers; and what customers of the portal read of them."""
    if isinstance(before or after, dict):
        was, became = (
            {key: _read_by_customers(key, one, names) for key, one in (facts or {}).items()}
            for facts in (before, after)
        )
        yield from _rows(_("What customers read of a status"), was, became)
        return
    was, became = ({_key(one): _status(one, names) for one in facts or ()} for facts in (before, after))
    yield from _rows(_("Status"), was, became)


def _key(one: Any) -> int:
    return int(one["id"] if isinstance(one, dict) else one)


def _status(one: Any, names: Names) -> str:
    if isinstance(one, int):
        return names.said("stage", one)
    label, tone, probability = one["label"], one["tone"], one.get("probability")
    likely = "" if probability is None else f", {round(probability * 100)} %"
    return f"{_(label)} ({_STATES[one['state']]}, {TONES.get(tone, tone)}{likely})"


def _read_by_customers(stage_id: str, one: Mapping[str, Any], names: Names) -> str:
    said = _("Hidden") if one.get("is_hidden") else one.get("label") or "–"
    return f"{names.said('stage', int(stage_id))}: {said}"


def _rules(before: Any, after: Any, names: Names, object_type: str) -> Iterable[Changed]:
    """What a pipeline demands; of skill rules, their names in order."""
    if isinstance(before or after, list):
        yield Changed(_("Rules in their order"), joined(before or ()) or "–", joined(after or ()) or "–")
        return
    was, became = (pipeline_rules.parse(facts or {}) for facts in (before, after))
    for name, label in (
        ("limits_creation", _("Limit the statuses that records are created in")),
        ("forbids_skipping", _("Forbid skipping statuses")),
        ("forbids_going_back", _("Forbid going back")),
    ):
        if getattr(was, name) != getattr(became, name):
            yield _switched(label, getattr(was, name), getattr(became, name))
    if was.creation != became.creation:
        first, then = (joined(names.said("stage", one) for one in rules.creation) for rules in (was, became))
        yield Changed(_("Statuses that records are created in"), first or "–", then or "–")
    for stage_id in dict.fromkeys([*was.asks, *became.asks]):
        first, then = (_asks(rules.asks.get(stage_id, ()), names, object_type) for rules in (was, became))
        if first != then:
            label = _("“%(status)s” asks for") % {"status": names.said("stage", stage_id)}
            yield Changed(label, first or "–", then or "–")


def _asks(asks: Iterable[pipeline_rules.Ask], names: Names, object_type: str) -> str:
    return joined(
        f"{names.property(object_type, ask.property)}{' (' + _('required') + ')' if ask.is_required else ''}"
        for ask in asks
    )


def _options(before: Any, after: Any, names: Names, _object_type: str) -> Iterable[Changed]:
    """The choices of a property, or what a pipeline does with answers."""
    if isinstance(before or after, list):
        was, became = ({one["value"]: _option(one) for one in facts or ()} for facts in (before, after))
        yield from _rows(_("Option"), was, became)
        return
    old, new = (pipeline_options.parse(facts) for facts in (before, after))
    for name, label in _FLAGS.items():
        if getattr(old, name) != getattr(new, name):
            yield _switched(str(label), getattr(old, name), getattr(new, name))
    if old.mode != new.mode:
        yield Changed(
            _("When somebody answers a closed ticket"), str(_MODES[old.mode]), str(_MODES[new.mode])
        )
    if old.days != new.days:
        yield Changed(_("Days in which it is reopened"), str(old.days), str(new.days))
    if old.reopen_stage_id != new.reopen_stage_id:
        first, then = (
            names.said("stage", one.reopen_stage_id) if one.reopen_stage_id else _("the first open status")
            for one in (old, new)
        )
        yield Changed(_("Status of a reopened ticket"), first, then)


def _option(one: Mapping[str, Any]) -> str:
    more = [str(TONES[one["tone"]])] if one.get("tone") in TONES else []
    more += [_("hidden")] if one.get("hidden") else []
    label = one["label"]
    return f"{_(label)} ({', '.join(more)})" if more else _(label)


def _sections(before: Any, after: Any, names: Names, object_type: str) -> Iterable[Changed]:
    """What stands beside a record: headings with properties."""
    was, became = (
        {one["label"]: _properties(one["properties"], names, object_type) for one in facts or ()}
        for facts in (before, after)
    )
    changed = [key for key in dict.fromkeys([*was, *became]) if was.get(key) != became.get(key)]
    for label in changed:
        yield Changed(_(label) if label else _("Properties"), was.get(label, "–"), became.get(label, "–"))
    if not changed:
        yield Changed(
            _("Order"), joined(_(one) for one in was if one), joined(_(one) for one in became if one)
        )


def _points(
    label: str | Promise, said: Callable[[str, Names], str]
) -> Callable[[Any, Any, Names, str], Iterable[Changed]]:
    """Points by type, channel or priority, a line for each that changed."""

    def told(before: Any, after: Any, names: Names, _object_type: str) -> Iterable[Changed]:
        was, became = before or {}, after or {}
        for key in dict.fromkeys([*was, *became]):
            first, then = was.get(key), became.get(key)
            if first != then:
                shown = ("–" if one is None else str(one) for one in (first, then))
                yield Changed(f"{label}: {said(str(key), names)}", *shown)

    return told


def _priority(key: str, _names: Names) -> str:
    return next((_(one.label) for one in PRIORITIES if one.value == key), key)


Spread = Callable[[Any, Any, Names, str], Iterable[Changed]]
SPREAD: Mapping[str, Spread] = {
    "hours": _hours,
    "hours_blocks": _hours,
    "permissions": _permissions,
    "features": _features,
    "stages": _statuses,
    "rules": _rules,
    "options": _options,
    "sections": _sections,
    "types": _points(gettext_lazy("Points of a type"), lambda key, _names: str(TICKET_TYPES.get(key, key))),
    "channels": _points(
        gettext_lazy("Points of a channel"), lambda key, names: names.said("channel_account", whole(key) or 0)
    ),
    "priorities": _points(gettext_lazy("Added for a priority"), _priority),
}


# ── the numbers inside ───────────────────────────────────────────────────────────────────────────────────────────────


def _stages_inside(value: Any) -> Iterable[tuple[str, int]]:
    if isinstance(value, dict):  # of the portal
        return [("stage", int(key)) for key in value]
    return [("stage", number) for number in numbers(value)]


def _rules_inside(value: Any) -> Iterable[tuple[str, int]]:
    if not isinstance(value, dict):
        return []
    rules = pipeline_rules.parse(value)
    return [("stage", number) for number in (*rules.creation, *rules.asks)]


def _options_inside(value: Any) -> Iterable[tuple[str, int]]:
    found = pipeline_options.parse(value).reopen_stage_id
    return [("stage", found)] if found else []


def _channels_inside(value: Any) -> Iterable[tuple[str, int]]:
    return [("channel_account", number) for key in value if (number := whole(str(key))) is not None]


_INSIDE: Mapping[str, Callable[[Any], Iterable[tuple[str, int]]]] = {
    "stages": _stages_inside,
    "rules": _rules_inside,
    "options": _options_inside,
    "channels": _channels_inside,
}
