"""Who reacts to what, and which channels, actions and transports exist. Knows every area; only start-up knows it.

IN_TRANSACTION hooks see a batch's new events just before commit and touch only the database; routing is last, because
its lock is held until the commit. AFTER_COMMIT subscribers are told by the dispatcher, at least once, in order.
"""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction

from deskhand.accounts import attempts, request_log
from deskhand.accounts.models import Account
from deskhand.automation import answers as call_answers
from deskhand.automation import (
    coderuns,
    emptying,
    enroll,
    hooks,
    integrations,
    keeping,
    lanes,
    leaving,
    mailing,
    pausing,
    retention,
    runner,
    templates,
    timing,
    undo,
    uses,
    waking,
)
from deskhand.automation.enrolling import baseline, schedules, standing
from deskhand.automation.replay import replays
from deskhand.channels.email import alarms, inbound
from deskhand.channels.email.accounts import relay_of
from deskhand.channels.email.models import EmailAccount
from deskhand.channels.forms import submitting
from deskhand.channels.portal import portals, posting
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.policy import Sender
from deskhand.crm.records import (
    claiming,
    filterable,
    labeling,
    membership,
    objects,
    subscriptions,
    tasks,
    tickets,
)
from deskhand.crm.records import search as record_search
from deskhand.crm.records.agents import given_to, was_handed_off
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.schema import properties
from deskhand.crm.segments import segments
from deskhand.delivery import calls, push, sender
from deskhand.delivery.models import State as Sending
from deskhand.delivery.relays import Relay, default_relay
from deskhand.delivery.sender import Written
from deskhand.delivery.transports.http import HttpTransport
from deskhand.delivery.transports.mail import MailTransport
from deskhand.delivery.transports.push import PushTransport
from deskhand.delivery.types import Answered, Entry, Pair, Transport, Verdict
from deskhand.desk import (
    channels,
    concerned,
    conversations,
    custom_views,
    customers,
    inboxes,
    later,
    letters,
    outgoing,
    replies,
    snoozing,
    submissions,
    threads,
    unwritten,
)
from deskhand.desk import search as message_search
from deskhand.desk.custom_views import Gone
from deskhand.desk.types import Automatic
from deskhand.desk.unwritten import Unwritable
from deskhand.events import dispatch, live, log, partitions
from deskhand.events.types import SYSTEM, Actor, ActorKind, Cause, Event
from deskhand.kernel import clock, jobs, timers
from deskhand.kernel.claimer import BatchClaimer, ClaimLoop
from deskhand.kernel.database import wake
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.errors import DeskhandError, Invalid
from deskhand.notifications import deciding, digests, failures, reaching, statuses, telling, wishes
from deskhand.notifications import tasks as tasks_told
from deskhand.notifications.types import Concerned, Topic
from deskhand.routing import (
    assign,
    availability,
    capacity,
    default_hours,
    forgetting,
    loads,
    rerouting,
    ringing,
    rules,
    simulations,
    skill_sets,
    skills,
    waiting,
    waitmarks,
)
from deskhand.routing.matrix import MATRIX
from deskhand.routing.types import Assignment, NewTicket, Status
from deskhand.webhooks import deliveries, hearing

logger = structlog.get_logger()


# ── before commit ────────────────────────────────────────────────────────────────────────────────────────────────────


def set_up_accounts(account_id: int, events: Sequence[Event]) -> None:
    """A new account gets its pipelines, help desk, mail templates and the category of languages."""
    if any(event.kind == "account.created" for event in events):
        account = Account.objects.get(pk=account_id)
        pipelines.ensure_defaults(account_id)
        inboxes.ensure_defaults(account_id)
        templates.ensure_defaults(account_id, account.locale)
        subscriptions.ensure_defaults(account_id, account.locale)
        skills.ensure_languages(account_id)
        for nightly in (RECOUNT, SWEEP, MONTHS, retention.NIGHTLY, forgetting.NIGHTLY, deliveries.NIGHTLY):
            timers.set_timer(account_id, nightly, "", clock.now() + timedelta(days=1))


def let_go_of_stages(account_id: int, events: Sequence[Event]) -> None:
    """What named a deleted status or pipeline does so no more, in the transaction that deletes it; workflows that named it,
    or a deleted task queue, ask for a look (R-PIPE-10, R-WFA-8)."""
    statuses, pipelines_gone = _gone(events)
    if statuses or pipelines_gone:
        inboxes.let_go_of_stages(account_id, statuses.keys(), pipelines_gone.keys())
        uses.let_go_of(account_id, statuses.keys(), pipelines_gone.keys())
        lanes.let_go_of_stages(account_id, statuses.keys())
        custom_views.let_go_of(account_id, statuses, pipelines_gone)
        portals.let_go_of_stages(account_id, statuses.keys())
    queues_gone = [event.object_id for event in events if event.kind == "task_queue.deleted"]
    if queues_gone:
        uses.let_go_of(account_id, queue_ids=queues_gone)


