"""Who gets what, on every address of the product. A new address must be entered in the table, or a test fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from deskhand.accounts import connected_apps, policy, roles
from deskhand.accounts import tokens as api_tokens
from deskhand.automation import comments as step_comments
from deskhand.automation import folders, integrations, lanes, secrets, templates, workflows
from deskhand.automation.engine.definition import Definition
from deskhand.automation.models import Enrollment, MailTemplate, Replay, ReplayRun, Workflow
from deskhand.channels.email.models import InboundMail, MailState
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import companies, contacts, objects, subscriptions, task_queues, tasks, tickets
from deskhand.crm.records.task_queues import NewQueue
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema import association_labels, object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.crm.schema.types import Option as Tag
from deskhand.crm.segments import members, segments, tag_rules
from deskhand.crm.segments.models import SegmentKind
from deskhand.delivery import push
from deskhand.delivery.models import OutboxEntry, SinkMail, State
from deskhand.desk import later, replies, snippets
from deskhand.desk.models import Attachment, CustomView, DraftFile, LaterReply, Message, Snippet, Thread
from deskhand.desk.types import StoredFile
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, files, jobs
from deskhand.notifications import reaching
from deskhand.notifications.models import Browser, Notification
from deskhand.routing import availability, away_states, skill_sets, skills
from deskhand.routing.types import Status
from deskhand.web.tests.test_system import failures
from deskhand.webhooks import targets
from deskhand.webhooks.models import Delivery

SIGN_IN = "sign-in"
KEY = push.public_key(push.new_key())
HTMX = {"HX-Request": "true"}


@dataclass(frozen=True)
class Wall:
    """What an address answers: to a colleague of another account, and to one of ours without any permission.

    `neighbour` None: the address names no record; it shows everybody their own.
    """

    method: str = "GET"
    neighbour: int | None = 404
    nobody: int | None = 403


OPEN = Wall(neighbour=None, nobody=None)
OWN = Wall("POST", neighbour=None, nobody=None)
OF_THE_LIST = Wall(neighbour=None, nobody=403)

TABLE: dict[str, Wall] = {
    "home": OF_THE_LIST,
    "inbox": OF_THE_LIST,
    "inbox-view": OF_THE_LIST,
    "inbox-list": OF_THE_LIST,
    "inbox-side": OF_THE_LIST,
    "inbox-more": OF_THE_LIST,
    "inbox-new": OF_THE_LIST,
    "inbox-merge": OF_THE_LIST,
    "inbox-merged": Wall("POST", neighbour=None),
    "inbox-ticket": Wall(),
    "inbox-row": Wall(),
    "inbox-thread": Wall(),
    "ticket-status": Wall("POST"),
    "ticket-owner": Wall("POST"),
    "ticket-reply": Wall("POST"),
    "ticket-priority": Wall("POST"),
    "ticket-block": Wall(),
    "ticket-blocked": Wall("POST"),
    "blocked-senders": OF_THE_LIST,
    "blocked-sender-free": Wall("POST"),
    "ticket-merge": Wall(),
    "ticket-merged": Wall("POST"),
    "ticket-part": Wall("POST"),
    "ticket-snooze": Wall("POST"),
    "ticket-wake": Wall("POST"),
    "ticket-follow": Wall("POST"),
    "ticket-history": Wall(),
    "ticket-history-before": Wall(),
    "ticket-properties": Wall(),
    "ticket-split": Wall(),
    "ticket-split-save": Wall("POST"),
    "ticket-split-undo": Wall("POST"),
    "ticket-links": Wall("POST"),
    "ticket-link-new": Wall(),
    "ticket-link-left": Wall(),
    "ticket-link-labels": Wall("POST"),
    "ticket-task-create": Wall("POST"),
    "ticket-task-new": Wall(),
    "ticket-task-left": Wall(),
    "ticket-task": Wall(),
    "ticket-task-shown": Wall(),
    "ticket-task-save": Wall("POST"),
    "ticket-task-done": Wall("POST"),
    "ticket-task-delete": Wall("POST"),
    "ticket-property": Wall(),
    "ticket-property-shown": Wall(),
    "ticket-property-save": Wall("POST"),
    "ticket-pin": Wall("POST"),
    "inbox-undo": Wall("POST", neighbour=None),
    "inbox-fold": Wall("POST", neighbour=None),
    "inbox-writing": Wall("POST", neighbour=None),
    "inbox-bulk": Wall("POST", neighbour=None),
    "inbox-density": Wall("POST", neighbour=None),
    "ticket-spam": Wall("POST"),
    "ticket-delete": Wall("POST"),
    "ticket-draft": Wall("POST"),
    "ticket-files": Wall("POST"),
    "ticket-picks": Wall(),
    "ticket-presence": Wall("POST"),
    "ticket-room": Wall(),
    "ticket-file-remove": Wall("POST"),
    "ticket-later-take-back": Wall("POST"),
    "ticket-later-send": Wall("POST"),
    "make-ticket": Wall("POST"),
    "thread-spam": Wall("POST"),
    "thread-owner": Wall(),
    "thread-owner-save": Wall("POST"),
    "contacts": OF_THE_LIST,
    "companies": OF_THE_LIST,
    **{f"{kind}-new": OF_THE_LIST for kind in ("contact", "company")},
    **{f"{kind}-add": Wall("POST", neighbour=None) for kind in ("contact", "company")},
    **{
        f"{kind}{part}": Wall()
        for kind in ("contact", "company")
        for part in ("", "-timeline", "-property", "-link", "-merge", "-merge-with")
    },
    **{
        f"{kind}-{part}": Wall("POST")
        for kind in ("contact", "company")
        for part in ("save", "archive", "restore", "linked", "unlink", "merged", "unmerge", "task-done")
    },
    "segments": OF_THE_LIST,
    "segment-new": OF_THE_LIST,
    "segment-create": Wall("POST", neighbour=None),
    "segment-build": OF_THE_LIST,
    "segment-built": Wall("POST", neighbour=None),
    "segment-editor": OF_THE_LIST,
    "segment-count": OF_THE_LIST,
    "segments-add": Wall("POST", neighbour=None),
    **{f"segment{part}": Wall() for part in ("", "-filters", "-rename", "-add", "-why")},
    **{f"segment-{part}": Wall("POST") for part in ("changed", "renamed", "archive", "added", "remove")},
    "contact-primary": Wall("POST"),
    "contact-email": Wall(),
    "contact-send": Wall("POST"),
    "attachment": Wall(),
    "remote-picture": Wall(),
    "snippets": OF_THE_LIST,
    "routing": OF_THE_LIST,
    "routing-skills": OF_THE_LIST,
    "skill": Wall(),
    "skill-rules": OF_THE_LIST,
    "skill-rules-create": Wall("POST", neighbour=None),
    **{name: Wall() for name in ("skill-rule-set", "skill-rule-new", "skill-rule")},
    **{f"skill-rule-set-{did}": Wall("POST") for did in ("save", "order", "copy", "delete")},
    **{f"skill-rule-{did}": Wall("POST") for did in ("add", "save", "delete")},
    "skill-category-add": Wall("POST", neighbour=None),
    **{
        name: Wall("POST")
        for name in (
            "skill-save",
            "skill-delete",
            "skill-category-save",
            "skill-category-delete",
            "skills-add",
            "user-skills",
            "team-skills",
        )
    },
    "snippet-new": OF_THE_LIST,
    "snippet-create": Wall("POST", neighbour=None),
    "snippet": Wall(),
    "snippet-save": Wall("POST"),
    "snippet-delete": Wall("POST"),
    "mailbox": OF_THE_LIST,
    "mailbox-mail": Wall(),
    "start": OF_THE_LIST,
    "start-shown": Wall("POST", neighbour=None),
    "system": OF_THE_LIST,
    "system-mails-release": Wall("POST", neighbour=None),
    "system-automation-resume": Wall("POST", neighbour=None),
    "system-mail-again": Wall("POST"),
    "system-quarantine-again": Wall("POST", neighbour=None),
    "system-quarantined": Wall(),
    "system-quarantine-one-again": Wall("POST"),
    "system-jobs-again": Wall("POST", neighbour=None),
    "system-job-again": Wall("POST"),
    "availability-mine": OPEN,
    "availability-team": OF_THE_LIST,
    "availability-person": Wall(),
    "availability-status": Wall("POST"),
    "availability-hours": Wall("POST"),
    "availability-hours-follow": Wall("POST"),
    "default-hours": OF_THE_LIST,
    "default-hours-save": Wall("POST", neighbour=None),
    "default-holidays-save": Wall("POST", neighbour=None),
    "availability-absence": Wall("POST"),
    "availability-absence-end": Wall("POST"),
    "away-state-add": Wall("POST", neighbour=None),
    "away-state-rename": Wall("POST"),
    "away-state-archive": Wall("POST"),
    "simulator": OF_THE_LIST,
    "simulator-begin": Wall("POST", neighbour=None),
    "simulator-stop": Wall("POST", neighbour=None),
    "channels": OF_THE_LIST,
    "channel-new": OF_THE_LIST,
    "channel-add": Wall("POST", neighbour=None),
    "channel": Wall(),
    "channel-incoming": Wall("POST"),
    "channel-outgoing": Wall("POST"),
    "channel-test": Wall("POST"),
    "channel-switch": Wall("POST"),
    "channel-automation": Wall(),
    "channel-routing": Wall("POST"),
    "channel-tickets": Wall("POST"),
    "channel-sender": Wall(),
    "channel-sender-save": Wall("POST"),
    "tickets-home": OF_THE_LIST,
    "tickets-setup": OF_THE_LIST,
    "settings-contacts": OF_THE_LIST,
    "settings-companies": OF_THE_LIST,
    "properties": OF_THE_LIST,
    "property-new": OF_THE_LIST,
    "property-add": Wall("POST", neighbour=None),
    "ticket-tags": OF_THE_LIST,
    "ticket-tags-save": Wall("POST", neighbour=None),
    **{f"tag-rule{part}": Wall() for part in ("", "-editor", "-count")},
    **{f"tag-rule-{part}": Wall("POST") for part in ("save", "remove")},
    "record-link-labels": Wall("POST"),
    "contact-link-labels": Wall("POST"),
    "company-link-labels": Wall("POST"),
    **{f"{kind}-others": Wall() for kind in ("contact", "company")},
    **{
        f"{kind}-others-{did}": Wall("POST")
        for kind in ("contact", "company")
        for did in ("linked", "unlink", "labels")
    },
    "object-labels": OF_THE_LIST,
    "object-label-add": Wall("POST", neighbour=None),
    "object-label-save": Wall("POST"),
    "object-label-delete": Wall(),
    "object-label-deleted": Wall("POST"),
    "property-groups": OF_THE_LIST,
    "property-groups-save": Wall("POST", neighbour=None),
    "property": Wall(),
    "property-save": Wall("POST"),
    "property-archive": Wall(),
    "property-archived": Wall("POST"),
    "property-restored": Wall("POST"),
    "layout": OF_THE_LIST,
    "layout-save": Wall("POST", neighbour=None),
    "layout-reset": Wall("POST", neighbour=None),
    "settings-deals": OF_THE_LIST,
    "settings-projects": OF_THE_LIST,
    "object-types": OF_THE_LIST,
    "object-type-create": Wall("POST", neighbour=None),
    "object-setup": Wall(),
    **{f"object-{name}": Wall("POST") for name in ("names", "type-save", "type-delete")},
    "pipelines": OF_THE_LIST,
    "pipeline-new": Wall("POST", neighbour=None),
    "pipelines-order": Wall("POST", neighbour=None),
    "pipeline-go": OF_THE_LIST,
    "pipeline": Wall(),
    "pipeline-name": Wall("POST"),
    "pipeline-stages": Wall("POST"),
    "status-delete": Wall(),
    "status-deleted": Wall("POST"),
    "pipeline-delete": Wall(),
    "pipeline-deleted": Wall("POST"),
    "pipeline-cards": Wall(),
    "pipeline-cards-save": Wall("POST"),
    "board-collapse": Wall("POST", neighbour=None),
    "records-board-collapse": Wall("POST", neighbour=None),
    "pipeline-rules": Wall(),
    "pipeline-rules-save": Wall("POST"),
    "notifications": OPEN,
    "notifications-bell": OPEN,
    "notifications-read": OWN,
    "notification-read": Wall("POST", nobody=404),
    "notification-read-failure": Wall("POST", nobody=404),
    "notification-settings": OPEN,
    "notification-settings-save": OWN,
    "notification-settings-clear": OWN,
    "notification-settings-forget": OWN,
    "notification-way": OWN,
    "notification-browser-add": OWN,
    "notification-browser-remove": Wall("POST", nobody=404),
    "notification-browser-try": Wall("POST", nobody=404),
    "notification-chat-save": OWN,
    "notification-chat-remove": OWN,
    "notification-chat-try": Wall("POST", nobody=404),
    "notification-defaults": OF_THE_LIST,
    "notification-limit-save": Wall("POST", neighbour=None),
    "notification-defaults-save": Wall("POST", neighbour=None),
    "profile": OPEN,
    "settings": OPEN,
    "profile-save": OWN,
    "search": OF_THE_LIST,
    "search-palette": OF_THE_LIST,
    "users": OF_THE_LIST,
    "capacity": OF_THE_LIST,
    "capacity-save": Wall("POST", neighbour=None),
    "effort": OF_THE_LIST,
    "effort-save": Wall("POST", neighbour=None),
    "user-new": OF_THE_LIST,
    "user-invite": Wall("POST", neighbour=None),
    "user": Wall(),
    "user-save": Wall("POST"),
    "user-end-sessions": Wall("POST"),
    "user-leave": Wall(),
    "user-deactivate": Wall("POST"),
    "user-reactivate": Wall("POST"),
    "user-invite-again": Wall("POST"),
    "user-withdraw": Wall("POST"),
    "teams": OF_THE_LIST,
    "team-new": OF_THE_LIST,
    "team-create": Wall("POST", neighbour=None),
    "team": Wall(),
    "team-save": Wall("POST"),
    "team-add": Wall("POST"),
    "team-remove": Wall("POST"),
    "team-ask-delete": Wall(),
    "team-delete": Wall("POST"),
    "roles": OF_THE_LIST,
    "role-new": OF_THE_LIST,
    "role-create": Wall("POST", neighbour=None),
    "role": Wall(),
    "role-save": Wall("POST"),
    "role-copy": Wall("POST"),
    "role-delete": Wall("POST"),
    "account": OF_THE_LIST,
    "account-save": Wall("POST", neighbour=None),
    "tokens": OF_THE_LIST,
    "token-new": OF_THE_LIST,
    "token-create": Wall("POST", neighbour=None),
    "token-revoke": Wall("POST"),
    "webhooks": OF_THE_LIST,
    "webhook-new": OF_THE_LIST,
    "webhook-add": Wall("POST", neighbour=None),
    **dict.fromkeys(("webhook", "webhook-edit", "webhook-delivery"), Wall()),
    **{f"webhook-{part}": Wall("POST") for part in ("save", "pause", "test", "secret", "again", "remove")},
    "audit": OF_THE_LIST,
    "audit-file": OF_THE_LIST,
    "automate-home": OF_THE_LIST,
    "automate": Wall(),
    "automate-workflow": Wall(),
    "automate-status": Wall("POST"),
    "automate-reopening": Wall("POST"),
    "automate-option": Wall("POST"),
    "automate-close-date": Wall("POST"),
    "workflow-new": OF_THE_LIST,
    "workflow-made": Wall("POST", neighbour=None),
    "workflow-edit": Wall(),
    "workflow-row": Wall(),
    "workflow-edit-state": Wall(),
    "workflow-edit-add": Wall(),
    "workflow-edit-trigger": Wall(),
    "workflow-edit-settings": Wall(),
    "workflow-edit-review": Wall(),
    "workflow-edit-switch": Wall(),
    "workflow-edit-step": Wall(),
    "workflow-edit-step-delete": Wall(),
    "workflow-edit-step-place": Wall(),
    "workflow-edit-step-comments": Wall(),
    "workflow-edit-added": Wall("POST"),
    "workflow-edit-end": Wall("POST"),
    "workflow-edit-undo": Wall("POST"),
    "workflow-edit-redo": Wall("POST"),
    "workflow-edit-discard": Wall("POST"),
    "workflow-edit-trigger-save": Wall("POST"),
    "workflow-edit-hook": Wall("POST"),
    "workflow-edit-settings-save": Wall("POST"),
    "workflow-edit-publish": Wall("POST"),
    "workflow-edit-switched": Wall("POST"),
    "workflow-edit-step-save": Wall("POST"),
    "workflow-edit-step-deleted": Wall("POST"),
    "workflow-edit-step-placed": Wall("POST"),
    "workflow-edit-step-comment": Wall("POST"),
    "lane-switch": Wall("POST"),
    "lane-every-time": Wall("POST"),
    "lane-chat": Wall("POST"),
    "lane-step-new": Wall(),
    "automate-callable": Wall(),
    "lane-step-inside": Wall(),
    "lane-step-recalculate": Wall("POST"),
    "lane-jump-end": Wall("POST"),
    "lane-step-add": Wall("POST"),
    "lane-step-edit": Wall(),
    "lane-step-save": Wall("POST"),
    "lane-step-delete": Wall(),
    "lane-step-deleted": Wall("POST"),
    "lane-step-place": Wall(),
    "lane-step-placed": Wall("POST"),
    "lane-step-comments": Wall(),
    "lane-step-comment": Wall("POST"),
    "lane-comment": Wall("POST"),
    "subscription-types": OF_THE_LIST,
    "subscription-type-add": Wall("POST", neighbour=None),
    "subscription-type-save": Wall("POST"),
    "subscription-type-archive": Wall("POST"),
    "contact-subscriptions": Wall("POST"),
    "integrations": OF_THE_LIST,
    "integration-new": OF_THE_LIST,
    "integration-add": Wall("POST", neighbour=None),
    "integration": Wall(),
    **{f"integration-{part}": Wall("POST") for part in ("save", "archive", "test")},
    "secrets": OF_THE_LIST,
    "secret-add": Wall("POST", neighbour=None),
    "secret-replace": Wall("POST"),
    "secret-delete": Wall("POST"),
    "mail-templates": OF_THE_LIST,
    "mail-template-add": Wall("POST", neighbour=None),
    "mail-template-archive": Wall("POST"),
    "mail-template": Wall(),
    "mail-template-save": Wall("POST"),
    "workflows": OF_THE_LIST,
    "workflows-review": OF_THE_LIST,
    "workflow-choose": OF_THE_LIST,
    "workflow-ticked": Wall("POST", neighbour=None),
    "automation-sending": OF_THE_LIST,
    "automation-sending-save": Wall("POST", neighbour=None),
    "workflow-log-kept": OF_THE_LIST,
    "workflow-log-kept-save": Wall("POST", neighbour=None),
    "workflow-enrolled": Wall("POST", neighbour=None),
    "workflows-many": Wall("POST", neighbour=None),
    "workflow-folders": OF_THE_LIST,
    "workflow-folder-add": Wall("POST", neighbour=None),
    "workflow-folder-rename": Wall("POST"),
    "workflow-folder-delete": Wall("POST"),
    **{
        f"workflow-{name}": Wall()
        for name in (
            "switch-on",
            "details",
            "archive",
            "history",
            "run",
            "run-canvas",
            "log",
            "log-file",
            "history-file",
            "calls",
            "waiting",
            "try",
            "replay",
            "replay-way",
            "undo",
            "revisions",
            "revision",
            "compare",
            "why",
            "enroll",
        )
    },
    **{
        f"workflow-{name}": Wall("POST")
        for name in (
            "calls-again",
            "switch",
            "details-save",
            "clone",
            "archived",
            "restore",
            "runs",
            "looked",
            "revision-restore",
            "undone",
            "replay-begin",
            "replay-stop",
        )
    },
    "theme": Wall("POST", neighbour=None, nobody=None),
    "tickets": OF_THE_LIST,
    "ticket-new": OF_THE_LIST,
    "ticket-create": Wall("POST", neighbour=None),
    **{
        f"records{part}": OF_THE_LIST
        for part in ("", "-board", "-more", "-table", "-table-more", "-filter", "-matches")
    },
    "records-columns": Wall("POST", neighbour=None),
    "records-ticked": Wall("POST", neighbour=None),
    "tasks": OF_THE_LIST,
    "tasks-many": Wall("POST", neighbour=None),
    "task-done": Wall("POST"),
    "task-take": Wall("POST"),
    "task-queues": OF_THE_LIST,
    "task-queue-new": OF_THE_LIST,
    "task-queue-add": Wall("POST", neighbour=None),
    "task-queue": Wall(),
    "task-queue-save": Wall("POST"),
    "task-queue-ask-delete": Wall(),
    "task-queue-delete": Wall("POST"),
    "task-queue-work": Wall(),
    "record-new": OF_THE_LIST,
    "record-add": Wall("POST", neighbour=None),
    **{f"record{part}": Wall() for part in ("", "-timeline", "-property", "-move", "-link", "-row", "-cell")},
    "record-cell-save": Wall("POST"),
    **{
        f"record-{part}": Wall("POST")
        for part in (
            "save",
            "moved",
            "archive",
            "restore",
            "note",
            "task-add",
            "task-save",
            "task-done",
            "task-delete",
            "linked",
            "unlink",
        )
    },
    "board": OF_THE_LIST,
    "board-more": OF_THE_LIST,
    "filter-editor": OF_THE_LIST,
    "filter-count": OF_THE_LIST,
    "table": OF_THE_LIST,
    "table-more": OF_THE_LIST,
    "table-columns": Wall("POST", neighbour=None),
    "table-row": Wall(),
    "cell-edit": Wall(),
    "cell-save": Wall("POST"),
    "views": OF_THE_LIST,
    "view-new": OF_THE_LIST,
    "view-create": Wall("POST", neighbour=None),
    **{name: Wall() for name in ("view-edit", "view-table")},
    **{name: Wall("POST") for name in ("view-save", "view-keep", "view-move", "view-delete")},
    "card-move": Wall(),
    "card-moved": Wall("POST"),
    "availability": Wall("POST", neighbour=None, nobody=None),
    "own-status": OPEN,
    "hand-over": OF_THE_LIST,
    **{name: Wall("POST", neighbour=None) for name in ("hand-over-save", "hand-over-undo")},
    **{name: Wall("POST", neighbour=None, nobody=None) for name in ("own-status-back", "own-status-keep")},
    **dict.fromkeys(
        ("portal-settings", "portal-contacts", "portal-contacts-editor", "portal-contacts-count"), OF_THE_LIST
    ),
    **{name: Wall("POST", neighbour=None) for name in ("portal-settings-save", "portal-contacts-save")},
}
#: Of these a record is named: a contact, a company.
PEOPLE = [
    name
    for name in TABLE
    if name.startswith(("contact", "company")) and not name.endswith(("-new", "-add")) and name != "contacts"
]
#: These name no segment.
SEGMENTS = {
    "segment-new",
    "segment-create",
    "segment-build",
    "segment-built",
    "segment-editor",
    "segment-count",
}
#: Customers' own pages, which know no users: test_portal_walls.py.
PORTAL = {
    "portal-home", "portal-sign-in", "portal-link", "portal-sign-out", "portal-new", "portal-request", "portal-reply",
    "portal-file",
}  # fmt: skip
#: These need nobody signed in.
PUBLIC = {
    "livez", "readyz", "metrics", "favicon", "push-worker", "workflow-hook", "account_login", "account_logout", "account_inactive", "account_signup",
    "account_reset_password", "account_reset_password_done", "account_reset_password_from_key",
    "account_reset_password_from_key_done", "invitation", "invitation-accept", "setup", "setup-create", "unsubscribe",
    *PORTAL,
}  # fmt: skip
#: The sign-in library's own pages for who is signed in; they know no accounts and no records.
OWN_PASSWORD = {"account_change_password", "account_set_password", "account_reauthenticate"}


def addresses(patterns: list[URLPattern | URLResolver] | None = None) -> Iterator[str]:
    for one in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns)
        else:
            yield str(one.name)


def test_every_address_is_in_the_table() -> None:
    assert sorted(addresses()) == sorted([*TABLE, *PUBLIC, *OWN_PASSWORD])


@pytest.fixture
def places(office) -> dict[str, str]:
    """An address of each name, of records of the office."""
    from django.urls import reverse

    stored = files.put(b"canary-7f3a")
    ticket = office.mail("Canary 7f3a", files=(StoredFile("a.txt", "text/plain", 11, stored.sha256),))
    with office.inside() as world:
        tickets.assign(ticket.pk, owner_id=world.bob.pk, by=SYSTEM)
        message_id = Message.objects.get(ticket_id=ticket.pk).pk
        task_id = tasks.create("ticket", ticket.pk, Wanted("Canary 7f3a"), by=SYSTEM)
        thread = Thread.objects.create(
            account_id=world.account.pk, inbox_id=world.channel.inbox_id, channel_account=world.channel,
            subject="Canary 7f3a", created_at=office.at, last_message_at=office.at,
        )  # fmt: skip
        Message.objects.create(
            account_id=world.account.pk,
            thread=thread,
            actor_kind="visitor",
            text="Canary 7f3a",
            created_at=office.at,
        )
        mail = SinkMail.objects.create(
            account_id=world.account.pk, entry_id=1, envelope_from="", recipients=["a@x"], message_id="<1@x>",
            subject="Canary 7f3a", raw=b"Subject: Canary 7f3a\r\n\r\ncanary", received_at=office.at,
        )  # fmt: skip
        entry, kept, job_id = failures(world.account.pk, office.at)
        file = Attachment.objects.get()
        templates.ensure_defaults(world.account.pk)
        lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Canary 7f3a"}, by=world.ada.pk)
        automated = MailTemplate.objects.first()
        subscriptions.ensure_defaults(world.account.pk)
        letters_kind = subscriptions.kinds(world.account.pk)[0].pk
        integration = integrations.add(
            world.account.pk, "Canary 7f3a", {"url": "https://a.example/"}, by=Actor.user(world.ada.pk)
        )
        secret = secrets.add(world.account.pk, "CANARY_7f3a", "Canary 7f3a", by=Actor.user(world.ada.pk))
        [skill] = skills.create(
            world.account.pk, skills.ensure_languages(world.account.pk).pk, ["Canary 7f3a"], by=SYSTEM
        )
        skill_rules = skill_sets.create(world.account.pk, "Canary 7f3a", by=SYSTEM)
        is_high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
        skill_rule = skill_sets.add_rule(
            world.account.pk,
            skill_rules.pk,
            skill_sets.NewRule("Canary 7f3a", is_high, [skill.pk]),
            by=SYSTEM,
        )
        snippet = snippets.create(
            policy.viewer_for(world.account.pk, world.bob.pk),
            snippets.NewSnippet("Canary 7f3a", "canary", "Canary 7f3a"),
        )
        reaching.add(
            world.account.pk,
            world.bob.pk,
            push.Browser("https://push.example/1", KEY, "A" * 22),
            "Canary 7f3a",
            office.at,
        )
        browser_id = Browser.objects.get().pk
        waiting = later.plan(
            replies.NewReply(ticket.pk, "Canary 7f3a"), by=world.bob, leaves_at=office.at, is_planned=True
        )
        own_file = DraftFile.objects.create(
            account_id=world.account.pk, user_id=world.bob.pk, ticket_id=ticket.pk, name="Canary 7f3a",
            content_type="text/plain", size=1, sha256=stored.sha256, created_at=office.at,
        )  # fmt: skip
        firm = companies.create("Canary 7f3a", by=SYSTEM, domain="canary.example")
        companies.add_contact(firm.pk, ticket.contact_id, by=SYSTEM)
        twins = {
            "contact": [ticket.contact_id, contacts.make({"firstname": "Canary 7f3a"}, by=SYSTEM)],
            "company": [firm.pk, companies.create("Canary 7f3a", by=SYSTEM).pk],
        }
        people = {"contact": [ticket.contact_id, firm.pk], "company": [firm.pk, ticket.contact_id]}
        about_people = {
            kind: [ids[0], tasks.create(kind, ids[0], Wanted("Canary 7f3a"), by=SYSTEM)]
            for kind, ids in people.items()
        }
        way = away_states.define(world.account.pk, "Canary 7f3a", by=SYSTEM)
        absence_id = availability.set_out_of_office(
            world.account.pk, world.bob.pk, clock.now(), clock.now() + timedelta(days=9), by=SYSTEM
        )
        app, _signing = connected_apps.create(world.account.pk, name="Canary 7f3a", by=SYSTEM)
        targets.put(world.account.pk, app.pk, url="https://canary-7f3a.example", by=SYSTEM)
        sent = Delivery.objects.create(
            account_id=world.account.pk,
            app=app,
            events=[{"subscriptionType": "canary-7f3a"}],
            created_at=clock.now(),
        )
        token, _secret = api_tokens.create(world.account.pk, name="Canary 7f3a", scopes=["tickets"])
        role = roles.create(world.account.pk, "Canary 7f3a", {}, by=SYSTEM)
        lane = [world.tickets.default.id, world.stage("New")]
        step_comment = step_comments.add(
            lanes.lane_of(lane[1], "ticket"), "1", "Canary 7f3a", by=world.ada.pk
        ).pk
        workflow_id = Workflow.objects.get(account_id=world.account.pk, origin_stage_id=lane[1]).pk
        kept_in = folders.create(world.account.pk, "Canary 7f3a", by=SYSTEM)
        free = workflows.create(world.account.pk, "Canary 7f3a", Definition("ticket"), by=world.ada.pk)
        folders.move(world.account.pk, [free.pk], kept_in)
        run = Enrollment.objects.create(
            account_id=world.account.pk, workflow=free, object_type="ticket", record_id=ticket.pk, revision_number=1,
            state="WAITING", step_id="1", enrolled_at=office.at,
        )  # fmt: skip
        replayed = Replay.objects.create(
            account_id=world.account.pk, workflow=free, definition=Definition("ticket").to_json(), revision_number=1, is_draft=False,
            since=office.at, until=office.at + timedelta(days=7), state="DONE", totals={"days": {}, "kinds": {}}, created_at=office.at,
        )  # fmt: skip
        ReplayRun.objects.create(
            account_id=world.account.pk, replay=replayed, number=1, record_id=ticket.pk, entered_at=office.at
        )
        Notification.objects.create(
            account_id=world.account.pk,
            user_id=world.ada.pk,
            event_id=1,
            topic="failure",
            about_kind="workflow",
            about_id=workflow_id,
            actor_kind="system",
            created_at=office.at,
        )
        made = properties.create("ticket", "canary", "Canary 7f3a", Kind.TEXT)
        vip = association_labels.create("ticket", "contact", "Canary label 7f3a", by=SYSTEM)
        archived = properties.create("ticket", "old_canary", "Canary 7f3a", Kind.TEXT)
        properties.archive("ticket", "old_canary")
        kind = object_types.create("canaries", "Canary 7f3a", "Canary 7f3a", by=SYSTEM)
        objects.switch_pipelines(kind.key, True, by=SYSTEM)
        deal = objects.create("deal", {"dealname": "Canary 7f3a"}, by=SYSTEM).id
        deal_task = tasks.create("deal", deal, Wanted("Canary 7f3a"), by=SYSTEM)
        queue = task_queues.create(NewQueue("Canary 7f3a", False, [world.bob.pk]), by=SYSTEM)
        deal_stage = pipelines_of("deal").default.first_open.id
        tag_rules.arrange([Tag("", "Canary 7f3a")], by=SYSTEM)
        segment = segments.create("contact", "Canary 7f3a", SegmentKind.STATIC, by=SYSTEM)
        members.add(segment.pk, [ticket.contact_id], by=SYSTEM)
        saved = CustomView.objects.create(
            account_id=world.account.pk, owner_id=world.bob.pk, name="Canary 7f3a", sort="-hs_ticket_id", created_at=office.at
        )  # fmt: skip
    given = {
        **{name: [segment.pk] for name in TABLE if name == "segment" or (name.startswith("segment-") and name not in SEGMENTS)},
        **{name: ["1"] for name in TABLE if name.startswith("tag-rule")},
        "segment-why": [segment.pk, ticket.contact_id], "task-done": [task_id], "task-take": [task_id],
        **{name: [queue.pk] for name in ("task-queue", "task-queue-save", "task-queue-ask-delete", "task-queue-delete", "task-queue-work")},
        **{f"view-{name}": [saved.pk] for name in ("edit", "table", "save", "keep", "move", "delete")},
        **dict.fromkeys(("board", "filter-editor", "filter-count", "table", "table-columns"), lane[:1]), "board-more": [*lane, "1-1"],
        **{name: [ticket.pk] for name in ("card-move", "card-moved", "table-row")}, "table-more": [lane[0], "1-1"],
        **{name: [ticket.pk, "subject"] for name in ("cell-edit", "cell-save")},
        "inbox-view": ["all-open"], "inbox-list": ["all-open"], "inbox-side": ["all-open"],
        "inbox-more": ["all-open", "1-1"], "inbox-new": ["all-open", "1-1"],
        **{name: ["all-open", ticket.pk] for name in ("inbox-ticket", "inbox-row", "inbox-thread")},
        **{name: ["all-open", ticket.pk] for name in ("ticket-status", "ticket-owner", "ticket-reply", "ticket-spam", "ticket-delete")},
        **{name: ["all-open", ticket.pk] for name in ("ticket-priority", "ticket-properties", "ticket-merge", "ticket-merged", "ticket-block", "ticket-blocked", "ticket-snooze", "ticket-wake", "ticket-follow", "ticket-history")},
        "ticket-history-before": ["all-open", ticket.pk, 1], "ticket-part": ["all-open", ticket.pk, 1], "blocked-sender-free": [1],
        **{name: ["all-open", ticket.pk, "content"] for name in ("ticket-property", "ticket-property-shown", "ticket-property-save", "ticket-pin")},
        **{name: ["all-open", ticket.pk] for name in ("ticket-task-create", "ticket-task-new", "ticket-task-left", "ticket-links", "ticket-link-new", "ticket-link-left", "ticket-link-labels", "ticket-split-undo")},
        **{name: ["all-open", ticket.pk, message_id] for name in ("ticket-split", "ticket-split-save")},
        **{name: ["all-open", ticket.pk, task_id] for name in ("ticket-task", "ticket-task-shown", "ticket-task-save", "ticket-task-done", "ticket-task-delete")},
        **{name: ["all-open"] for name in ("inbox-merge", "inbox-merged", "inbox-undo", "inbox-bulk", "inbox-density")},
        "ticket-draft": [ticket.pk], "ticket-files": [ticket.pk], **{name: [ticket.pk] for name in ("ticket-picks", "ticket-presence", "ticket-room")},
        **{name: [snippet.pk] for name in ("snippet", "snippet-save", "snippet-delete")}, "ticket-file-remove": [ticket.pk, own_file.pk],
        **{name: ["all-open", ticket.pk, waiting.pk] for name in ("ticket-later-take-back", "ticket-later-send")}, "make-ticket": [thread.pk], **{name: [thread.pk] for name in ("thread-spam", "thread-owner", "thread-owner-save")}, "attachment": [file.pk], "remote-picture": [file.message_id, 0], "mailbox-mail": [mail.pk],
        "notification-read": [ticket.pk], "notification-way": ["mail"], "notification-browser-remove": [browser_id], "notification-browser-try": [browser_id], "notification-read-failure": ["workflow", workflow_id], "automate-workflow": [workflow_id],
        "automate": lane[:1], "automate-callable": lane[:1], "automate-status": [lane[0], "sent"],
        "automate-close-date": lane[:1], "automate-reopening": lane[:1], "automate-option": [lane[0], "all-channels"], **dict.fromkeys(("lane-switch", "lane-every-time", "lane-chat", "lane-step-new", "lane-step-add", "lane-jump-end"), lane),
        "lane-comment": [*lane, "1", step_comment],
        **{name: [*lane, "1"] for name in TABLE if name.startswith("lane-step-") and name not in ("lane-step-new", "lane-step-add")},
        **{name: [world.bob.pk] for name in ("availability-person", "availability-status", "availability-hours", "availability-hours-follow", "availability-absence")},
        "availability-absence-end": [world.bob.pk, absence_id], "away-state-rename": [way.pk], "away-state-archive": [way.pk],
        **{name: [world.channel.pk] for name in TABLE if name.startswith("channel") and name not in ("channels", "channel-new", "channel-add")},
        **dict.fromkeys(("pipeline", "pipeline-name", "pipeline-stages", "pipeline-delete", "pipeline-deleted", "pipeline-cards", "pipeline-cards-save", "board-collapse", "pipeline-rules", "pipeline-rules-save"), lane[:1]),
        **dict.fromkeys(("status-delete", "status-deleted"), lane),
        **{name: people[name.split("-")[0]][:1] for name in PEOPLE},
        **{name: twins[name.split("-")[0]] for name in PEOPLE if name.endswith(("-merge-with", "-merged", "-unmerge"))},
        **{name: about_people[name.split("-")[0]] for name in PEOPLE if name.endswith("-task-done")},
        **{name: people[name.split("-")[0]] for name in PEOPLE if name.endswith(("-linked", "-unlink", "-primary", "-link-labels"))},
        **{name: people[name.split("-")[0]][:1] for name in PEOPLE if "-others" in name},
        **{name: ["deals"] for name in TABLE if name in ("records", "record-new", "record-add") or name.startswith("records-")},
        "records-board-collapse": ["deals"], "records-more": ["deals", deal_stage, deal], "records-table-more": ["deals", deal],
        **{name: ["deals", deal] for name in TABLE if (name == "record" or name.startswith("record-")) and name not in ("record-new", "record-add")},
        **{name: ["deals", deal, deal_task] for name in ("record-task-save", "record-task-done", "record-task-delete")},
        **{name: ["deals", deal, "amount"] for name in ("record-cell", "record-cell-save")},
        **{key: ["tickets"] for key in ("pipelines", "pipeline-new", "pipelines-order")},
        **{key: [kind.key] for key in ("object-setup", "object-names", "object-type-save", "object-type-delete")},
        "subscription-type-save": [letters_kind], "subscription-type-archive": [letters_kind],
        "contact-subscriptions": people["contact"][:1],
        **{name: [integration.pk] for name in TABLE if name == "integration" or name in ("integration-save", "integration-archive", "integration-test")},
        "secret-replace": [secret], "secret-delete": [secret],
        "mail-template": [automated.pk], "mail-template-save": [automated.pk], "mail-template-archive": [automated.pk],
        **{key: ["tickets"] for key in ("object-labels", "object-label-add", "properties", "property-new", "property-add", "property-groups", "property-groups-save", "layout", "layout-save", "layout-reset")},
        **{f"object-label-{did}": ["tickets", "contacts", vip.type_id] for did in ("save", "delete", "deleted")},
        **{key: ["tickets", made.pk] for key in ("property", "property-save", "property-archive", "property-archived")},
        "property-restored": ["tickets", archived.pk],
        **{name: [world.bob.pk] for name in TABLE if name.startswith("user-") and name not in ("user-new", "user-invite")},
        **{name: [skill.pk] for name in ("skill", "skill-save", "skill-delete")},
        **{name: [skill.category_id] for name in ("skill-category-save", "skill-category-delete", "skills-add")},
        **{name: [skill_rules.pk] for name in TABLE if name.startswith("skill-rule-set") or name in ("skill-rule-new", "skill-rule-add")},
        **{name: [skill_rules.pk, skill_rule.pk] for name in ("skill-rule", "skill-rule-save", "skill-rule-delete")},
        "team-skills": [world.team.pk],
        **{name: [app.pk] for name in TABLE if name == "webhook" or (name.startswith("webhook-") and name not in ("webhook-new", "webhook-add"))},
        "webhook-delivery": [app.pk, sent.pk],
        "token-revoke": [token.pk], "user": [world.bob.pk], "team": [world.team.pk], "role": [role.pk], "team-remove": [world.team.pk, world.bob.pk],
        **{name: [world.team.pk] for name in ("team-save", "team-add", "team-ask-delete", "team-delete")},
        **{name: [role.pk] for name in ("role-save", "role-copy", "role-delete")},
        **{name: [free.pk] for name in TABLE if name.startswith("workflow-") and TABLE[name].neighbour},
        **{name: [free.pk, *(["1"] if name.startswith("workflow-edit-step") else [])] for name in TABLE if name.startswith("workflow-edit")},
        "workflow-run": [free.pk, run.pk], "workflow-run-canvas": [free.pk, run.pk], "workflow-replay-way": [free.pk, replayed.pk, 1], "workflow-revision": [free.pk, 1], "workflow-revision-restore": [free.pk, 1], "workflow-folder-rename": [kept_in.pk], "workflow-folder-delete": [kept_in.pk],
        "system-mail-again": [entry.pk], "system-quarantined": [kept.pk], "system-quarantine-one-again": [kept.pk], "system-job-again": [job_id],
    }  # fmt: skip
    return {name: reverse(name, args=given.get(name, [])) for name in TABLE}


FORM = {
    "status": "1",
    "owner": "",
    "body": "Words",
    "mode": "reply",
    "theme": "dark",
    "availability": "away",
    "change": "1",
    "send_key": "k",
    "spam": "1",
    "priority": "HIGH",
    "value": "Canary",
    "at": "2026-11-21T10:00:00+00:00",
    "ids": "1",
    "section": "ticket",
    "until": "tomorrow",
    "follows": "1",
}


def ask(client: Client, wall: Wall, url: str, **more):
    return client.get(url, **more) if wall.method == "GET" else client.post(url, FORM, **more)


def bytes_of(response) -> bytes:
    """What was answered, without the time zone that has the name of our canary."""
    if response.streaming and response.is_async:
        found = async_to_sync(all_of)(response)
    else:
        found = b"".join(response.streaming_content) if response.streaming else response.content
    return found.replace(b"Atlantic/Canary", b"")


async def all_of(response) -> bytes:
    return b"".join([part async for part in response.streaming_content])
    """What was answered, without the time zone of the Canaries, which everybody may see."""
    said = b"".join(response.streaming_content) if response.streaming else response.content
    return said.replace(b"Atlantic/Canary", b"")


def breaches(
    client: Client, places: dict[str, str], expected: Callable[[Wall], int | None]
) -> dict[str, object]:
    """{name: what was wrong} over all addresses, as page and as part. `expected` None: any answer without our records.

    One office for all of them: none of these answers changes anything.
    """
    found: dict[str, object] = {}
    for name, wall in TABLE.items():
        for more in ({}, {"headers": HTMX}):
            response = ask(client, wall, places[name], **more)
            status = expected(wall)
            if status is not None and response.status_code != status:
                found[name] = response.status_code
            if b"anary" in bytes_of(response):
                found[name] = "shows a record"
    return found


def test_who_is_not_signed_in_is_asked_to(places):
    """Pages lead to the sign-in, parts of pages are refused, and nobody learns what is there."""
    found = {}
    for name, wall in TABLE.items():
        page, part = (ask(Client(), wall, places[name], **more) for more in ({}, {"headers": HTMX}))
        leads_to_sign_in = page.headers.get("Location", "").startswith("/account/login/?next=/")
        if (page.status_code, part.status_code) != (302, 401) or not leads_to_sign_in:
            found[name] = (page.status_code, part.status_code)
        if b"anary" in bytes_of(page) + bytes_of(part):
            found[name] = "shows a record"

    assert not found


def test_somebody_of_another_account_gets_nothing_of_ours(places, neighbour, sign_in):
    """S9: even with all permissions in an account of their own."""
    assert not breaches(sign_in(neighbour.world.ada), places, lambda wall: wall.neighbour)


def test_who_has_no_permission_gets_nothing(places, office, sign_in):
    office.role(office.world.nils, records={}, capabilities=[])

    assert not breaches(sign_in(office.world.nils), places, lambda wall: wall.nobody)


def test_who_sees_only_their_own_cannot_find_the_others(places, office, sign_in):
    """R-PERM-1: what can't be seen is not there, whatever one may do."""
    own = {"ticket": dict.fromkeys(("view", "edit", "delete", "communicate"), "own")}
    office.role(office.world.grace, records=own, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    found = {}
    for name in (name for name, wall in TABLE.items() if wall.neighbour):
        response = ask(client, TABLE[name], places[name])
        if response.status_code not in (403, 404) or b"anary" in bytes_of(response):
            found[name] = response.status_code

    assert not found


def test_a_change_without_the_forms_token_is_refused(places, office, sign_in):
    """S15"""
    client = sign_in(office.world.ada, enforce_csrf_checks=True)

    found = {}
    for name in (name for name, wall in TABLE.items() if wall.method == "POST"):
        response = client.post(places[name], FORM, headers={"Origin": "https://evil.example"})
        if response.status_code != 403 or "This form is out of date" not in response.content.decode():
            found[name] = response.status_code

    assert not found


def test_each_address_answers_one_method(places, office, sign_in):
    client = sign_in(office.world.ada)

    found = {}
    for name, wall in TABLE.items():
        wrong = Wall("POST" if wall.method == "GET" else "GET")
        if (status := ask(client, wrong, places[name]).status_code) != 405:
            found[name] = status

    assert not found


def test_changes_by_somebody_else_changed_nothing(places, office, neighbour, sign_in):
    office.role(office.world.nils, records={}, capabilities=[])
    for client in (Client(), sign_in(neighbour.world.ada), sign_in(office.world.nils)):
        for name in TABLE:
            if TABLE[name].method == "POST":
                ask(client, TABLE[name], places[name])

    with office.inside() as world:
        ticket = tickets.Ticket.objects.get()
        assert (ticket.owner_id, ticket.stage_id) == (world.bob.pk, world.stage("New"))
        assert not ticket.is_spam
        assert not Thread.objects.filter(is_spam=True).exists()
        assert Message.objects.count() == 2
        assert [one.name for one in Snippet.objects.filter(name__contains="anary")] == ["Canary 7f3a"]
        assert LaterReply.objects.count() == DraftFile.objects.count() == 1
        assert OutboxEntry.objects.get().state == State.HELD
        assert InboundMail.objects.get(state=MailState.QUARANTINED)
        assert len(jobs.failed()) == 1


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ada(office):
    office.world.ada.set_password("correct horse battery")
    office.world.ada.save()
    return office.world.ada


def sign_in_with(client, **form):
    return client.post(
        "/account/login/", {"login": "ada@nordlys.example", "password": "correct horse battery"} | form
    )


def test_signing_in_leads_to_the_page_that_was_asked_for(ada):
    client = Client()
    asked = client.get("/inbox/all-closed").headers["Location"]

    page = client.get(asked).content.decode()
    response = sign_in_with(client, next="/inbox/all-closed")

    assert 'value="/inbox/all-closed"' in page
    assert response.headers["Location"] == "/inbox/all-closed"


@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "https:evil.example",
        "\x00/evil",
    ],
)
def test_signing_in_leads_to_no_other_site(ada, next_url):
    """S15"""
    assert sign_in_with(Client(), next=next_url).headers["Location"] == "/"


