"""The world of the tests and the demo: factories with defaults, and the people everybody knows.

Ada, Grace and Bob are agents with seats in the team Support; Eve is an extra member of it; Nils has no seat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskhand.accounts import roles, users
from deskhand.accounts.models import Account, Membership, Team, TeamMember, User
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.pipelines import StageRow
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineSet
from deskhand.crm.records import contacts, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Contact, Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import account_scope


@dataclass
class World:
    """One account with its people; everything is made inside its scope."""

    account: Account
    team: Team
    ada: User
    grace: User
    bob: User
    eve: User
    nils: User
    channel: ChannelAccount

    @property
    def tickets(self) -> PipelineSet:
        return pipelines_of("ticket")

    def stage(self, label: str) -> int:
        return next(s.id for p in self.tickets.pipelines for s in p.stages if s.label == label)

    def contact(self, email: str = "astrid@fjallbo.example", name: str = "Astrid Lindqvist") -> Contact:
        return contacts.create(Person(email, name), by=SYSTEM)

    def ticket(self, subject: str = "Refund still missing", *, by: Actor = SYSTEM, **more: Any) -> Ticket:
        stage = more.pop("stage", None)
        if stage:
            more["stage_id"] = self.stage(stage)
        made = tickets.create(NewTicket(subject, **more), by=by)
        return Ticket.objects.get(pk=made.id)


def rows_of(pipeline: Pipeline) -> list[StageRow]:
    """The statuses of a pipeline as who arranges them finds them."""
    stages = pipeline.stages.order_by("display_order", "label", "id")
    return [StageRow(one.label, StageState(one.state), one.tone, one.pk) for one in stages]


def add_stage(pipeline: Pipeline, label: str, state: StageState, *, by: Actor = SYSTEM) -> Stage:
    """One more status, at the end."""
    pipelines.arrange_stages(pipeline, [*rows_of(pipeline), StageRow(label, state, "blue")], by=by)
    return Stage.objects.get(pipeline=pipeline, label=label)


def make_user(
    account: Account,
    name: str,
    *,
    seat: bool = True,
    super_admin: bool = False,
    team: Team | None = None,
    main: bool = True,
) -> User:
    username = name.split()[0].lower()
    user, _ = User.objects.get_or_create(
        username=f"{username}-{account.slug}" if account.slug != "demo" else username,
        defaults={
            "email": f"{username}@{account.slug}.example",
            "name": name,
            "sort_key": users.sort_key(name),
        },
    )
    Membership.objects.create(
        account=account,
        user=user,
        has_seat=seat,
        is_super_admin=super_admin,
        hue=(user.pk * 47) % 360,
        role=roles.preset(account.pk, "agent" if seat else "light_agent"),
    )
    if team:
        TeamMember.objects.create(account_id=account.pk, team=team, user=user, is_main=main)
    return user


def make_world(slug: str = "nordlys", **account: Any) -> World:
    made = Account.objects.create(slug=slug, name=account.pop("name", slug.title()), **account)
    with account_scope(made.pk):
        roles.create_presets(made)
        pipelines.ensure_defaults(made.pk)
        desk = inboxes.ensure_defaults(made.pk)
        team = Team.objects.create(account=made, name="Support")
        ada = make_user(made, "Ada Lovelace", super_admin=True, team=team)
        grace = make_user(made, "Grace Hopper", team=team)
        bob = make_user(made, "Bob Noyce", team=team)
        eve = make_user(made, "Eve Curie", team=team, main=False)
        nils = make_user(made, "Nils Bohr", seat=False, team=team)
        channel = inboxes.add_channel_account(
            desk, channel="email", name="Support", address=f"support@{slug}.example"
        )
    return World(made, team, ada, grace, bob, eve, nils, channel)