def _gone(events: Sequence[Event]) -> tuple[dict[int, Gone], dict[int, Gone]]:
    """What is deleted, by the ids of statuses and of pipelines; of a status that went with its pipeline, the pipeline."""
    statuses: dict[int, Gone] = {}
    pipelines_gone: dict[int, Gone] = {}
    for event in events:
        if event.kind == "stage.deleted":
            statuses[event.object_id] = Gone("status", event.data["before"]["label"])
        elif event.kind == "pipeline.deleted":
            gone = pipelines_gone[event.object_id] = Gone("pipeline", event.data["before"]["label"])
            statuses |= dict.fromkeys(event.data["before"]["stages"], gone)
    return statuses, pipelines_gone


def follow_merged(account_id: int, events: Sequence[Event]) -> None:
    """Conversations belong to whom their contact became part of, in the transaction that merges (R-MERGE-7)."""
    for event in events:
        if event.kind == "contact.merged":
            customers.hand_over(event.data["after"]["merged"], event.object_id)
        elif event.kind == "contact.unmerged":
            customers.hand_back(event.data["after"]["parted"], event.object_id)


#: What changes how much a user has to do (R-ROUTE-22).
COUNTING = {
    "ticket.created",
    "ticket.moved",
    "ticket.assigned",
    "ticket.updated",
    "ticket.archived",
    "ticket.restored",
}


#: Properties that do where statuses are excluded, or tickets weighed by their priority (R-CAP-9).
COUNTING_SOMEWHERE = {"hs_pipeline_stage", "hs_ticket_priority"}


def count_loads(account_id: int, events: Sequence[Event]) -> None:
    counting = [event for event in events if event.kind in COUNTING]
    touched = {event.object_id for event in counting if _counts(event)}
    maybe = {
        event.object_id for event in counting if COUNTING_SOMEWHERE & set(event.data.get("changes") or ())
    } - touched
    if maybe and loads.counts_by_more(account_id):
        touched |= maybe
    if touched:
        loads.reconcile(account_id, touched, clock.now())


def _counts(event: Event) -> bool:
    """A new ticket without an owner counts for nobody; a change of anything else than owner or state neither."""
    if event.kind == "ticket.created":
        return bool(event.data.get("owner_id"))
    changes = event.data.get("changes")
    return changes is None or bool(
        {"hubspot_owner_id", "hs_is_closed", "hs_in_helpdesk", "is_spam"} & set(changes)
    )


def route_new_tickets(account_id: int, events: Sequence[Event]) -> None:
    """Choose owners for tickets that a channel made; under the pool's lock, so it is the last hook."""
    new = _from_channels(events)
    if not new:
        return
    now = clock.now()
    known = Ticket.objects.filter(account_id=account_id, pk__in=new, contact__owner_id__isnull=False)
    owners = dict(known.values_list("pk", "contact__owner_id"))
    answers = [e for e in events if e.kind == threads.RECEIVED and e.data.get("answered_by")]
    answered = {e.data["ticket_id"]: e.data["answered_by"] for e in answers}
    asked = [
        NewTicket(
            ticket_id, e.data["channel_account_id"], e.data["ticket_type"], owners.get(ticket_id),
            has_rung=e.data["ticket_type"] == ringing.CALL, answered_by=answered.get(ticket_id),
        )
        for ticket_id, e in new.items()
    ]  # fmt: skip
    made = assign.route(account_id, asked, now)
    _give(made, {ticket_id: event.id for ticket_id, event in new.items()}, now)
    _tell_owners_who_are_away(account_id, made)


def route_handed_off(account_id: int, events: Sequence[Event]) -> None:
    """What an automatic agent gives up goes on where its channel's rule names people, in the same transaction (R-AI-14)."""
    causes = {
        e.object_id: e.id for e in events
        if e.object_type == "ticket" and was_handed_off(e.data.get("changes", {}))
    }  # fmt: skip
    if causes:
        if _from_channels(events):  # `route_new_tickets` is next
            loads.lock(account_id, loads.TYPES)
        now = clock.now()
        asked = waiting.as_they_stand(account_id, causes)
        _give(assign.route(account_id, asked, now, after_workflows=None), causes, now)


def _tell_owners_who_are_away(account_id: int, made: Sequence[Assignment]) -> None:
    """R-ROUTE-62"""
    missed = {
        a.ticket_id: a.offline_owner_id
        for a in made
        if a.offline_owner_id and a.offline_owner_id != a.user_id
    }
    if missed:
        submissions.mail_owners(
            account_id, missed, [kind for kind, offer in MATRIX.items() if offer.mails_owner]
        )


def _from_channels(events: Sequence[Event]) -> dict[int, Event]:
    return {
        e.object_id: e for e in events
        if e.kind == tickets.CREATED and e.data.get("channel_account_id") and not e.data.get("is_spam")
    }  # fmt: skip


#: A ticket that workflows may give away is asked for again and again, and then routed whatever they do (R-ROUTE-71).
AFTER_WORKFLOWS = "routing.after_workflows"
ASK_EVERY = timedelta(seconds=0.5)
ASK_UP_TO = timedelta(seconds=5)


