"""Entries of the audit log in words: who did what to what, and what it was before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from babel.dates import get_day_names
from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import permissions, queries
from deskhand.accounts.models import ApiToken, AuditEntry, Plan, Role, Team
from deskhand.accounts.permissions import ANY_TYPE, Capability
from deskhand.accounts.types import Reach, Verb
from deskhand.automation.models import MailTemplate, Workflow, WorkflowFolder
from deskhand.crm.pipelines.models import Pipeline, Stage
from deskhand.crm.records.models import TaskQueue
from deskhand.crm.schema.models import ObjectType
from deskhand.desk.models import ChannelAccount, Inbox
from deskhand.events.types import ActorKind
from deskhand.routing.models import AwayState, Skill, SkillCategory, SkillRuleSet
from deskhand.web import times
from deskhand.web.channels.rule import OPTIONS, REROUTE, STRATEGIES
from deskhand.web.hours import week
from deskhand.web.people.account import FEATURES
from deskhand.web.people.roles import CAPABILITIES, REACHES, TYPES, VERBS
from deskhand.web.people.rows import AuditLine, Changed

SENTENCES: dict[str, str | Promise] = {
    "account.created": gettext_lazy("%(who)s made the account."),
    "account.updated": gettext_lazy("%(who)s changed the account."),
    "notification_limit.updated": gettext_lazy("%(who)s changed how many mails people get in an hour."),
    "notification_defaults.updated": gettext_lazy("%(who)s changed what people are told who chose nothing."),
    "capacity.changed": gettext_lazy("%(who)s changed the limits of %(what)s."),
    "routing_settings.changed": gettext_lazy("%(who)s changed what counts for limits and loads."),
    "user.added": gettext_lazy("%(who)s added %(what)s."),
    "user.invited": gettext_lazy("%(who)s invited %(what)s."),
    "user.invited_again": gettext_lazy("%(who)s sent %(what)s a new invitation."),
    "user.invitation_withdrawn": gettext_lazy("%(who)s withdrew the invitation to %(what)s."),
    "user.joined": gettext_lazy("%(what)s accepted the invitation."),
    "user.deactivated": gettext_lazy("%(who)s deactivated %(what)s."),
    "user.reactivated": gettext_lazy("%(who)s reactivated %(what)s."),
    "user.seat_changed": gettext_lazy("%(who)s changed the seat of %(what)s."),
    "user.role_changed": gettext_lazy("%(who)s changed the role of %(what)s."),
    "user.super_admin_changed": gettext_lazy("%(who)s changed whether %(what)s is a super admin."),
    "user.teams_changed": gettext_lazy("%(who)s changed the teams of %(what)s."),
    "user.sessions_ended": gettext_lazy("%(who)s ended all sessions of %(what)s."),
    "user.updated": gettext_lazy("%(who)s changed the name or the address of %(what)s."),
    "user.chat_set": gettext_lazy("%(who)s set the address of a chat for their notifications."),
    "user.chat_removed": gettext_lazy("%(who)s removed the address of the chat for their notifications."),
    "team.created": gettext_lazy("%(who)s made the team %(what)s."),
    "team.updated": gettext_lazy("%(who)s changed the team %(what)s."),
    "team.deleted": gettext_lazy("%(who)s deleted the team %(what)s."),
    "role.created": gettext_lazy("%(who)s made the role %(what)s."),
    "role.updated": gettext_lazy("%(who)s changed the role %(what)s."),
    "role.deleted": gettext_lazy("%(who)s deleted the role %(what)s."),
    "token.created": gettext_lazy("%(who)s made the token %(what)s."),
    "token.revoked": gettext_lazy("%(who)s revoked the token %(what)s."),
    "pipeline.created": gettext_lazy("%(who)s made the pipeline %(what)s."),
    "pipeline.updated": gettext_lazy("%(who)s changed the pipeline %(what)s."),
    "pipeline.deleted": gettext_lazy("%(who)s deleted the pipeline %(what)s."),
    "task_queue.created": gettext_lazy("%(who)s made the task queue %(what)s."),
    "task_queue.updated": gettext_lazy("%(who)s changed the task queue %(what)s."),
    "task_queue.deleted": gettext_lazy("%(who)s deleted the task queue %(what)s."),
    "stage.created": gettext_lazy("%(who)s made the status %(what)s."),
    "stage.updated": gettext_lazy("%(who)s changed the status %(what)s."),
    "stage.deleted": gettext_lazy("%(who)s deleted the status %(what)s."),
    "tag_rule.set": gettext_lazy("%(who)s set the rule of the tag %(what)s."),
    "tag_rule.dropped": gettext_lazy("%(who)s removed the rule of the tag %(what)s."),
    "object_type.created": gettext_lazy("%(who)s made the object %(what)s."),
    "object_type.updated": gettext_lazy("%(who)s changed the object %(what)s."),
    "object_type.deleted": gettext_lazy("%(who)s deleted the object %(what)s."),
    "association_label.created": gettext_lazy("%(who)s made the label %(what)s for links."),
    "association_label.renamed": gettext_lazy("%(who)s renamed the label %(what)s for links."),
    "association_label.deleted": gettext_lazy("%(who)s deleted the label %(what)s for links."),
    "workflow.enabled": gettext_lazy("%(who)s switched on the workflow %(what)s."),
    "workflow.disabled": gettext_lazy("%(who)s switched off the workflow %(what)s."),
    "workflow.paused": gettext_lazy("%(who)s paused the workflow %(what)s."),
    "workflow.resumed": gettext_lazy("%(who)s let the workflow %(what)s go on."),
    "workflow.pinned": gettext_lazy(
        "%(who)s let runs of the workflow %(what)s keep the revision they began with."
    ),
    "workflow.unpinned": gettext_lazy(
        "%(who)s let runs of the workflow %(what)s follow the newest revision."
    ),
    "workflow.recalculated": gettext_lazy("%(who)s had the workflow %(what)s count a delay anew."),
    "workflow.enrolled": gettext_lazy("%(who)s enrolled records in the workflow %(what)s."),
    "workflow.address_made": gettext_lazy(
        "%(who)s set the address at which other systems call the workflow %(what)s."
    ),
    "workflow.unenrolled": gettext_lazy("%(who)s took records out of the workflow %(what)s."),
    "workflow.alerts_changed": gettext_lazy(
        "%(who)s changed what the owner of the workflow %(what)s is told of."
    ),
    "automation.resumed": gettext_lazy("%(who)s let automation send again."),
    "automation.budget_changed": gettext_lazy("%(who)s changed how much automation may send within an hour."),
    "automation.retention_changed": gettext_lazy("%(who)s changed how long the log of workflows is kept."),
    "workflow.updated": gettext_lazy("%(who)s changed what the workflow %(what)s is called or whose it is."),
    "workflow.copied": gettext_lazy("%(who)s made the workflow %(what)s as a copy."),
    "workflow.archived": gettext_lazy("%(who)s archived the workflow %(what)s."),
    "workflow.restored": gettext_lazy("%(who)s brought the workflow %(what)s back."),
    "workflow.looked_at": gettext_lazy("%(who)s has looked at what was wrong with the workflow %(what)s."),
    "workflow.version_restored": gettext_lazy(
        "%(who)s brought back an earlier version of the workflow %(what)s."
    ),
    "workflow.sent_on": gettext_lazy("%(who)s let records in the workflow %(what)s go on at once."),
    "workflow.ran_again": gettext_lazy("%(who)s let failed runs of the workflow %(what)s go on."),
    "workflow_folder.created": gettext_lazy("%(who)s made the folder %(what)s for workflows."),
    "workflow_folder.updated": gettext_lazy("%(who)s renamed the folder %(what)s for workflows."),
    "workflow_folder.deleted": gettext_lazy("%(who)s deleted the folder %(what)s for workflows."),
    "workflow.undone": gettext_lazy("%(who)s took back what the workflow %(what)s did."),
    "mail_template.updated": gettext_lazy("%(who)s changed the mail %(what)s."),
    "portal.updated": gettext_lazy("%(who)s changed the customer portal."),
    "subscription_type.created": gettext_lazy("%(who)s added the kind of mail %(what)s."),
    "subscription_type.updated": gettext_lazy("%(who)s changed the kind of mail %(what)s."),
    "secret.created": gettext_lazy("%(who)s added the secret %(what)s."),
    "secret.replaced": gettext_lazy("%(who)s replaced the value of the secret %(what)s."),
    "secret.deleted": gettext_lazy("%(who)s deleted the secret %(what)s."),
    "inbox.created": gettext_lazy("%(who)s made the inbox %(what)s."),
    "channel_account.connected": gettext_lazy("%(who)s connected the channel %(what)s."),
    "channel_account.updated": gettext_lazy("%(who)s changed the channel %(what)s."),
    "routing_rule.changed": gettext_lazy("%(who)s changed the routing of %(what)s."),
    "skill_category.created": gettext_lazy("%(who)s made the category of skills %(what)s."),
    "skill_category.updated": gettext_lazy("%(who)s renamed the category of skills %(what)s."),
    "skill_category.deleted": gettext_lazy("%(who)s deleted the category of skills %(what)s."),
    "skill.created": gettext_lazy("%(who)s added the skill %(what)s."),
    "skill.updated": gettext_lazy("%(who)s renamed the skill %(what)s."),
    "skill.deleted": gettext_lazy("%(who)s deleted the skill %(what)s."),
    "user.skills_changed": gettext_lazy("%(who)s changed the skills of %(what)s."),
    "team.skills_changed": gettext_lazy("%(who)s changed the skills of the team %(what)s."),
    "skill_rules.created": gettext_lazy("%(who)s made the skill rules %(what)s."),
    "skill_rules.updated": gettext_lazy("%(who)s changed the skill rules %(what)s."),
    "skill_rules.deleted": gettext_lazy("%(who)s deleted the skill rules %(what)s."),
    "away_state.changed": gettext_lazy("%(who)s changed the way of being away %(what)s."),
    "default_hours.changed": gettext_lazy("%(who)s changed the account's working hours."),
    "sidebar_layout.updated": gettext_lazy("%(who)s changed the layout of the side."),
    "outbox_entry.retried": gettext_lazy("%(who)s had a mail sent once more."),
    "outbox_entry.released": gettext_lazy("%(who)s let the held mail go."),
    "inbound_mail.processed_again": gettext_lazy("%(who)s had mail in quarantine processed again."),
    "job.retried": gettext_lazy("%(who)s had background work done again."),
}

#: What the log can be asked for: the first part of an action.
KINDS: dict[str, str | Promise] = {
    "user": gettext_lazy("Users"),
    "team": gettext_lazy("Teams"),
    "role": gettext_lazy("Roles"),
    "token": gettext_lazy("API tokens"),
    "account": gettext_lazy("Account"),
    "pipeline": gettext_lazy("Pipelines"),
    "stage": gettext_lazy("Statuses"),
    "object_type": gettext_lazy("Objects"),
    "association_label": gettext_lazy("Labels of links"),
    "workflow": gettext_lazy("Workflows"),
    "mail_template": gettext_lazy("Mails of the automation"),
    "portal": gettext_lazy("Customer portal"),
    "task_queue": gettext_lazy("Task queues"),
    "subscription_type": gettext_lazy("Email subscriptions"),
    "secret": gettext_lazy("Secrets"),
    "channel_account": gettext_lazy("Channels"),
    "routing_rule": gettext_lazy("Routing"),
    "skill": gettext_lazy("Skills"),
    "skill_category": gettext_lazy("Categories of skills"),
    "skill_rules": gettext_lazy("Skill rules"),
    "away_state": gettext_lazy("Ways of being away"),
    "default_hours": gettext_lazy("Working hours"),
    "outbox_entry": gettext_lazy("Outgoing mail and calls"),
    "inbound_mail": gettext_lazy("Quarantine"),
    "job": gettext_lazy("Background work"),
}

LABELS: dict[str, str | Promise] = {
    "name": gettext_lazy("Name"),
    "label": gettext_lazy("Name"),
    "email": gettext_lazy("Email"),
    "address": gettext_lazy("Address"),
    "slug": gettext_lazy("Short name"),
    "zone": gettext_lazy("Time zone"),
    "locale": gettext_lazy("Language"),
    "plan": gettext_lazy("Plan"),
    "role_id": gettext_lazy("Role"),
    "has_seat": gettext_lazy("Seat"),
    "is_super_admin": gettext_lazy("Super admin"),
    "is_active": gettext_lazy("Active"),
    "is_archived": gettext_lazy("Archived"),
    "is_connected": gettext_lazy("Connected"),
    "main": gettext_lazy("Main team"),
    "extra": gettext_lazy("Extra teams"),
    "parent_id": gettext_lazy("Nested in"),
    "user_id": gettext_lazy("Acts as"),
    "user_ids": gettext_lazy("Users"),
    "team_ids": gettext_lazy("Teams"),
    "fallback_user_ids": gettext_lazy("Users as fallback"),
    "fallback_team_ids": gettext_lazy("Teams as fallback"),
    "pipeline_id": gettext_lazy("Pipeline"),
    "stage_id": gettext_lazy("Status"),
    "scopes": gettext_lazy("Scopes"),
    "subject": gettext_lazy("Subject"),
    "is_transactional": gettext_lazy("About one's own request"),
    "body": gettext_lazy("Text"),
    "signature": gettext_lazy("Signature"),
    "quotes_history": gettext_lazy("Quote what was said before"),
    "option": gettext_lazy("Assign to"),
    "strategy": gettext_lazy("Distribution"),
    "only_available": gettext_lazy("Only available users"),
    "reroute": gettext_lazy("When somebody goes"),
    "skill_rule_set_id": gettext_lazy("Skill rules"),
    "wait_list": gettext_lazy("Wait-list"),
    "after_workflows": gettext_lazy("Workflows first"),
    "include_extra_members": gettext_lazy("Extra members too"),
    "include_nested_teams": gettext_lazy("Nested teams too"),
    "rules": gettext_lazy("Rules"),
    "rule": gettext_lazy("Rule"),
    "condition": gettext_lazy("Filters"),
    "needed": gettext_lazy("Needs"),
    "wished": gettext_lazy("Wishes"),
    "any_will_do": gettext_lazy("One of the skills is enough"),
    "skills": gettext_lazy("Skills"),
    "second_languages": gettext_lazy("Second languages"),
    "category": gettext_lazy("Category"),
    "cards": gettext_lazy("Cards"),
    "stages": gettext_lazy("Statuses"),
    "pipelines": gettext_lazy("Pipelines"),
    "revision": gettext_lazy("Version"),
    "number": gettext_lazy("Number"),
    "extra_teams": gettext_lazy("Extra teams count too"),
    "description": gettext_lazy("Description"),
    "owner_id": gettext_lazy("Owner"),
    "folder_id": gettext_lazy("Folder"),
    "needs_review": gettext_lazy("What was wrong"),
    "measure": gettext_lazy("Limit"),
    "total": gettext_lazy("At most"),
    "call": gettext_lazy("Phone calls"),
    "message": gettext_lazy("Chat messages"),
    "email_other": gettext_lazy("Email and other"),
    "share": gettext_lazy("Share in percent"),
    "excluded_stage_ids": gettext_lazy("Tickets in these statuses"),
    "excluded_after_days": gettext_lazy("Tickets older than, in days"),
    "excludes_from_load": gettext_lazy("They are no load either, when routing looks who has least to do"),
    "weighs": gettext_lazy("Count tickets by points instead of one each"),
    "priorities": gettext_lazy("Added for a priority"),
    "ramp_days": gettext_lazy("Grows for, in days"),
    "ramp_from": gettext_lazy("Begins at, in percent"),
    "sticky_hours": gettext_lazy("Same agent within hours"),
    "landing_minutes": gettext_lazy("Share out before the day begins, minutes"),
    "agent_key": gettext_lazy("Who answers first"),
    "hours_zone": gettext_lazy("Time zone"),
    "ring_all": gettext_lazy("All at once"),
    "ring_seconds": gettext_lazy("Seconds that a phone rings"),
    "unanswered_message": gettext_lazy("When nobody answers, callers hear"),
    "closed_message": gettext_lazy("Outside the hours, callers hear"),
}

#: Words for what is stored as a key.
VALUES: Mapping[str, Mapping[Any, str | Promise]] = {
    "plan": {plan.value: plan.label for plan in Plan},
    "option": OPTIONS,
    "strategy": STRATEGIES,
    "reroute": REROUTE,
}

#: Which names stand behind the numbers of a field.
REFERENCES = {
    "role_id": "role", "main": "team", "extra": "team", "parent_id": "team", "team_ids": "team",
    "fallback_team_ids": "team", "user_id": "user", "user_ids": "user", "fallback_user_ids": "user",
    "pipeline_id": "pipeline", "stage_id": "stage", "excluded_stage_ids": "stage", "skill_rule_set_id": "skill_rules",
    "owner_id": "user", "folder_id": "workflow_folder",
}  # fmt: skip
_TABLES: Mapping[str, tuple[type[Model], str]] = {
    "role": (Role, "name"),
    "team": (Team, "name"),
    "token": (ApiToken, "name"),
    "pipeline": (Pipeline, "label"),
    "stage": (Stage, "label"),
    "object_type": (ObjectType, "plural"),
    "workflow": (Workflow, "name"),
    "workflow_folder": (WorkflowFolder, "name"),
    "mail_template": (MailTemplate, "name"),
    "channel_account": (ChannelAccount, "name"),
    "inbox": (Inbox, "name"),
    "away_state": (AwayState, "name"),
    "skill": (Skill, "name"),
    "skill_category": (SkillCategory, "name"),
    "skill_rules": (SkillRuleSet, "name"),
    "task_queue": (TaskQueue, "name"),
}
_LONGEST = 300  # characters of a value


class Names:
    """The names behind the numbers of some entries; one query per kind, however many entries there are."""

    def __init__(self, account_id: int, entries: Iterable[AuditEntry]) -> None:
        wanted: dict[str, set[int]] = {kind: set() for kind in (*_TABLES, "user")}
        for entry in entries:
            for kind, number in _mentioned(entry):
                if kind in wanted:
                    wanted[kind].add(number)
        self._found = {"user": queries.names_of(wanted.pop("user"))}
        for kind, ids in wanted.items():
            self._found[kind] = _read(account_id, *_TABLES[kind], ids) if ids else {}

    def of(self, kind: str, number: int | None) -> str:
        """Nothing for what is not there any more."""
        return self._found.get(kind, {}).get(number or 0, "")


def _read(account_id: int, model: type[Model], field: str, ids: set[int]) -> dict[int, str]:
    found = model._default_manager.filter(account_id=account_id, pk__in=ids)
    return dict(found.values_list("pk", field))


def _mentioned(entry: AuditEntry) -> Iterable[tuple[str, int]]:
    if entry.target_id is not None:
        yield entry.target_type, entry.target_id
    if entry.actor_kind == ActorKind.USER and entry.actor_id is not None:
        yield "user", entry.actor_id
    for facts in (entry.before, entry.after):
        for field, kind in REFERENCES.items():
            yield from ((kind, number) for number in _numbers(facts.get(field)))


def _numbers(value: object) -> list[int]:
    return [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]


# ── a line ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def line(entry: AuditEntry, names: Names) -> AuditLine:
    return AuditLine(entry.number, entry.at, sentence(entry, names), tuple(_changes(entry, names)))


def sentence(entry: AuditEntry, names: Names) -> str:
    known = SENTENCES.get(entry.action) or gettext_lazy("%(who)s changed the settings: %(action)s, %(what)s.")
    facts = {"who": who(entry, names), "what": _what(entry, names), "action": entry.action}
    return str(known) % facts


def who(entry: AuditEntry, names: Names) -> str:
    match entry.actor_kind:
        case ActorKind.USER:
            return names.of("user", entry.actor_id) or _("Somebody who is no longer known")
        case ActorKind.WORKFLOW:
            return _("A workflow")
        case ActorKind.ROUTING:
            return _("The routing")
        case ActorKind.INTEGRATION:
            return _("A program")
        case _:
            return _("The system")


def _what(entry: AuditEntry, names: Names) -> str:
    """As it is called now; what is gone, as it was called then."""
    if entry.action.startswith("user.invit"):
        return str(entry.after.get("email") or entry.before.get("email") or "")
    now = names.of(entry.target_type, entry.target_id)
    return now or _called_then(entry) or f"#{entry.target_id}"


def _called_then(entry: AuditEntry) -> str:
    said = (
        facts.get(name)
        for facts in (entry.after, entry.before)
        for name in ("name", "label", "plural", "email")
    )
    return next((str(one) for one in said if one), "")


def _changes(entry: AuditEntry, names: Names) -> Iterable[Changed]:
    before, after = entry.before, entry.after
    for field in dict.fromkeys([*before, *after]):
        if before.get(field) == after.get(field) or _goes_without_saying(field, before, after):
            continue
        if field in SPREAD:
            yield from SPREAD[field](before.get(field) or {}, after.get(field) or {})
            continue
        label = str(LABELS.get(field, field.replace("_", " ")))
        was, became = (_value(field, facts.get(field), names) for facts in (before, after))
        yield Changed(label, was if field in before else "", became)


def _goes_without_saying(field: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Of what is new or gone: its name, which the sentence says, and what is nothing or off."""
    if before and after:
        return False
    return field in ("name", "label", "email") or not (before or after).get(field)