def test_the_session_is_a_new_one_after_signing_in(ada):
    """S13"""
    client = Client()
    client.session["planted"] = True
    client.cookies["sessionid"] = "a" * 32

    sign_in_with(client)

    assert client.cookies["sessionid"].value != "a" * 32
    assert client.cookies["sessionid"]["httponly"]
    assert client.cookies["sessionid"]["samesite"] == "Lax"


def test_a_wrong_password_is_answered_in_words_and_keeps_the_name(ada):
    page = sign_in_with(Client(), password="wrong").content.decode()

    assert 'role="alert"' in page
    assert 'value="ada@nordlys.example"' in page


def test_signing_out_needs_a_form_and_ends_the_session(ada):
    client = Client()
    sign_in_with(client)

    assert client.get("/account/logout/").status_code == 200
    assert client.get("/inbox/all-open").status_code == 200
    client.post("/account/logout/")

    assert client.get("/inbox/all-open").status_code == 302


def test_who_lost_the_last_membership_is_signed_out(office, sign_in):
    client = sign_in(office.world.grace)
    office.world.grace.memberships.update(is_active=False)

    assert client.get("/inbox/all-open").headers["Location"].startswith("/account/login/")
    assert client.get("/inbox/all-open", headers=HTMX).status_code == 401


def test_a_deactivated_user_is_out_at_once(office, sign_in):
    """S13"""
    client = sign_in(office.world.grace)
    assert client.get("/inbox/all-open").status_code == 200
    office.world.grace.is_active = False
    office.world.grace.save()

    assert client.get("/inbox/all-open").status_code == 302


