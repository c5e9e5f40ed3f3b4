"""A thousand tickets at once for fifty people with limits of every sort, who come and go; routers die by kill -9 meanwhile.

Afterwards nobody has more than their limit, no ticket was given twice or forgotten, each kept choice is the one that its
strategy makes again, and the counters are what a recount would make them (R-ROUTE-26, R-ROUTE-53, R-CAP-6).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deskhand.bench.harness import Result, percentiles, scratch
from deskhand.bench.kills import at_once, dying

if TYPE_CHECKING:
    from deskhand.routing.models import Decision

AGENTS, TICKETS, ROUTERS, MOST_AT_ONCE = 50, 1_000, 8, 9
KILLS = 10  # of one seed, at most
LETHAL = 0.5  # how likely a process is one to be killed
STATEMENTS = 400  # the last one at which it may be
FLIPS, CLOSINGS = 60, 40
REPLAYED = 25  # choices of one seed that are made again
PATIENCE = 240.0  # seconds
MAIL, CHAT = 1, 2  # channel accounts


@dataclass(frozen=True)
class Office:
    account_id: int
    agents: tuple[int, ...]
    tickets: tuple[int, ...]


def run(seeds: int = 200, seed: int | None = None) -> Result:
    """As many seeds as asked for, from this one on. `details` holds the violations: empty if every promise was kept."""
    first = random.randrange(10**6) if seed is None else seed
    violations: list[str] = []
    spent: list[float] = []
    killed = 0
    with scratch():
        from deskhand import wiring

        wiring.connect()
        for one in range(first, first + seeds):
            started = time.monotonic()
            kills, found = storm(one)
            spent.append(1000 * (time.monotonic() - started))
            killed += kills
            violations += found
    p50, p95, p99 = percentiles(spent)
    details = {"seed": first, "seeds": seeds, "kills": killed, "violations": violations}
    return Result("routing-races", 1000 * seeds / sum(spent), p50, p95, p99, 0.0, 0.0, 0.0, 0.0, details)


def storm(seed: int) -> tuple[int, list[str]]:
    """An account of its own; returns how many were killed in it, and what is not as it must be."""
    chance = random.Random(seed)
    office = lay_out(seed, chance)
    killed, until = 0, time.monotonic() + PATIENCE
    while rest := _undecided(office):
        if time.monotonic() > until:
            return killed, [f"seed {seed}: {len(rest)} tickets not routed within {PATIENCE:g} seconds"]
        chance.shuffle(rest)
        is_lethal = killed < KILLS
        crew = [partial(_route, office, rest[n::ROUTERS], *_fate(chance, is_lethal)) for n in range(ROUTERS)]
        crew.append(partial(_flip, office, chance.random(), *_fate(chance, is_lethal)))
        crew.append(partial(_close, office, chance.random(), *_fate(chance, is_lethal)))
        crew += [partial(_tell, office, *_fate(chance, is_lethal)) for _nth in range(2)]
        killed += at_once(crew)
    _settle(office)
    return killed, [f"seed {seed}: {what}" for what in check(office)]


def _fate(chance: random.Random, is_lethal: bool) -> tuple[int | None, bool]:
    at = chance.randint(1, chance.choice((40, STATEMENTS)))
    return at if is_lethal and chance.random() < LETHAL else None, chance.random() < 0.5


def lay_out(seed: int, chance: random.Random) -> Office:
    """Limits by total, by type, of nothing and none at all, in points with every other seed; each strategy in its turn."""
    from deskhand.accounts import accounts
    from deskhand.accounts.models import Membership, Role, User
    from deskhand.accounts.permissions import PRESETS
    from deskhand.crm.pipelines.queries import pipelines_of
    from deskhand.crm.records.models import Ticket, TicketType
    from deskhand.events.types import SYSTEM
    from deskhand.kernel import clock
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing import availability, capacity, rules
    from deskhand.routing.types import Measure, Option, Status, Strategy

    slug, now = f"race{seed}", clock.now()
    account_id = accounts.create(slug=slug, name="Race").pk
    with account_scope(account_id):
        role = Role.objects.create(account_id=account_id, name="Router", permissions=PRESETS["agent"])
        names = [f"{slug}.{n}" for n in range(AGENTS)]
        users = User.objects.bulk_create(
            [User(username=name, email=f"{name}@bench.example", name=name) for name in names]
        )
        Membership.objects.bulk_create(
            [Membership(account_id=account_id, user=user, role=role, has_seat=True) for user in users]
        )
        agents = tuple(user.pk for user in users)
        if seed % 2:
            points = capacity.Settings(
                weighs=True, types={TicketType.MESSAGE.value: 2}, priorities={"HIGH": 3}
            )
            capacity.set_settings(account_id, points, by=SYSTEM)
        for user_id in agents:
            limit = chance.choice((0, 5, 20, 60))
            match chance.randrange(4):
                case 0:
                    capacity.set_limits(
                        account_id, [user_id], total=limit, by=SYSTEM, share=chance.choice((50, 100))
                    )
                case 1:
                    by_type = {
                        TicketType.MESSAGE.value: limit,
                        TicketType.EMAIL_OTHER.value: chance.choice((None, 10)),
                    }
                    capacity.set_limits(
                        account_id, [user_id], measure=Measure.BY_TYPE, by_type=by_type, by=SYSTEM
                    )
                case 2:
                    capacity.set_limits(account_id, [user_id], total=limit, by=SYSTEM)
            if chance.random() < 0.7:
                availability.set_by_hand(account_id, user_id, Status.AVAILABLE, by=SYSTEM)
        some = chance.sample(agents, 30)
        for channel, people in ((MAIL, agents), (CHAT, some)):
            strategy = list(Strategy)[(seed + channel) % 3]
            rules.set_rule(
                account_id,
                channel,
                Option.USERS_AND_TEAMS,
                user_ids=people,
                strategy=strategy,
                wait_list=True,
                by=SYSTEM,
            )
        pipeline = pipelines_of("ticket").default
        ids = sql.ids("crm_ticket", TICKETS)
        facts = {
            "created_at": now, "updated_at": now, "sort_at": now, "stage_entered_at": now, "subject": "Question",
            "pipeline_id": pipeline.id, "stage_id": pipeline.first_open.id, "account_id": account_id,
        }  # fmt: skip
        Ticket.objects.bulk_create(
            [
                Ticket(
                    id=pk, number=n + 1, priority=chance.choice((None, "HIGH")),
                    **_came_by(chance.choice((MAIL, CHAT))), **facts,
                )
                for n, pk in enumerate(ids)
            ]
        )  # fmt: skip
    return Office(account_id, agents, tuple(ids))


def _came_by(channel: int) -> dict[str, object]:
    from deskhand.crm.records.models import TicketType

    kind = TicketType.MESSAGE if channel == CHAT else TicketType.EMAIL_OTHER
    return {"channel_account_id": channel, "ticket_type": kind.value}


# ── what happens at once ─────────────────────────────────────────────────────────────────────────────────────────────


def _route(office: Office, ids: Sequence[int], kill_at: int | None, after: bool) -> None:
    from deskhand.crm.records import tickets
    from deskhand.crm.records.store import Change
    from deskhand.events.types import Actor, ActorKind
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing import assign, waiting

    chance, at = random.Random(len(ids)), 0
    with dying(kill_at, after):
        while at < len(ids):
            own = ids[at : at + chance.randint(1, MOST_AT_ONCE)]
            at += len(own)
            with account_scope(office.account_id):
                now = clock.now()
                made = assign.route(office.account_id, waiting.as_they_stand(office.account_id, own), now)
                changes = [
                    Change(a.ticket_id, {"owner_id": a.user_id}, only_if_empty=("owner_id",))
                    for a in made
                    if a.user_id
                ]
                tickets.change_many(changes, by=Actor(ActorKind.ROUTING), at=now)


def _flip(office: Office, seed: float, kill_at: int | None, after: bool) -> None:
    """People come and go."""
    from deskhand.events.types import SYSTEM
    from deskhand.routing import availability
    from deskhand.routing.types import Status

    chance = random.Random(seed)
    with dying(kill_at, after):
        for _nth in range(FLIPS):
            status = chance.choice(list(Status))
            availability.set_by_hand(office.account_id, chance.choice(office.agents), status, by=SYSTEM)


def _close(office: Office, seed: float, kill_at: int | None, after: bool) -> None:
    """People get done, and have room again."""
    from deskhand.crm.pipelines.queries import pipelines_of
    from deskhand.crm.records import tickets
    from deskhand.crm.records.models import Ticket
    from deskhand.events.types import SYSTEM
    from deskhand.kernel.database.scope import account_scope

    chance = random.Random(seed)
    with dying(kill_at, after):
        for _nth in range(CLOSINGS):
            with account_scope(office.account_id):
                closed = pipelines_of("ticket").default.stages[-1].id
                own = {"account_id": office.account_id, "is_closed": False, "owner_id__isnull": False}
                found = (
                    Ticket.objects.filter(**own, pk__gte=chance.choice(office.tickets)).order_by("pk").first()
                )
                if found is not None:
                    tickets.move(found.pk, to=closed, by=SYSTEM)


def _tell(office: Office, kill_at: int | None, after: bool) -> None:
    """Events and timers, as long as there are any."""
    from deskhand.events.dispatch import Dispatcher
    from deskhand.kernel.timers import TimerLoop

    with dying(kill_at, after):
        for _nth in range(40):
            if not Dispatcher().run_once() + TimerLoop().run_once():
                time.sleep(0.02)


def _undecided(office: Office) -> list[int]:
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(office.account_id):
        found = sql.rows(
            "select x.id from unnest(%s::bigint[]) x(id) where not exists (select from routing_decision d"
            " where d.account_id = %s and d.ticket_id = x.id) order by 1",
            [list(office.tickets), office.account_id],
        )
    return [ticket_id for (ticket_id,) in found]


_PENDING = """
select (select count(*) from events_pendingevent where account_id = %(account)s and quarantined_at is null)
     + (select count(*) from kernel_timer where account_id = %(account)s and kind = 'routing.drain' and quarantined_at is null)
