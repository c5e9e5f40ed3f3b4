"""Ada, Bob and Cat are main members of team X with seats; Eve is an extra member; Nils has no seat (A, B, C, E, N)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from deskhand.accounts.models import Account, Membership, Role, Team, TeamMember, User
from deskhand.accounts.permissions import PRESETS
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import Ticket
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.routing import assign, availability
from deskhand.routing.models import RoutingRule
from deskhand.routing.types import Assignment, NewTicket, Option, Status
from deskhand.testing.counting import assert_counted
from deskhand.testing.fixtures import NOON

MAIL, CHAT = 71, 72  # channel accounts


@dataclass
class Desk:
    account: Account
    role: Role
    users: dict[str, int] = field(default_factory=dict)
    teams: dict[str, int] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return self.account.pk

    def __getattr__(self, name: str) -> int:
        try:
            return self.users[name]
        except KeyError:
            raise AttributeError(name) from None

    def person(self, name: str, *, seat: bool = True, active: bool = True, role: bool = True) -> int:
        user = User.objects.create(
            username=f"{name}.{self.account.slug}",
            email=f"{name}@{self.account.slug}.example",
            name=name.title(),
            sort_key=name,
        )
        Membership.objects.create(
            account=self.account, user=user, has_seat=seat, is_active=active, role=self.role if role else None
        )
        self.users[name] = user.pk
        return user.pk

    def team(self, name: str, *, main: Sequence[str] = (), extra: Sequence[str] = ()) -> int:
        team = Team.objects.create(account=self.account, name=name)
        for member in (*main, *extra):
            TeamMember.objects.create(
                account=self.account, team=team, user_id=self.users[member], is_main=member in main
            )
        self.teams[name] = team.pk
        return team.pk

    def member(self, name: str) -> Membership:
        return Membership.objects.get(account=self.account, user_id=self.users[name])

    def set(self, status: Status, *names: str, now: datetime | None = None) -> None:
        for name in names:
            availability.set_by_hand(
                self.id, self.users[name], status, by=Actor.user(self.users[name]), now=now or clock.now()
            )

    def rule(
        self, channel: int = MAIL, option: Option = Option.USERS_AND_TEAMS, **choices: Any
    ) -> RoutingRule:
        return RoutingRule.objects.create(
            account_id=self.id, channel_account_id=channel, option=option, updated_at=clock.now(), **choices
        )

    def tickets(self, count: int, **columns: Any) -> list[int]:
        """Tickets straight into the table, as fast as the tests need them."""
        pipeline = pipelines_of("ticket").default
        now = clock.now()
        ids = sql.ids("crm_ticket", count)
        given = {
            "created_at": now, "updated_at": now, "sort_at": now, "stage_entered_at": now, "subject": "Question",
            "pipeline_id": pipeline.id, "stage_id": pipeline.first_open.id, "channel_account_id": MAIL, **columns,
        }  # fmt: skip
        Ticket.objects.bulk_create([Ticket(id=pk, number=pk, account_id=self.id, **given) for pk in ids])
        return ids

    def route(self, ticket_ids: Sequence[int], **more: Any) -> list[Assignment]:
        """Route, and write the owners as the caller of `route` does."""
        channel, kind = more.pop("channel", MAIL), more.pop("ticket_type", "EMAIL_OTHER")
        owner = more.pop("contact_owner_id", None)
        new = [NewTicket(pk, channel, kind, owner) for pk in ticket_ids]
        made = assign.route(self.id, new, more.pop("now", clock.now()), **more)
        write_owners(made, clock.now())
        return made

    def arrivals(self, count: int = 1, **more: Any) -> list[int | None]:
        """New tickets, routed one by one; who got them."""
        kind = more.get("ticket_type", "EMAIL_OTHER")
        new = self.tickets(count, ticket_type=kind)
        return [self.route([pk], **more)[0].user_id for pk in new]


def write_owners(made: Sequence[Assignment], at: datetime) -> None:
    for one in made:
        if one.user_id or one.team_ids:
            Ticket.objects.filter(pk=one.ticket_id).update(
                owner_id=one.user_id,
                assigned_team_ids=list(one.team_ids),
                owner_assigned_at=at if one.user_id else None,
            )


def make_desk(slug: str = "nordlys") -> Desk:
    account = Account.objects.create(slug=slug, name=slug.title())
    with account_scope(account.pk):
        pipelines.ensure_defaults(account.pk)
        made = Desk(account, Role.objects.create(account=account, name="Agent", permissions=PRESETS["agent"]))
        for name in ("ada", "bob", "cat", "eve"):
            made.person(name)
        made.person("nils", seat=False)
        made.team("X", main=["ada", "bob", "cat", "nils"], extra=["eve"])
    return made


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the counters are what a recount would make them, but where it is about those that are not.

    In place of `testing.counting.counted`: here it is so without anything plugged together, too.
    """
    marker = request.node.get_closest_marker("django_db")
    if request.node.get_closest_marker("drifts") or not (
        marker or {"db", "desk"} & set(request.fixturenames)
    ):
        yield
        return
    is_committing = marker is not None and marker.kwargs.get("transaction")
    request.getfixturevalue("transactional_db" if is_committing else "db")
    yield
    with clock.stopped(NOON):
        assert_counted()


@pytest.fixture
def desk(db: None) -> Iterator[Desk]:
    """A desk at Monday noon, inside its scope; everybody is available."""
    with clock.stopped(NOON):
        made = make_desk()
        with account_scope(made.id):
            made.set(Status.AVAILABLE, *made.users)
            yield made