def test_nobody_signs_up(db):
    assert "By invitation only" in Client().get("/account/signup/").content.decode()


@pytest.mark.parametrize("name", sorted(OWN_PASSWORD))
def test_pages_of_ones_own_password_ask_for_the_sign_in(db, name):
    from django.urls import reverse

    assert Client().get(reverse(name)).headers["Location"].startswith("/account/login/")


# ── one's own things ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_theme_is_kept_in_a_cookie_and_leads_back(office, sign_in):
    client = sign_in(office.world.ada)

    response = client.post(
        "/me/theme", {"theme": "dark"}, headers={"Referer": "http://testserver/inbox/all-open"}
    )

    assert response.headers["Location"] == "http://testserver/inbox/all-open"
    assert 'data-theme="dark"' in client.get("/inbox/all-open").content.decode()
    client.post("/me/theme", {"theme": "auto"})
    assert "data-theme=" not in client.get("/inbox/all-open").content.decode()


@pytest.mark.parametrize("referer", ["https://evil.example/x", "", "javascript:alert(1)"])
def test_forms_lead_back_to_our_own_pages_only(office, sign_in, referer):
    """S15"""
    response = sign_in(office.world.ada).post("/me/theme", {"theme": "dark"}, headers={"Referer": referer})

    assert response.headers["Location"] == "/"