"""


def _settle(office: Office) -> None:
    """Until all has been told and asked again; what a failed try put off is due now."""
    from deskhand.events.dispatch import Dispatcher
    from deskhand.kernel.database import sql
    from deskhand.kernel.timers import TimerLoop

    own = {"account": office.account_id}
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        sql.execute(
            "update kernel_timer set due_at = now() where account_id = %(account)s and kind = 'routing.drain'",
            own,
        )
        sql.execute("update events_pendingevent set due_at = now() where account_id = %(account)s", own)
        if Dispatcher().run_once() + TimerLoop().run_once():
            continue
        pending = sql.row(_PENDING, own)
        if pending is None or not pending[0]:
            return
        time.sleep(0.05)


# ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────────

_OWNED_ONCE = """
select t.id from crm_ticket t where t.account_id = %(account)s and (
    (select count(*) from routing_decision d where d.account_id = t.account_id and d.ticket_id = t.id and d.user_id is not null)
    <> (t.owner_id is not null)::int
    or (select count(*) from crm_propertychange p where p.account_id = t.account_id and p.object_type = 'ticket'
        and p.record_id = t.id and p.property = 'hubspot_owner_id') <> (t.owner_id is not null)::int)
order by 1
"""

_FORGOTTEN = """
select t.id from crm_ticket t where t.account_id = %(account)s and (t.owner_id is null and not t.is_closed) <> exists (
    select from routing_waitingticket w where w.account_id = t.account_id and w.ticket_id = t.id)
