"""The world of the tests and the demo: factories with defaults, and the people everybody knows.

Ada, Grace and Bob are agents with seats in the team Support; Eve is an extra member of it; Nils has no seat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deskhand.accounts import roles
from deskhand.accounts.models import Account, Membership, Role, Team, TeamMember, User
from deskhand.accounts.users import sort_key
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
    return make_users(account, [NewUser(name, seat, super_admin, main)], team)[0]


@dataclass(frozen=True)
class NewUser:
    name: str
    seat: bool = True
    super_admin: bool = False
    main: bool = True  # whether the team is their main one


def make_users(account: Account, people: Sequence[NewUser], team: Team | None = None) -> list[User]:
    """Each with what belongs to them, in as many statements for many as for one."""
    named = {_username(account, one.name): one for one in people}
    users = {one.username: one for one in User.objects.filter(username__in=named)}
    new = [
        User(
            username=username, email=f"{_first_name(one.name)}@{account.slug}.example", name=one.name,
            sort_key=sort_key(one.name),
        )
        for username, one in named.items() if username not in users
    ]  # fmt: skip
    users |= {one.username: one for one in User.objects.bulk_create(new)}
    presets = {role.key: role for role in Role.objects.filter(account=account)}
    Membership.objects.bulk_create(
        Membership(
            account=account, user=users[username], has_seat=one.seat, is_super_admin=one.super_admin,
            hue=(users[username].pk * 47) % 360, role=presets.get("agent" if one.seat else "light_agent"),
        )
        for username, one in named.items()
    )  # fmt: skip
    if team:
        TeamMember.objects.bulk_create(
            TeamMember(account_id=account.pk, team=team, user=users[username], is_main=one.main)
            for username, one in named.items()
        )
    return [users[username] for username in named]


def _username(account: Account, name: str) -> str:
    first = _first_name(name)
    return first if account.slug == "demo" else f"{first}-{account.slug}"


def _first_name(name: str) -> str:
    return name.split()[0].lower()


PEOPLE = (
    NewUser("Ada Lovelace", super_admin=True),
    NewUser("Grace Hopper"),
    NewUser("Bob Noyce"),
    NewUser("Eve Curie", main=False),
    NewUser("Nils Bohr", seat=False),
)


def make_world(slug: str = "nordlys", **account: Any) -> World:
    made = Account.objects.create(slug=slug, name=account.pop("name", slug.title()), **account)
    with account_scope(made.pk):
        roles.create_presets(made)
        pipelines.ensure_defaults(made.pk)
        desk = inboxes.ensure_defaults(made.pk)
        team = Team.objects.create(account=made, name="Support")
        ada, grace, bob, eve, nils = make_users(made, PEOPLE, team)
        channel = inboxes.add_channel_account(
            desk, channel="email", name="Support", address=f"support@{slug}.example"
        )
    return World(made, team, ada, grace, bob, eve, nils, channel)