def _value(field: str, value: object, names: Names) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if value is None or value in ("", [], {}):
        return "–"
    if field in REFERENCES:
        kind = REFERENCES[field]
        return ", ".join(names.of(kind, number) or f"#{number}" for number in _numbers(value))
    if isinstance(value, str) and value in VALUES.get(field, {}):
        return str(VALUES[field][value])
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)[:_LONGEST]
    text = value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)
    return str(text)[:_LONGEST]


def _permissions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Changed]:
    """What a role allows, a line for each cell of its table that changed."""
    was, became = permissions.parse(before), permissions.parse(after)
    for key in dict.fromkeys([*TYPES, *was.records, *became.records]):
        here, there = was.on(key), became.on(key)
        label = str(TYPES.get(key, _("Everything else") if key == ANY_TYPE else key))
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


def _features(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Changed]:
    """Switches of single features; without one the plan decides."""
    for one, label in FEATURES.items():
        if before.get(one) != after.get(one):
            yield Changed(str(label), _switch(before.get(one)), _switch(after.get(one)))


def _switch(value: object) -> str:
    return _("as the plan says") if value is None else _("on") if value else _("off")


def _switched(label: str, was: bool, became: bool) -> Changed:
    return Changed(label, *(_("yes") if one else _("no") for one in (was, became)))


def _hours(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> Iterable[Changed]:
    """A working week, a line for each day that changed."""
    names = get_day_names("wide", "stand-alone", locale=times.locale())
    for day in range(7):
        was, became = (
            ", ".join(f"{week.clock(start)}–{week.clock(end)}" for at, start, end in one or () if at == day)
            for one in (before, after)
        )
        if was != became:
            yield Changed(names[day].capitalize(), was or "–", became or "–")


SPREAD: Mapping[str, Callable[[Any, Any], Iterable[Changed]]] = {
    "hours": _hours,
    "permissions": _permissions,
    "features": _features,
}