order by 1
"""


def check(office: Office) -> list[str]:
    """What is broken, in words."""
    from deskhand.kernel import clock
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing import assign, loads, waiting

    own = {"account": office.account_id}
    with account_scope(office.account_id):
        broken = [f"ticket {pk} was not given once" for (pk,) in sql.rows(_OWNED_ONCE, own)]
        broken += [f"ticket {pk} is forgotten" for (pk,) in sql.rows(_FORGOTTEN, own)]
        drift = loads.drift(office.account_id, clock.now())
        broken += [f"counters: {drift}"] * bool(drift)
        broken += _replayed(office)
        waits = waiting.in_order(office.account_id, clock.now())
        made = assign.route(office.account_id, waits, clock.now(), after_workflows=None, is_retry=True)
        broken += [f"ticket {a.ticket_id} waits, and {a.user_id} could take it" for a in made]
    return broken


def _replayed(office: Office) -> list[str]:
    """Each choice made again, and within the limit of whom it chose, from what was kept of that moment."""
    from deskhand.routing import replaying
    from deskhand.routing.models import Decision

    chosen = Decision.objects.select_related("batch__roster").filter(
        account_id=office.account_id, user_id__isnull=False
    )
    broken = []
    for decision in random.Random(office.account_id).sample(list(chosen), min(REPLAYED, chosen.count())):
        again = replaying.replay(decision)
        if again is None or again.chosen is None or again.chosen.user_id != decision.user_id:
            broken.append(f"ticket {decision.ticket_id}: {decision.user_id} is not who the strategy chooses")
    batches: dict[int, list[Decision]] = {}
    for decision in chosen.order_by("position"):
        batches.setdefault(decision.batch.call if decision.batch else 0, []).append(decision)
    for made in batches.values():
        broken += _over_the_limit(made)
    return broken


def _over_the_limit(made: Sequence[Decision]) -> list[str]:
    """The picks of one call in order, each within what its user's limit left at that moment (R-CAP-6)."""
    held: dict[tuple[int, str], int] = {}
    broken = []
    for decision in made:
        batch = decision.batch
        if batch is None or decision.user_id is None or not batch.limits:
            continue
        at = batch.roster.content["users"].index(decision.user_id)
        key = decision.user_id, "" if batch.measures[at] else batch.ticket_type
        before, limit = held.get(key, batch.held[at]), batch.limits[at]
        if limit >= 0 and before + decision.points > limit and not before == 0 < limit:
            broken.append(f"ticket {decision.ticket_id}: {decision.user_id} had {before} of {limit}")
        held[key] = before + decision.points
    return broken
