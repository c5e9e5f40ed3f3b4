"""An office to open the screens of: accounts with roles, people to sign in as, and no scope left open."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import roles
from deskhand.accounts.models import Membership, User
from deskhand.automation import workflows
from deskhand.automation.engine.definition import Action, Definition, Edge, WhenTrue
from deskhand.automation.enrolling import baseline
from deskhand.automation.models import Baseline, Workflow
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import StageState
from deskhand.crm.pipelines.pipelines import StageRow
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema.types import Kind
from deskhand.desk import threads
from deskhand.desk.models import Message
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import World, make_world, rows_of


def queries_of(client: Client, path: str, **more: Any) -> int:
    """How many statements it takes to show a page."""
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path, **more).status_code == 200
    return len(seen)


def selected(answer: HttpResponse) -> list[tuple[str, str]]:
    """What is chosen in the lists of a page or a part of one: values with their words."""
    page = html.unescape(answer.content.decode())
    return re.findall(r'<option value="([^"]*)"[^>]* selected[^>]*>([^<]*)</option>', page)


def text_of(page: str) -> str:
    """What people read of a page or a part of one, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def options(page: str, field: str) -> list[tuple[str, str, bool]]:
    """What the list with this id offers: values, words, and which is chosen; without the empty one."""
    (offered,) = re.findall(rf'(?s)<select [^>]*id="{field}".*?</select>', page)
    found = re.findall(r'<option value="([^"]+)"( selected)?[^>]*>([^<]*)</option>', html.unescape(offered))
    return [(value, label, bool(chosen)) for value, chosen, label in found]


@dataclass
class Office:
    """An account as the screens find it."""

    world: World
    at: datetime

    @contextmanager
    def inside(self) -> Iterator[World]:
        with account_scope(self.world.account.pk):
            yield self.world

    def mail(self, subject: str = "Refund still missing", **more: Any) -> Ticket:
        """A customer writes; the ticket that comes of it."""
        values = {
            "external_id": f"{subject}@fjallbo.example",
            "sender": Mailbox("astrid@fjallbo.example", "Astrid Lindqvist"),
            "subject": subject,
            "text": "Where is my money?",
            "received_at": self.at,
        } | more
        with self.inside() as world:
            received = threads.receive(Incoming(world.channel.pk, InboundMessage(**values)), at=self.at)
            return Ticket.objects.get(pk=received.ticket_id)

    def messages(self, ticket: Ticket) -> list[Message]:
        with self.inside():
            return list(Message.objects.filter(ticket_id=ticket.pk).order_by("id"))

    def again(self, ticket: Ticket) -> Ticket:
        with self.inside():
            return Ticket.objects.get(pk=ticket.pk)

    def role(self, user: User, key: str = "", **given: Any) -> None:
        """Give somebody a preset role, or one that allows just this."""
        with self.inside() as world:
            account = world.account
            role = roles.preset(account.pk, key) if key else None
            if role is None:
                role = roles.Role.objects.create(account=account, name=f"of {user.pk}", permissions=given)
            Membership.objects.filter(account=account, user=user).update(role=role)


def make_office(at: datetime, slug: str) -> Office:
    return Office(make_world(slug), at)


def add_statuses(office: Office, count: int) -> str:
    """That many more in the first pipeline, as the options of a list."""
    with office.inside() as world:
        pipeline = pipelines.find("ticket", world.tickets.default.id)
        added = [StageRow(f"Station {number}", StageState.OPEN, "blue") for number in range(count)]
        pipelines.arrange_stages(pipeline, [*rows_of(pipeline), *added], by=SYSTEM)
        found = pipeline.stages.filter(label__startswith="Station ").order_by("display_order")
        return "".join(f'<option value="{one.pk}">{one.label}</option>' for one in found)


def being_switched_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    """A workflow of which one of three records is looked up; `look_up` does what the slow job does next (R-WF-20)."""
    monkeypatch.setattr(baseline, "STEP", 1)
    is_high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    task = Action("1", "create_task", {"title": "Call", "assignee": "owner"})
    definition = Definition("ticket", WhenTrue(is_high), start=Edge("1"), steps=(task,), next_id=2)
    with office.inside() as world:
        for number in range(3):
            world.ticket(f"T {number}", priority="HIGH")
        made = workflows.create(world.account.pk, "Triage", definition, by=world.ada.pk)
        return workflows.switch(made, True, by=world.ada.pk)


def look_up(office: Office, workflow: Workflow) -> None:
    with office.inside():
        kept = Baseline.objects.get(workflow=workflow)
        baseline.go_on(workflow.account_id, workflow.pk, kept.pk, zone_named("UTC"))


@pytest.fixture(autouse=True)
def at_once(settings: Any) -> None:
    """Replies leave when they are sent; the tests of taking them back wait."""
    settings.UNDO_SEND_SECONDS = 0


@pytest.fixture
def office(db: None, noon: datetime) -> Office:
    return make_office(noon, "nordlys")


@pytest.fixture
def neighbour(db: None, noon: datetime) -> Office:
    """Another account on the same server."""
    return make_office(noon, "fjord")


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    def of(user: User, **more: Any) -> Client:
        client = Client(**more)
        client.force_login(user)
        return client

    return of


@pytest.fixture
def ada(office: Office, sign_in: Callable[[User], Client]) -> Client:
    """A Super Admin, signed in: rules of pipelines don't bind her (R-RULE-4)."""
    return sign_in(office.world.ada)


@pytest.fixture
def grace(office: Office, sign_in: Callable[[User], Client]) -> Client:
    """An agent, signed in."""
    return sign_in(office.world.grace)
