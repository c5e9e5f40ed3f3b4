"""A ticket of nobody's that comes back, from the deleted ones or out of another one, is routed (R-MERGE-8, R-CC-12)."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.accounts.models import Team
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.desk import merging, spam
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.routing import availability, rules
from deskhand.routing.models import Decision, WaitingTicket
from deskhand.routing.types import Option, Status


def arrive(world: Any, *names: str) -> list[int]:
    new = [NewTicket(name, channel_account_id=world.channel.pk) for name in names]
    ids = [made.id for made in tickets.create_many(new, by=SYSTEM)]
    tell()
    return ids


def tell() -> None:
    run_hooks()
    while Dispatcher().run_once():
        pass
    run_hooks()


def grace_comes(world: Any) -> None:
    availability.set_by_hand(world.account.pk, world.grace.pk, Status.AVAILABLE, by=SYSTEM)
    tell()


def owner_of(ticket_id: int) -> int | None:
    return Ticket.objects.get(pk=ticket_id).owner_id


def decided(ticket_id: int) -> int:
    return Decision.objects.filter(ticket_id=ticket_id).count()


@pytest.fixture
def office(world: Any, wired: None) -> Any:
    """The channel's tickets go to Grace, who is away."""
    rules.set_rule(
        world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.grace.pk], by=SYSTEM, wait_list=True
    )  # fmt: skip
    tell()
    yield world
    tell()


def delete_and_restore(world: Any, ticket_id: int, meanwhile: Any) -> None:
    tickets.archive([ticket_id], by=SYSTEM)
    tell()
    meanwhile()
    tickets.restore([ticket_id], by=SYSTEM)
    tell()


def merge_and_part(world: Any, ticket_id: int, meanwhile: Any) -> None:
    [other] = arrive(world, "Other")
    made = merging.merge(other, ticket_id, by=Actor.user(world.ada.pk))
    tell()
    meanwhile()
    merging.unmerge(made.pk, by=Actor.user(world.ada.pk))
    tell()


BACK = pytest.mark.parametrize("back_again", [delete_and_restore, merge_and_part])


@BACK
def test_what_waited_is_given_to_who_came_meanwhile(office, back_again):
    """R-MERGE-8, R-ROUTE-53: it had left the list, and nobody would ask for it any more."""
    [waited] = arrive(office, "A")

    back_again(office, waited, lambda: grace_comes(office))

    assert owner_of(waited) == office.grace.pk
    assert decided(waited) == 2  # nobody at first


@BACK
def test_what_nobody_can_take_waits_again(office, back_again):
    """R-ROUTE-53."""
    [waited] = arrive(office, "A")

    back_again(office, waited, lambda: None)

    assert owner_of(waited) is None
    assert WaitingTicket.objects.filter(ticket_id=waited).exists()
    assert decided(waited) == 2


@BACK
def test_what_has_an_owner_keeps_it(office, back_again):
    """R-ROUTE-71: nothing is decided about it."""
    [own] = arrive(office, "A")
    tickets.assign(own, owner_id=office.bob.pk, by=Actor.user(office.ada.pk))
    tell()

    back_again(office, own, lambda: grace_comes(office))

    assert owner_of(own) == office.bob.pk
    assert decided(own) == 1


def give_to_team(world: Any, ticket_id: int) -> None:
    others = Team.objects.create(account=world.account, name="Billing")
    tickets.assign(ticket_id, owner_id=None, team_ids=[others.pk], by=Actor.user(world.ada.pk))


def close(world: Any, ticket_id: int) -> None:
    closed = next(stage for stage in pipelines_of("ticket").default.stages if not stage.is_open)
    tickets.move(ticket_id, to=closed.id, by=SYSTEM)


@BACK
@pytest.mark.parametrize("before", [give_to_team, close])
def test_what_is_a_teams_or_closed_is_left_alone(office, back_again, before):
    """R-ROUTE-6, R-ROUTE-16."""
    [one] = arrive(office, "A")
    before(office, one)
    tell()

    back_again(office, one, lambda: grace_comes(office))

    assert owner_of(one) is None
    assert decided(one) == 1


def test_what_is_restored_reopened_and_no_spam_at_once_is_routed_once(office):
    """R-REOPEN-3, R-CC-12."""
    [one] = arrive(office, "A")
    close(office, one)
    tell()
    spam.mark(one, by=Actor.user(office.ada.pk))
    tell()
    tickets.archive([one], by=SYSTEM)
    tell()

    tickets.restore([one], by=SYSTEM)
    spam.unmark(one, by=Actor.user(office.ada.pk))
    tickets.move(one, to=office.stage("New"), by=SYSTEM)
    tell()

    assert decided(one) == 2
    assert WaitingTicket.objects.filter(ticket_id=one).exists()