def ask_again(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """Route what workflows are done with; what they are not waits on under the same timer. Safe to repeat."""
    kept = {timer.key: (dict(timer.payload["causes"]), timer.payload["until"]) for timer in due}
    asked = {key: (causes, datetime.fromisoformat(until)) for key, (causes, until) in kept.items()}
    now = clock.now()
    _route_ready(account_id, _ready(account_id, asked, now, is_heard=False), now)


def _after_workflows(account_id: int, events: Sequence[Event], now: datetime) -> dict[int, int]:
    """Of the new tickets of channels that let workflows choose first, those that these are done with; with what made them."""
    new = _from_channels(events)
    if not new:
        return {}
    asked = {e.data["channel_account_id"] for e in new.values()}
    slow = waiting.channels_after_workflows(account_id, asked)
    causes = {pk: e.id for pk, e in new.items() if e.data["channel_account_id"] in slow}
    if not causes:
        return {}
    return _ready(account_id, {str(min(causes.values())): (causes, now + ASK_UP_TO)}, now)


def _ready(
    account_id: int,
    asked: Mapping[str, tuple[Mapping[int, int], datetime]],
    now: datetime,
    *,
    is_heard: bool = True,
) -> dict[int, int]:
    """Of each timer, the tickets with what made them and how long they wait at most: those that wait no more. The others wait
    on under the same timers.

    `is_heard`: all that happened to them has been told; else a lane may have moved them into another one.
    """
    everything = {ticket_id for causes, _until in asked.values() for ticket_id in causes}
    unmoved = enroll.unmoved(account_id, "ticket", everything, now, with_unheard=not is_heard)
    ready: dict[int, int] = {}
    for key, (causes, until) in asked.items():
        wait = {pk: cause for pk, cause in causes.items() if now < until and pk in unmoved}
        ready |= {pk: cause for pk, cause in causes.items() if pk not in wait}
        if wait:
            rest = {"causes": list(wait.items()), "until": until.isoformat()}
            timers.set_timer(account_id, AFTER_WORKFLOWS, key, now + ASK_EVERY, rest)
    return ready


def _route_ready(account_id: int, ready: Mapping[int, int], now: datetime) -> None:
    if not ready:
        return
    made = assign.route(account_id, waiting.as_they_stand(account_id, ready), now, after_workflows=None)
    _give(made, ready, now)
    _tell_owners_who_are_away(account_id, made)
    tell_of_nobodys(account_id, made, ready)


def route_again(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT, when all are enrolled: what wakes, what is opened, and all that is routed after its own transaction.

    New tickets of channels that let workflows choose first (R-ROUTE-71); what customers answer whose owners are gone
    (R-ROUTE-54); what is reopened and nobody's, or of somebody who can't own it any more (R-REOPEN-3); what is taken out of
    Spam, restored, or parted from another, open and nobody's (R-CC-12, R-MERGE-8); and who waits (R-ROUTE-53).

    Their tickets are found first, then all held, by id, then what others lock after a ticket (who put it off, and its
    conversation), and only then types, as everywhere: who holds one of them and routes another one would wait for the
    types, and be waited for.
    """
    now = clock.now()
    answers = {e.data["ticket_id"]: e.id for e in events if _is_answer(e)}
    answered = rerouting.answered(account_id, answers, now) if answers else []
    open_again = {e.object_id: e.id for e in events if deciding.was_reopened(e)}
    reopened = rerouting.reopened(account_id, open_again, now) if open_again else []
    new = _after_workflows(account_id, events, now)
    back = {e.object_id: e.id for e in events if _is_back(e)}
    nobodys = waiting.of_nobody(account_id, back) if back else []
    if nobodys:  # what was reopened besides is routed as such, and what workflows may give away after them
        others = open_again.keys() | new.keys() | _undecided(account_id)
        nobodys = [pk for pk in nobodys if pk not in others]
    ended = waiting.for_nobody(account_id) if any(_is_of_another_plan(e) for e in events) else []
    waits, cause = _who_is_asked_for(account_id, events, now)
    routed = (*answered, *reopened, *waits)
    tickets.hold(account_id, {*new, *nobodys, *ended, *(one.ticket_id for one in routed)})
    lost = [one for one in reopened if one.leaving]
    ownerless = [one for one in reopened if one.leaving is None]
    snoozing.hear(account_id, events)
    opened = _open_tickets(account_id, events)  # routed when this transaction is over
    if sum(map(bool, (answered, lost, ownerless, new, nobodys, waits, opened))) > 1:
        loads.lock(account_id, loads.TYPES)
    waitmarks.leave(account_id, ended, now)
    _give(assign.route(account_id, answered, now, after_workflows=None), answers, now, is_over=True)
    _give(assign.route(account_id, lost, now, after_workflows=None), open_again, now, is_over=True)
    # What has left somebody counts for who got it, before the others are given away.
    loads.reconcile(account_id, [one.ticket_id for one in (*answered, *lost)], now)
    _give(assign.route(account_id, ownerless, now, after_workflows=None), open_again, now)
    _route_ready(account_id, new, now)
    if nobodys:
        asked = waiting.as_they_stand(account_id, nobodys)
        _give(assign.route(account_id, asked, now, after_workflows=None), back, now)
    _serve(account_id, waits, cause, now)


def _is_back(event: Event) -> bool:
    if event.kind == "ticket.restored":
        return True
    return event.object_type == "ticket" and event.data.get("changes", {}).get("is_spam") == [True, False]


#: After these somebody may be there, or have more room, for the tickets that wait (R-ROUTE-53).
FREEING = {
    "user.joined",
    "user.reactivated",
    "user.seat_changed",
    "user.role_changed",
    "user.super_admin_changed",
    "user.teams_changed",
    "role.updated",
    "team.updated",
    rules.CHANGED,
    capacity.CHANGED,
    capacity.SETTINGS_CHANGED,
    "user.skills_changed",
    "team.skills_changed",
    "skill_rules.updated",
}
#: Changes by which a ticket may count no more for its owner.
MAKING_ROOM = {"hs_is_closed", "hs_in_helpdesk", "is_spam"} | COUNTING_SOMEWHERE


#: After these somebody new, or back, lives by the account's working hours.
ARRIVING = {"user.added", "user.joined", "user.reactivated", "user.seat_changed"}


def give_hours(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: who has no working hours of their own works by the account's."""
    come = {e.object_id for e in events if e.kind in ARRIVING}
    if come:
        default_hours.have_come(account_id, come, clock.now())


def _who_is_asked_for(
    account_id: int, events: Sequence[Event], now: datetime
) -> tuple[list[NewTicket], int | None]:
    """Who waits and is asked for again, and what for: somebody has come, or may have room (R-ROUTE-53); or a contact has
    another owner, where that one gets its tickets (R-ROUTE-60)."""
    come = [e for e in events if e.kind in FREEING or _has_come(e) or _is_of_another_plan(e)]
    lighter = [] if come else [e for e in events if _makes_room(e)]
    owned = {} if come else {pk: e.id for e in events if (pk := _gets_another_owner(e))}
    if not (come or lighter or owned) or not waiting.is_anybody(account_id):
        return [], None
    if come or (lighter and capacity.binding(account_id).has_limits):
        return waiting.in_order(account_id, now), (come or lighter)[-1].id
    theirs = waiting.of_contacts(account_id, owned) if owned else []
    return waiting.in_order(account_id, now, only=theirs) if theirs else [], max(owned.values(), default=None)


def serve_the_rest(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """Tickets just put on a list, what one batch left over, channels that have opened, and what was kept too long. Safe to
    repeat."""
    now = max(clock.now(), *(timer.due_at for timer in due))  # the clock that rang may be before ours
    new = {ticket_id for timer in due for ticket_id in timer.payload.get("tickets", ())}
    asked = [(waiting.in_order(account_id, now, only=new), None)] if new else []
    for timer in due:
        channel = timer.payload.get("channel")
        if channel is not None:
            after = waiting.place_of(timer.payload)
            of_channel = waiting.in_order(account_id, now, channel=channel, after=after)
            asked.append((of_channel, timer.payload["event"]))
    # One after another: all their tickets are locked before any type, as everywhere.
    tickets.hold(account_id, new.union(one.ticket_id for some, _cause in asked for one in some))
    waitmarks.leave(account_id, new, now)
    if len(asked) > 1:
        loads.lock(account_id, loads.TYPES)
    for some, cause in asked:
        _serve(account_id, some, cause, now)


def _serve(account_id: int, asked: Sequence[NewTicket], cause: int | None, now: datetime) -> None:
    if not asked:
        return
    made = assign.route(account_id, asked, now, after_workflows=None, is_retry=True)
    waiting.go_on(account_id, asked, {a.ticket_id for a in made}, cause, now)
    _give(made, dict.fromkeys((a.ticket_id for a in made), cause), now)


def _makes_room(event: Event) -> bool:
    """Somebody may have dropped below their limit: a ticket was closed, put away, given to another, or counts less."""
    if event.kind not in COUNTING or event.kind == tickets.CREATED:
        return False
    changes = event.data.get("changes")
    if changes is None:
        return event.kind == "ticket.archived"
    return bool(MAKING_ROOM & set(changes)) or bool(changes.get("hubspot_owner_id", [None])[0])


def _gets_another_owner(event: Event) -> int | None:
    """The contact whose tickets may be for another owner now: their own, or that of whom they were merged with or parted
    from."""
    if event.object_type != "contact":
        return None
    if event.kind == "contact.unmerged":
        return int(event.data["after"]["parted"])
    _before, owner = (event.data.get("changes") or {}).get("hubspot_owner_id", (None, None))
    return event.object_id if owner or event.kind == "contact.merged" else None


def _is_of_another_plan(event: Event) -> bool:
    """Limits and skill rules bind by the plan alone (R-TIER-1)."""
    if event.kind != "account.updated":
        return False
    before, after = event.data["before"], event.data["after"]
    return any(before[name] != after[name] for name in ("plan", "features"))


def _has_come(event: Event) -> bool:
    return event.kind == availability.CHANGED and event.data["to"] == Status.AVAILABLE


def hand_on(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: what somebody owns who is no longer there goes to others at once, where its channel's rule says so
    (R-ROUTE-54). Before anything is held here that the timer's handler waits for."""
    gone = {e.object_id: e.id for e in events if _has_gone(e)}
    if gone and rerouting.is_wanted(account_id):
        now = clock.now()
        for user_id, event_id in sorted(gone.items()):
            timers.set_timer(account_id, rerouting.GONE, str(user_id), now, {"event": event_id, "after": 0})


def _has_gone(event: Event) -> bool:
    if event.kind == availability.CHANGED:
        return bool(event.data["to"] == Status.AWAY != event.data["from"])
    return event.kind == "user.deactivated"


def _is_answer(event: Event) -> bool:
    """A customer's own message in a conversation that has a ticket already."""
    said = event.data
    return (
        event.kind == threads.RECEIVED
        and bool(said["ticket_id"])
        and not said["opened"]
        and not said["unverified"]
        and said["automatic"] == Automatic.NO
        and said["sender"] == Sender.CONTACT
    )


def hand_on_at_once(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """A batch of what these users own; then the next one under the same timers (R-ROUTE-54). Safe to repeat."""
    now = clock.now()
    of_users = {int(timer.key): timer.payload for timer in due}
    after = {user_id: payload["after"] for user_id, payload in of_users.items()}
    asked = rerouting.owned_by(account_id, after, now)
    if len(asked) == rerouting.BATCH:
        for user_id, payload in of_users.items():
            rest = payload | {"after": max(after[user_id], asked[-1].ticket_id)}
            timers.set_timer(account_id, rerouting.GONE, str(user_id), now, rest)
    made = assign.route(account_id, asked, now, after_workflows=None)
    causes = {one.ticket_id: of_users[one.leaving.user_id]["event"] for one in asked if one.leaving}
    _give(made, causes, now, is_over=True)


def _give(
    made: Sequence[Assignment],
    causes: Mapping[int, int] | Mapping[int, int | None],
    now: datetime,
    *,
    is_over: bool = False,
) -> None:
    """Write the owners; those who have one already keep them unless `is_over`."""
    keep = () if is_over else ("owner_id",)
    changes = [
        Change(
            a.ticket_id, _assigned(a), only_if_empty=keep, rule="channel_routing",
            cause=Cause(event_id=causes[a.ticket_id]),
        )
        for a in made
        if a.user_id or a.team_ids or a.agent_key
    ]  # fmt: skip
    tickets.change_many(changes, by=Actor(ActorKind.ROUTING), at=now)


def _assigned(a: Assignment) -> dict[str, Any]:
    """R-ROUTE-49, R-ROUTE-50: the owner with their main team, or the teams that were asked."""
    if a.agent_key:
        return given_to(a.agent_key)
    values: dict[str, Any] = {"assigned_team_ids": list(a.team_ids)} if a.team_ids else {}
    return values | ({"owner_id": a.user_id} if a.user_id else {})


def _open_tickets(account_id: int, events: Sequence[Event]) -> list[int]:
    """Who answers a mail that was sent from their record opens a ticket where the channel makes them. Returns the new ones."""
    answered = {
        e.data["thread_id"]: e
        for e in events
        if e.kind == threads.RECEIVED and not e.data["ticket_id"] and not e.data["opened"] and not e.data["unverified"]
        and e.data["automatic"] == Automatic.NO and e.data["sender"] == Sender.CONTACT
    }  # fmt: skip
    return [
        conversations.make_ticket(thread_id, by=Actor(ActorKind.VISITOR, answered[thread_id].by.id))
        for thread_id in letters.wanting_tickets(answered)
    ]


IN_TRANSACTION: list[log.Hook] = [
    set_up_accounts,
    keeping.rest_beyond_plan,
    keeping.flag_disconnected,
    let_go_of_stages,
    follow_merged,
    count_loads,
    waitmarks.follow,
    route_handed_off,
    route_new_tickets,
]


def let_go_of_doors(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: who is deactivated is told nothing any more, by no browser and in no chat."""
    for event in events:
        if event.kind == "user.deactivated":
            reaching.let_go(account_id, event.object_id)


def notify(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: people hear of what concerns them."""
    said = {e.data["message_id"] for e in events if e.kind == replies.COMMENTED}
    about = {e.data["ticket_id"] for e in events if e.kind in NEWS and e.data.get("ticket_id")}
    nobodys = {e.object_id for e in events if deciding.is_nobodys(e) and not e.data.get("owner_id")}
    watchers = wishes.asking_for(account_id, Topic.UNASSIGNED) if nobodys else set()
    whom = Concerned(
        concerned.mentioned(account_id, said),
        concerned.followers(account_id, about),
        watchers,
        _undecided(account_id) | _answered_by_agents(nobodys) if watchers else (),
    )
    telling.tell(account_id, events, whom, away=availability.away)
    tasks_told.tell(account_id, events, away=availability.away)
    statuses.tell(account_id, events)
    failures.tell(account_id, events, away=availability.away)


def _undecided(account_id: int) -> set[int]:
    """New tickets that workflows may still give away (R-ROUTE-71); of those people hear when that is over."""
    waits = timers.waiting(account_id, AFTER_WORKFLOWS)
    return {ticket_id for payload in waits for ticket_id, _cause in payload["causes"]}


def _answered_by_agents(ticket_ids: Collection[int]) -> set[int]:
    """Those that wait for nobody (R-AI-14)."""
    found = Ticket.objects.filter(account_id=current_account_id(), pk__in=ticket_ids).exclude(ai_agent="")
    return set(found.values_list("pk", flat=True))


def tell_of_nobodys(account_id: int, made: Sequence[Assignment], causes: Mapping[int, int]) -> None:
    """What workflows were waited for, and nobody got, is news now."""
    nobodys = {causes[a.ticket_id] for a in made if not (a.user_id or a.agent_key) and a.ticket_id in causes}
    watchers = wishes.asking_for(account_id, Topic.UNASSIGNED) if nobodys else set()
    if watchers:
        events = dispatch.stored(account_id, nobodys, clock.now() - telling.OLD)
        telling.tell(account_id, events, Concerned(watchers=watchers), away=availability.away)


NEWS = {threads.RECEIVED, replies.SENT, replies.COMMENTED}


# ── after commit ─────────────────────────────────────────────────────────────────────────────────────────────────────

AFTER_COMMIT: list[dispatch.Subscriber] = [
    membership.follow,  # first: who enrolls by a segment meets the members of this moment
    enroll.enroll_matching,
    hooks.hear,
    waking.hear,
    leaving.hear,
    give_hours,
    hand_on,
    record_search.follow,
    message_search.follow,
    hearing.hear,
    let_go_of_doors,
    route_again,  # last of what waits for others: its locks are held until the commit
    notify,
    live.tell_pages,
]

RECOUNT = "routing.recount"


def recount_loads(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """Nightly: counters are compared with what they count; a drift is repaired and reported."""
    now = clock.now()
    drift = loads.recount(account_id, now)
    if drift:
        logger.warning("load counters had drifted", account=account_id, counters=len(drift))
    # Tickets that are too old to count leave room, too; asked for in a transaction of its own, since locks are held here.
    waits = [one.ticket_id for one in waiting.in_order(account_id, now)]
    if waits:
        timers.set_timer(
            account_id,
            waiting.DRAIN,
            f"recounted:{now.isoformat()}",
            now + waiting.ONCE_MORE,
            {"tickets": waits},
        )
    timers.set_timer(account_id, RECOUNT, "", now + timedelta(days=1))


SWEEP = "accounts.sweep"


def sweep_accounts(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """Nightly: sign-in attempts that no limit counts any more are forgotten, and what programs called a month ago."""
    now = clock.now()
    attempts.forget_old(now)
    request_log.trim(account_id, now)
    timers.set_timer(account_id, SWEEP, "", now + timedelta(days=1))


MONTHS = "events.months"


def make_months(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """Nightly: the log's next months are there before they begin."""
    now = clock.now()
    again = timedelta(days=1)
    try:
        with transaction.atomic():
            partitions.ensure(now)
    except OperationalError as failure:  # a backup, say, holds the log; there are months of time
        logger.warning("months of the log not made", error=str(failure))
        again = timedelta(hours=1)
    timers.set_timer(account_id, MONTHS, "", now + again)


TIMERS: dict[str, timers.Handler] = {
    availability.EDGE: availability.on_edges,
    rerouting.GONE: hand_on_at_once,
    AFTER_WORKFLOWS: ask_again,
    waiting.DRAIN: serve_the_rest,
    later.KIND: later.leave,
    snoozing.KIND: snoozing.on_due,
    tasks.REMINDER: tasks.on_due,
    digests.KIND: partial(digests.send_due, away=availability.away),
    RECOUNT: recount_loads,
    SWEEP: sweep_accounts,
    MONTHS: make_months,
    segments.SWEEP: membership.sweep,
    standing.SWEEP: enroll.sweep,
    schedules.FIRE: schedules.on_due,
    retention.NIGHTLY: retention.nightly,
    forgetting.NIGHTLY: forgetting.nightly,
    deliveries.NIGHTLY: deliveries.nightly,
    timing.OFF: timing.switch_off,
    waking.HEAR_AGAIN: waking.hear_again,
    timing.RATES: timing.look_at_rates,
    uses.LOOK: uses.look_again,
}


JOBS: dict[str, jobs.Handler] = {
    properties.FILL: filterable.fill,
    properties.CLAIM: claiming.fill,
    segments.FILL: membership.fill,
    enroll.INCLUDE_PRESENT: enroll.include_present,
    emptying.JOB: emptying.go_on,
    baseline.TAKE: enroll.take_baseline,
    baseline.FORGET: enroll.forget_matches,
    schedules.FIRE: schedules.go_on,
    retention.FORGET: retention.forget,
    forgetting.FORGET: forgetting.forget,
    pausing.RELEASE: pausing.release_rest,
    waking.RECALCULATE: waking.recalculate_rest,
    undo.JOB: undo.undo_rest,
    replays.JOB: replays.run,
    simulations.JOB: simulations.run,
    capacity.CHANGE_SETTINGS: capacity.change_settings,
}


def note_answers(answers: Sequence[Answered]) -> None:
    """What the other side said reaches the message it was about."""
    by_account: dict[int, list[Answered]] = defaultdict(list)
    for answer in answers:
        by_account[answer.entry.account_id].append(answer)
    for account_id, own in by_account.items():
        with account_scope(account_id):
            replies.note_answers(own)
            call_answers.note(account_id, own)
            live.signal(account_id, replies.signals_of(own))
            reaching.note(account_id, own)
            deliveries.note(account_id, own)
            alarms.not_sending(_not_leaving(own))


def write_mails(entries: Sequence[Entry]) -> dict[int, Written]:
    """The words of mail that automation sends, made before its first try and kept; the workflow hears of what can't be."""
    found = unwritten.write([entry.reference_id for entry in entries if entry.reference_id is not None])
    mailing.tell_unwritten([one for one in found.values() if isinstance(one, Unwritable)])
    return {
        entry.id: Invalid(one.why) if isinstance(one, Unwritable) else outgoing.words_of(one)
        for entry in entries
        if (one := found.get(entry.reference_id or 0))
    }


#: The try after which a mail that the server can't take just now is told of: about a quarter of an hour.
WAITS_LONG = 5


def _not_leaving(answers: Sequence[Answered]) -> list[int]:
    """The channel of each mail that does not leave, or not by itself; what the other side refused is told in its ticket."""
    return [
        answer.entry.channel_account_id
        for answer in answers
        if answer.entry.channel_account_id is not None
        and (
            answer.state == Sending.HELD
            or (answer.answer.verdict is Verdict.LATER and answer.entry.attempts == WAITS_LONG)
        )
    ]


def note_given_up(account_id: int, kind: str, _args: Mapping[str, Any]) -> None:
    """A slow job is tried no more."""
    log.record(
        "job.given_up", object_type="account", object_id=account_id, version=0, by=SYSTEM, data={"job": kind}
    )


def relay_for(account_id: int, channel_account_id: int | None) -> Relay | None:
    """The server that sends for a channel: its own, else the installation's.

    Where the installation has none, invitations and other mail of no channel leave by the default address's (R-MAIL-10):
    who has connected an address need not set up a second way out before the first colleague can be invited.
    """
    if channel_account_id is None:
        return default_relay() or _relays_of_defaults({account_id}).get(account_id)
    with account_scope(account_id):
        own = (
            EmailAccount.objects.filter(account_id=account_id, channel_account_id=channel_account_id)
            .exclude(smtp_host="")
            .first()
        )
    return relay_of(own) if own else default_relay()


def _relays_of_defaults(account_ids: Collection[int]) -> dict[int, Relay]:
    """The servers of the accounts' default addresses, where those have their own and it can be used."""
    found = EmailAccount.objects.select_related("channel_account").filter(
        account_id__in=account_ids, channel_account__is_default=True, channel_account__archived_at=None
    )
    relays: dict[int, Relay] = {}
    for mailbox in found.exclude(smtp_host=""):
        with contextlib.suppress(DeskhandError):  # a password that can't be read
            relays[mailbox.account_id] = replace(relay_of(mailbox), sender=mailbox.channel_account.address)
    return relays


def have_relay(pairs: Collection[Pair]) -> set[Pair]:
    """Those accounts and channels for which `relay_for` finds a server: two queries for all."""
    installations = _usable(default_relay)
    mailboxes = EmailAccount.objects.filter(
        channel_account_id__in={channel for _account, channel in pairs if channel is not None}
    ).exclude(smtp_host="")
    own = {(mailbox.account_id, mailbox.channel_account_id): mailbox for mailbox in mailboxes}
    bare = {account for account, channel in pairs if channel is None}
    defaults = _relays_of_defaults(bare) if bare and not installations else {}
    return {
        pair
        for pair in pairs
        if (_usable(partial(relay_of, own[pair])) if pair in own else installations)
        or (pair[1] is None and pair[0] in defaults)
    }


def _usable(relay: Callable[[], Relay | None]) -> Relay | None:
    """None for one account's unreadable password, or nobody's usable server."""
    try:
        return relay()
    except DeskhandError:
        return None


def transports() -> dict[str, Transport]:
    """The ways out."""
    to_phones = {way.key: way.transport() for way in channels.known.values()}
    return {
        "mail": MailTransport(relay_for, have_relay),
        calls.TRANSPORT: HttpTransport(),
        deliveries.TRANSPORT: deliveries.EventTransport(),
        push.TRANSPORT: PushTransport(reaching.private_key, reaching.contact),
        **to_phones,
    }


_connected = False


def connect() -> None:
    """Plug everything together; once per process. Every entry point calls it."""
    global _connected
    if _connected:
        return
    _connected = True
    log.in_transaction[:] = IN_TRANSACTION
    dispatch.after_commit[:] = AFTER_COMMIT
    timers.handlers.update(TIMERS)
    jobs.handlers.update(JOBS)
    sender.answers.append(note_answers)
    sender.writers[outgoing.REFERENCE] = write_mails
    unwritten.author = mailing.write
    jobs.given_up += [note_given_up, replays.note_given_up, simulations.note_given_up]
    segments.users[:] = [
        uses.segments, custom_views.asking_for_segments, portals.asking_for_segments, skill_sets.asking_for_segments,
    ]  # fmt: skip
    objects.users[:] = [
        uses.object_types, integrations.asking_for_kind, custom_views.asking_for_kind, portals.asking_for_kind,
        skill_sets.asking_for_kind,
    ]  # fmt: skip
    labeling.users[:] = [
        uses.labels, custom_views.asking_for_labels, portals.asking_for_labels, skill_sets.asking_for_labels,
    ]  # fmt: skip


def disconnect() -> None:
    """Unplug everything; for tests that look at one area alone."""
    global _connected
    _connected = False
    log.in_transaction.clear()
    dispatch.after_commit.clear()
    timers.handlers.clear()
    jobs.handlers.clear()
    sender.answers.clear()
    sender.writers.clear()
    unwritten.author = unwritten.nobody
    jobs.given_up.clear()
    segments.users.clear()
    labeling.users.clear()
    objects.users.clear()


# ── the worker ───────────────────────────────────────────────────────────────────────────────────────────────────────

QUEUES: dict[str, Callable[[], BatchClaimer[Any]]] = {
    "mail": inbound.InboundClaimer,
    "portal": posting.PostClaimer,
    "forms": submitting.SubmissionClaimer,
    "events": dispatch.Dispatcher,
    "automation": runner.Runner,
    "timers": timers.TimerLoop,
}
#: Loops beside each other, where one waits for the database while the other thinks; one is the rule.
LOOPS = {"automation": 2}
CODE_LOOPS = 2  # runs of people's code beside each other in one process


def run_worker(
    *, stop: threading.Event, roles: set[str], smtp_port: int | None = None, lmtp_port: int | None = None
) -> None:
    """Run the queues (`worker`), people's code (`code`) and the doors for mail (`mail-in`) until `stop`; the batches in
    hand are finished.

    A part that fails ends all, so that whoever looks after the process starts it anew: half a worker looks healthy.
    Raises what ended it; Misconfigured when a port can't be had.
    """
    connect()
    if "worker" in roles:
        _make_months_at_start()
    failures: list[Exception] = []
    threads = [
        threading.Thread(target=_run_part, name=name, args=[run, stop, failures])
        for name, run in _parts(stop, roles, smtp_port, lmtp_port).items()
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()
    wake.shut()
    for failure in failures:
        raise failure


def _run_part(run: Callable[[], None], stop: threading.Event, failures: list[Exception]) -> None:
    try:
        run()
    except Exception as failure:
        logger.exception("part of the worker failed", part=threading.current_thread().name)
        failures.append(failure)
    finally:
        stop.set()


def _make_months_at_start() -> None:
    """The nightly timer may have slept for months. An unreachable database is no reason to give up."""
    try:
        partitions.ensure(clock.now())
    except DatabaseError as failure:
        logger.warning("months of the log not made", error=str(failure))
    finally:
        connection.close()


def _tell(hearers: Sequence[Callable[[str], None]], name: str) -> None:
    for hear in hearers:
        hear(name)


def _parts(
    stop: threading.Event, roles: set[str], smtp_port: int | None, lmtp_port: int | None
) -> dict[str, Callable[[], None]]:
    parts: dict[str, Callable[[], None]] = {}
    hearers: list[Callable[[str], None]] = []
    if "code" in roles and settings.CUSTOM_CODE:
        codes = [coderuns.CodeLoop(stop) for _n in range(CODE_LOOPS)]
        hearers += [loop.hear for loop in codes]
        parts |= {f"code-{n}": loop.run for n, loop in enumerate(codes)}
    if "worker" in roles:
        loops = {
            f"{name}-{n}" if n else name: ClaimLoop(make(), stop)
            for name, make in QUEUES.items()
            for n in range(LOOPS.get(name, 1))
        }
        out = sender.Sender(transports())
        slow = jobs.JobLoop(stop)
        hearers += [*(loop.hear for loop in loops.values()), out.hear, slow.hear]
        parts |= {name: loop.run for name, loop in loops.items()}
        parts["sender"] = lambda: out.run(stop)
        parts["jobs"] = slow.run
    if hearers:
        parts["listen"] = lambda: wake.listen(lambda name: _tell(hearers, name), stop)
    if "mail-in" in roles:
        from deskhand.channels.email import imap, listener  # late: a web process has no doors

        door = listener.Listener(smtp_port=smtp_port, lmtp_port=lmtp_port)
        parts["door"] = lambda: door.run(stop)
        parts["imap"] = lambda: imap.run_pollers(stop)
    return parts