def test_an_unknown_theme_is_refused(office, sign_in):
    assert sign_in(office.world.ada).post("/me/theme", {"theme": "<script>"}).status_code == 400


def test_people_set_their_own_status(office, sign_in):
    """R-AVAIL-6"""
    client = sign_in(office.world.grace)

    client.post("/me/availability", {"availability": "available"})
    assert 'aria-checked="true"' in client.get("/inbox/all-open").content.decode()
    client.post("/me/availability", {"availability": "away"})
    assert 'aria-checked="false"' in client.get("/inbox/all-open").content.decode()

    assert client.post("/me/availability", {"availability": "asleep"}).status_code == 400


def test_who_was_set_away_by_a_colleague_is_told_and_can_switch_back(office, sign_in):
    """T-AV-4, R-AVAIL-11"""
    ada, grace = office.world.ada, office.world.grace
    client = sign_in(grace)
    client.post("/me/availability", {"availability": "available"})
    availability.set_by_hand(office.world.account.pk, grace.pk, Status.AWAY, by=Actor.user(ada.pk))

    page = client.get("/inbox/all-open").content.decode()
    assert "Ada Lovelace set you to away." in page
    assert f"user-{grace.pk} from:#live" in page

    client.post("/me/availability", {"availability": "available"})
    assert "set you to" not in client.get("/inbox/all-open").content.decode()


