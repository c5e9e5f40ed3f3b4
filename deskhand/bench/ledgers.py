"""What was promised under faults, compared with what the database and the other side have. Reads; changes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from deskhand.testing.product import Product, wait_until

SETTLE = 120.0  # seconds after the last fault; leases of the killed run out within them
MEMBERS = 10  # shown of a list of culprits


@dataclass(frozen=True, slots=True)
class Offer:
    """A mail that a customer tried to hand over, again and again until it was taken."""

    customer: str
    message_id: str
    tries: int
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """A mail that reached the world."""

    customer: str
    message_id: str
    answered: bool  # with a yes that was not lost on the way


@dataclass
class Ledgers:
    """One storm: customers are `<mark>-<number>@…`, and nobody else writes to them."""

    mark: str
    offers: list[Offer] = field(default_factory=list)
    arrived: Sequence[Copy] = ()  # in the world, of any storm; grows while mails are still under way
    kills: Counter[str] = field(default_factory=Counter)
    longest_silence: float = 0.0  # seconds between two acknowledgements

    @property
    def pattern(self) -> str:
        return f"{self.mark}-%"

    @property
    def copies(self) -> list[Copy]:
        return [copy for copy in list(self.arrived) if copy.customer.startswith(f"{self.mark}-")]


@dataclass(frozen=True, slots=True)
class Account:
    """The outcome: `lines` to print, and what broke a promise."""

    lines: Sequence[str]
    violations: Sequence[str]


def check(product: Product, ledgers: Ledgers) -> Account:
    """Wait until every queue is empty, then compare (I1–I4, I6, I9)."""
    stuck = _wait_until_settled(product)
    broken = [f"{name} still waiting: {number}" for name, number in stuck.items()]
    broken += _inbound(product, ledgers)
    broken += _filed(product, ledgers)
    broken += _outbound(product, ledgers)
    broken += _counters(product)
    return Account(list(_lines(product, ledgers)), broken)


_QUEUES = {
    "mails": "select count(*) from email_inboundmail where state <> 'DONE'",
    "events": "select count(*) from events_pendingevent",
    "enrollments": "select count(*) from automation_enrollment where state = 'DUE'",
    "sends": "select count(*) from delivery_outboxentry where state <> 'SENT'",
}


def _waiting(product: Product) -> dict[str, int]:
    with product.connected() as database:
        found = {name: database.execute(query.encode()).fetchone() for name, query in _QUEUES.items()}
    return {name: row[0] for name, row in found.items() if row and row[0]}


def _wait_until_settled(product: Product) -> dict[str, int]:
    def is_settled() -> bool:
        try:
            return not _waiting(product)
        except psycopg.Error:  # on its feet again in a moment
            return False

    try:
        wait_until(is_settled, "the queues to be empty", SETTLE)
    except TimeoutError:
        return _waiting(product)
    return {}


def _inbound(product: Product, ledgers: Ledgers) -> Iterator[str]:
    """I1: what was acknowledged is stored. I2: each mail became one message, however often it came."""
    rows = product.rows(
        "select envelope_from, outcome, count(*) from email_inboundmail where envelope_from like %s group by 1, 2",
        ledgers.pattern,
    )
    outcomes: dict[str, dict[str, int]] = defaultdict(dict)
    for customer, outcome, number in rows:
        outcomes[customer][outcome] = number
    messages = dict(
        product.rows(
            "select sender_address, count(*) from desk_message where direction = 'IN' and sender_address like %s group by 1",
            ledgers.pattern,
        )
    )
    taken = [offer for offer in ledgers.offers if offer.acknowledged]
    yield from _named(
        "acknowledged but not stored", [o.customer for o in taken if o.customer not in outcomes]
    )
    yield from _named("never acknowledged", [o.customer for o in ledgers.offers if not o.acknowledged])
    yield from _named("not one message each", [o.customer for o in taken if messages.get(o.customer) != 1])
    yield from _named(
        "filed more than once, or not at all", [c for c, had in outcomes.items() if had.get("created") != 1]
    )
    yield from _named(
        "ended otherwise", [c for c, had in outcomes.items() if set(had) - {"created", "duplicate"}]
    )
    tries = {offer.customer: offer.tries for offer in ledgers.offers}
    yield from _named(
        "stored more often than sent",
        [c for c, had in outcomes.items() if sum(had.values()) > tries.get(c, 0)],
    )


def _filed(product: Product, ledgers: Ledgers) -> Iterator[str]:
    """I4: one ticket, one owner, one decision, one run of the lane, one effect of each of its steps."""
    rows = product.rows(
        "select c.email, count(distinct t.id), count(t.owner_id), count(distinct d.id), count(distinct e.id), count(distinct s.id)"
        " from crm_contact c join crm_ticket t on t.contact_id = c.id"
        " left join routing_decision d on d.ticket_id = t.id"
        " left join automation_enrollment e on e.record_id = t.id and e.state = 'ENDED'"
        " left join automation_steplog s on s.enrollment_id = e.id and s.status = 'SUCCEEDED'"
        " where c.email like %s group by 1",
        ledgers.pattern,
    )
    for position, what in enumerate(("ticket", "owner", "decision", "run of the lane", "step's effect"), 1):
        yield from _named(f"not one {what} each", [row[0] for row in rows if row[position] != 1])
    missing = {offer.customer for offer in ledgers.offers if offer.acknowledged} - {row[0] for row in rows}
    yield from _named("without a ticket", sorted(missing))


def _outbound(product: Product, ledgers: Ledgers) -> Iterator[str]:
    """I3: each lane mail arrived; copies ≤ 1 + ambiguous tries, all with the Message-ID it was made with."""
    entries = {
        customer: (message_id, ambiguous, number)
        for customer, message_id, ambiguous, number in product.rows(
            "select recipients[1], min(message_id), sum(ambiguous)::int, count(*) from delivery_outboxentry where recipients[1] like %s group by 1",
            ledgers.pattern,
        )
    }
    copies = Counter(copy.customer for copy in ledgers.copies)
    written: dict[str, set[str]] = defaultdict(set)
    for copy in ledgers.copies:
        written[copy.customer].add(copy.message_id)
    customers = {offer.customer for offer in ledgers.offers if offer.acknowledged}
    yield from _named("without a lane mail", sorted(customers - set(entries)))
    yield from _named("more than one lane mail", [c for c, (_, _, number) in entries.items() if number != 1])
    yield from _named("called sent, but never arrived", [c for c in entries if not copies[c]])
    yield from _named(
        "more copies than unknown ends allow",
        [c for c, (_, unknown, _) in entries.items() if copies[c] > 1 + unknown],
    )
    yield from _named("another Message-ID", [c for c, (own, _, _) in entries.items() if written[c] - {own}])
    yield from _named("mail nobody asked for", sorted(set(copies) - set(entries)))


def _counters(product: Product) -> Iterator[str]:
    """I6: what the router believes everybody has to do, and limits count of it, is what they have."""
    believed = (
        "select user_id, sum(n)::int from (select user_id, n from routing_agentload"
        " union all select user_id, change from routing_loaddelta) l group by 1 having sum(n) <> 0 order by 1"
    )
    true = "select owner_id, count(*)::int from crm_ticket where not is_closed and owner_id is not null group by 1 order by 1"
    owned = product.rows(true)
    for name, query in (
        ("load", believed),
        (
            "limit",
            believed.replace("select user_id, n", "select user_id, held as n").replace(
                "user_id, change", "user_id, held"
            ),
        ),
    ):
        counted = product.rows(query)
        if counted != owned:
            yield f"{name} counters {counted} are not what agents own {owned}"
    spread = [number for _, number in owned]
    if spread and max(spread) - min(spread) > 1:
        yield f"load was not balanced: {sorted(spread)}"


def _named(what: str, culprits: Sequence[str]) -> Iterator[str]:
    if culprits:
        more = f" and {len(culprits) - MEMBERS} more" if len(culprits) > MEMBERS else ""
        yield f"{what}: {len(culprits)}: {', '.join(culprits[:MEMBERS])}{more}"


def _lines(product: Product, ledgers: Ledgers) -> Iterator[str]:
    stored, filed = product.rows(
        "select count(*), count(*) filter (where outcome = 'created') from email_inboundmail where envelope_from like %s",
        ledgers.pattern,
    )[0]
    entries, ambiguous = product.rows(
        "select count(*), coalesce(sum(ambiguous), 0)::int from delivery_outboxentry where recipients[1] like %s",
        ledgers.pattern,
    )[0]
    offers, copies = ledgers.offers, ledgers.copies
    lost = sum(not copy.answered for copy in copies)
    kills = ", ".join(f"{number} × {name}" for name, number in sorted(ledgers.kills.items()))
    yield f"storm {ledgers.mark}: kill -9 of {kills or 'nobody'}; longest silence {ledgers.longest_silence:.1f} s"
    yield (
        f"  in:  {len(offers)} mails, {sum(o.tries for o in offers)} tries, {sum(o.acknowledged for o in offers)} acknowledged;"
        f" {stored} stored, {filed} filed, {stored - filed} duplicates"
    )
    yield (
        f"  out: {entries} lane mails, {ambiguous} tries with an unknown end; {len(copies)} copies arrived,"
        f" {lost} of their answers were lost"
    )
