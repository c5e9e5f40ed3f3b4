"""Works inside an installation: `Product.python("from tests.upgrade.works import begin; …")`.

Each workflow has a ticket of its name; so what each left is known without anybody's number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from deskhand import wiring
from deskhand.accounts import accounts, policy, users
from deskhand.accounts.models import Account, User
from deskhand.automation import integrations, workflows
from deskhand.automation.engine.definition import (
    Action,
    Case,
    Definition,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    Manual,
    OutputOf,
    Reenrollment,
    Step,
    UntilEvent,
    ValueEquals,
    WhenTrue,
    WhileInside,
)
from deskhand.automation.enrolling import baseline, by_hand
from deskhand.automation.models import Workflow
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Contact, Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema.types import Kind
from deskhand.desk import inboxes
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope

HOUR = Delay("2", ForAmount(timedelta(hours=1)), Edge("3"))
BUSY_STEPS = 30  # more than a run takes in one transaction
#: The title of the task that can't be made before the upgrade, and of the one that takes until the kill.
STUMBLING, HANGING = "Stumble", "Step 25"
CAPTAINS = ("first@upgrade.example", "last@upgrade.example")
ONCE = Reenrollment()
QUEUE = Reenrollment(is_on=True, while_inside=WhileInside.QUEUE)


def begin(hook: str, erp: str) -> None:
    """Let runs go into each kind of waiting. `hook` and `erp` are addresses of two other systems."""
    with office() as (account_id, user_id):
        integrations.add(
            account_id, "Erp", {"url": erp, "outputs": [{"name": "booked", "value": "string"}]}, by=SYSTEM
        )
        booked = ValueEquals("3", OutputOf("2", "booked"), (Case("yes", Edge("4")),))
        answered = ValueEquals("3", OutputOf("2", "status"), (Case("200", Edge("4")),))
        moved = UntilEvent(EventMatch("ticket.moved"))
        call = {"url": hook, "waits": True}
        _enrolled("Delay", _task("1", "2"), HOUR, _task("3"))
        _enrolled("Event", _task("1", "2"), Delay("2", moved, Edge("3")), _task("3"))
        _enrolled("Queue", _task("1", "2"), HOUR, _task("3"), again=QUEUE, times=2)
        _enrolled("Stumble", _task("1", "2"), _task("2", "3", STUMBLING), _task("3"))
        _enrolled("Hook", _task("1", "2"), Action("2", "send_webhook", call, Edge("3")), answered, _task("4"))
        _enrolled(
            "Erp", _task("1", "2"), Action("2", "custom_action", {"integration": "Erp"}, Edge("3")), booked, _task("4")
        )  # fmt: skip
        _enrolled(
            "Mail", _task("1", "2"), Action("2", "internal_email", {"users": [user_id], "subject": "Upgrade"}, Edge("3")), _task("3")
        )  # fmt: skip
        _enrolled("Pause", _task("1", "2"), _task("2"), pauses=True)


def press_on() -> None:
    """Begin what the kill will meet half done: a slow job over many records, and runs with many steps."""
    with office() as (account_id, _user_id):
        _add_crew(account_id)
        captain = Filter("jobtitle", Kind.TEXT, Operator.ANY_OF, ("Captain",))
        greeted = Definition("contact", WhenTrue(captain), start=Edge("1"), steps=(_task("1"),), next_id=2)
        made = workflows.create(account_id, "Crew", greeted)
        workflows.switch(made, True, include_present=True)
        steps = [_task(str(n), str(n + 1)) for n in range(1, BUSY_STEPS)]
        _enrolled("Busy", *steps, _task(str(BUSY_STEPS)))


def go_on() -> None:
    """What people do after the upgrade: one moves a ticket, one lets a paused workflow go on."""
    with office() as (account_id, _user_id):
        closed = pipelines_of("ticket").default.stages[-1].id
        tickets.move(Ticket.objects.get(account_id=account_id, subject="Event").pk, to=closed, by=SYSTEM)
        workflows.resume(Workflow.objects.get(account_id=account_id, name="Pause"))


@contextmanager
def office() -> Iterator[tuple[int, int]]:
    """The scope of the one account, with its id and its admin's; both are made at the first time."""
    wiring.connect()
    account = Account.objects.first() or accounts.create(slug="desk", name="Fjällbo")
    with account_scope(account.pk):
        user = User.objects.first()
        if user is None:
            user = users.create(email="ada@desk.test", name="Ada Lovelace", password="correct horse battery")
            users.add_to_account(account.pk, user.pk, is_super_admin=True, by=SYSTEM)
            channel = {"channel": "email", "name": "Support", "address": "support@desk.test"}
            inboxes.add_channel_account(inboxes.ensure_defaults(account.pk), **channel)
        yield account.pk, user.pk


def _task(step_id: str, after: str = "", title: str = "") -> Action:
    settings = {"title": title or f"Step {step_id}"}
    return Action(step_id, "create_task", settings, Edge(after) if after else None)


def _enrolled(
    name: str, *steps: Step, again: Reenrollment = ONCE, times: int = 1, pauses: bool = False
) -> None:
    """A workflow that is on, with a ticket of its name inside."""
    with office() as (account_id, user_id):
        definition = Definition(
            "ticket", Manual(), again, start=Edge("1"), steps=steps, next_id=len(steps) + 1
        )
        made = workflows.switch(workflows.create(account_id, name, definition), True)
        if pauses:
            workflows.pause(made)
        ticket = tickets.create(NewTicket(name, source_type="CHAT"), by=SYSTEM)
        viewer = policy.viewer_for(account_id, user_id)
        for _time in range(times):
            assert by_hand.enroll_by_hand(viewer, made.pk, [ticket.id]).enrolled


def _add_crew(account_id: int) -> None:
    """More contacts than one page of the slow job; the first and the last of them are captains."""
    now, names = clock.now(), [f"c{n}@upgrade.example" for n in range(baseline.STEP)]
    Contact.objects.bulk_create(
        Contact(
            account_id=account_id, email=email, name=email, sort_key=email, created_at=now, updated_at=now,
            properties={"jobtitle": "Captain"} if email in CAPTAINS else {},
        )
        for email in (CAPTAINS[0], *names, CAPTAINS[1])
    )  # fmt: skip