def test_who_has_no_seat_has_no_status(office, sign_in):
    client = sign_in(office.world.nils)

    assert 'id="availability"' not in client.get("/inbox/all-open").content.decode()
    assert client.post("/me/availability", {"availability": "away"}).status_code == 403


# ── the built-in mailbox ─────────────────────────────────────────────────────────────────────────────────────────────


def test_administrators_read_what_was_kept(places, office, sign_in):
    client = sign_in(office.world.ada)

    listed = client.get("/mailbox").content.decode()
    mail = client.get(places["mailbox-mail"]).content.decode()

    assert places["mailbox-mail"] in listed
    assert "canary" in mail
    assert sign_in(office.world.grace).get("/mailbox").status_code == 403


def test_an_empty_mailbox_says_so(office, sign_in):
    assert "No mail yet" in sign_in(office.world.ada).get("/mailbox").content.decode()


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_machines_are_told_how_it_is(db):
    client = Client()

    assert client.get("/livez").content == b"ok\n"
    assert client.get("/readyz").content == b"ok\n"
    assert "deskhand_" in client.get("/metrics").content.decode()


def test_browsers_get_the_picture_they_ask_for_by_themselves(db):
    answer = Client().get("/favicon.ico")

    assert (answer.status_code, answer.cookies) == (302, {})
    assert answer["Location"].endswith(".svg")


def test_figures_are_for_private_networks_only(db):
    assert Client(REMOTE_ADDR="93.184.216.34").get("/metrics").status_code == 403


def test_an_unknown_address_is_not_found_for_anybody(office, sign_in):
    assert Client().get("/nowhere").status_code == 404
    page = sign_in(office.world.ada).get("/nowhere")
    assert page.status_code == 404
    assert "There is nothing at this address" in page.content.decode()
    assert 'class="rail"' in page.content.decode()


def test_the_styles_of_the_pages_exist():
    assert finders.find("css/deskhand.css")
