"""Mail in the past: who had got what by then, what people wanted, and how much the hour still allowed.

What the replayed workflow itself really sent or chose within the replayed time counts as never done; what it would have
sent and chosen instead is remembered.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from deskhand.automation import budget, records
from deskhand.automation.actions.types import Doing
from deskhand.automation.past import Cut, Past
from deskhand.crm.records import associations
from deskhand.kernel.database import sql

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


class Mailing:
    """Reads for all records of a page at once, when the first of them asks; see `actions.types.Then`."""

    def __init__(self, account_id: int, workflow_id: int, object_type: str, since: datetime) -> None:
        self.account_id, self.workflow_id, self.object_type, self.since = (
            account_id,
            workflow_id,
            object_type,
            since,
        )
        self._would_send: list[tuple[datetime, str, str, list[str]]] = []  # within the last day
        self._would_choose: dict[tuple[int, int | None], list[tuple[datetime, bool]]] = {}
        self._hour: datetime | None = None
        self._used = 0

    def turn_page(self, past: Past, since: datetime, until: datetime) -> None:
        self._past, self._from, self._until = past, since, until
        self._known: set[int] = set()
        self._asked: set[int] = set()
        self._had: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        self._got: dict[str, list[datetime]] = defaultdict(list)
        self._chosen: dict[tuple[int, int | None], list[tuple[datetime, bool]]] = {}
        self._blocked: dict[str, datetime] | None = None
        self._linked: dict[int, list[Mapping[str, Any]]] = {}
        self._others: dict[datetime, int] | None = None
        self._per_hour: int | None = None

    # ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────

    def contacts(self, doing: Doing, *, everybody: bool) -> list[Mapping[str, Any]]:
        """The record's own contact, and with `everybody` those that it is linked to today, as they were."""
        own = [doing.record["contact"]] if doing.record.get("contact") else []
        self._read([contact["id"] for contact in own], doing.record_id)
        if not everybody or doing.object_type == "contact":
            return own
        if doing.record_id not in self._linked:
            self._read_linked()
        known = {contact["id"] for contact in own}
        others = [one for one in self._linked.get(doing.record_id, ()) if one["id"] not in known]
        cut: Cut = (doing.now, 2**62)
        return [*own, *(self._past.contact(one, cut) for one in others)]

    def has_had(self, about: str, template: str, at: datetime) -> bool:
        """Whether this mail went out about it within a day."""
        if any(at - DAY < when <= at for when in self._had[about, template]):
            return True
        return any(
            at - DAY < when and (about, template) == (was_about, was)
            for when, was_about, was, _to in self._would_send
        )

    def got(self, email: str, at: datetime) -> int:
        """How many automatic mails went to the address within an hour."""
        really = sum(at - HOUR < when <= at for when in self._got[email])
        return really + sum(
            to.count(email) for when, _about, _template, to in self._would_send if at - HOUR < when
        )

    def is_blocked(self, email: str, at: datetime) -> bool:
        """Blocked today, and since before then: who was let go since is not known."""
        if self._blocked is None:
            own = "select address, blocked_at from desk_blockedsender where account_id = %s"
            self._blocked = dict(sql.rows(own, [self.account_id]))
        blocked_at = self._blocked.get(email)
        return blocked_at is not None and blocked_at <= at

    def refuses(self, contact_id: int, type_id: int | None, at: datetime) -> bool:
        """Whether the contact wanted no such mail, or none of this kind."""
        kinds = (None, type_id) if type_id else (None,)
        return any(self._choice(contact_id, kind, at) is False for kind in kinds)

    def mailed(self, about: str, template: str, to: Sequence[str], at: datetime) -> None:
        self._would_send = [one for one in self._would_send if at - DAY < one[0]]
        self._would_send.append((at, about, template, list(to)))

    def choose(self, contact_id: int, type_id: int | None, is_on: bool, at: datetime) -> bool:
        """Have the contact get a kind of mail, or no more of it; returns whether that is new."""
        self._read([contact_id], 0)
        is_new = self._choice(contact_id, type_id, at) is not is_on
        pairs = [(type_id, is_on)]
        if is_on and type_id and self._choice(contact_id, None, at) is False:
            pairs.append((None, True))
        for kind, on in pairs:
            self._would_choose.setdefault((contact_id, kind), []).append((at, on))
        return is_new

    def _choice(self, contact_id: int, type_id: int | None, at: datetime) -> bool | None:
        """What the contact had chosen last; None for nothing."""
        key = contact_id, type_id
        told = [*self._chosen.get(key, ()), *self._would_choose.get(key, ())]
        until = [one for one in told if one[0] <= at]
        return max(until, key=lambda one: one[0])[1] if until else None

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, ids: Collection[int], record_id: int) -> None:
        """What became of these contacts and this record, and of all others of the page. Three queries."""
        is_asked = self.object_type != "ticket" or not record_id or record_id in self._asked
        if is_asked and self._known.issuperset(ids):
            return
        rows = self._past.all_rows(self.object_type).values()
        new = {row["contact"]["id"] for row in rows if row.get("contact")} | set(ids)
        new -= self._known
        self._known |= new
        self._read_choices(sorted(new))
        tickets = [row["id"] for row in rows if self.object_type == "ticket" and row["id"] not in self._asked]
        self._asked.update(tickets)
        around = [self._from - DAY, self._until, self.workflow_id, self.since]
        for at, ticket_id, template in sql.rows(_TO_TICKETS, [self.account_id, tickets, *around]):
            self._had[f"ticket:{ticket_id}", template].append(at)
        for at, email, about, template in sql.rows(_TO_CONTACTS, [self.account_id, sorted(new), *around]):
            self._got[email].append(at)
            if about:
                self._had[about, template].append(at)

    def _read_choices(self, ids: Sequence[int]) -> None:
        own = [self.workflow_id, self.since]
        for contact_id, type_id, is_on, at in sql.rows(
            _CHOICES, [self.account_id, ids, *own, self.account_id, ids, self.since]
        ):
            insort(self._chosen.setdefault((contact_id, type_id), []), (at, is_on))

    def _read_linked(self) -> None:
        """The contacts of all records of the page that were not asked for yet."""
        ids = [pk for pk in self._past.all_rows(self.object_type) if pk not in self._linked]
        links = associations.linked_ids(self.object_type, ids, "contact")
        rows = records.load("contact", [pk for own in links.values() for pk in own])
        records.add_people("contact", rows.values())
        for record_id in ids:
            found = [rows[pk]["contact"] for pk in links.get(record_id, ()) if pk in rows]
            self._linked[record_id] = [contact for contact in found if contact]
        everybody = [contact["id"] for own in self._linked.values() for contact in own]
        self._past.read_contacts(everybody)
        self._read(everybody, 0)

    # ── the budget ───────────────────────────────────────────────────────────────────────────────────────────────────

    def spend(self, at: datetime) -> datetime | None:
        """Nothing, while something of the hour's budget is left; else the moment at which the next hour begins."""
        hour = budget.hour_of(at)
        if self._hour != hour:
            self._hour, self._used = hour, 0
        if self._others is None or self._per_hour is None:
            self._per_hour = budget.per_hour(budget.of(self.account_id))
            asked = [self.account_id, self._from - HOUR, self._until, self.workflow_id, self.since - HOUR]
            self._others = dict(sql.rows(_SPENT, asked))
        if self._used + self._others.get(hour, 0) >= self._per_hour:
            return hour + HOUR
        return None

    def count(self, sent: int) -> None:
        """What a step sent in the hour that was asked for last counts."""
        self._used += sent

    # ── between two pages ────────────────────────────────────────────────────────────────────────────────────────────

    def as_json(self) -> dict[str, Any]:
        return {
            "sent": [[at.isoformat(), *rest] for at, *rest in self._would_send],
            "chosen": [
                [*key, [[at.isoformat(), is_on] for at, is_on in told]] for key, told in self._would_choose.items()
            ],
            "hour": self._hour.isoformat() if self._hour else None,
            "used": self._used,
        }  # fmt: skip

    def read_json(self, kept: Mapping[str, Any]) -> None:
        self._would_send = [
            (datetime.fromisoformat(at), about, template, to) for at, about, template, to in kept["sent"]
        ]
        self._would_choose = {
            (contact_id, type_id): _moments(told) for contact_id, type_id, told in kept["chosen"]
        }
        self._hour = datetime.fromisoformat(kept["hour"]) if kept["hour"] else None
        self._used = kept["used"]


def _moments(told: Iterable[tuple[str, bool]]) -> list[tuple[datetime, bool]]:
    return [(datetime.fromisoformat(at), is_on) for at, is_on in told]


_AUTOMATIC = """m.direction = 'OUT' and m.is_automatic and m.created_at > %s and m.created_at < %s
and not (coalesce((m.cause->>'workflow_id')::bigint, 0) = %s and m.created_at >= %s)"""
_TO_TICKETS = f"""
select m.created_at, m.ticket_id, coalesce(m.cause->>'template', '') from desk_message m
where m.account_id = %s and m.ticket_id = any(%s) and {_AUTOMATIC}
"""
_TO_CONTACTS = f"""
select m.created_at, coalesce(m.recipients->'to'->0->>'email', ''), coalesce(m.cause->>'about', ''), coalesce(m.cause->>'template', '')
from desk_thread h join desk_message m on m.account_id = h.account_id and m.thread_id = h.id
where h.account_id = %s and h.contact_id = any(%s) and {_AUTOMATIC}
"""
# What was chosen before the log begins is known by the choice itself, where nothing was chosen since.
_CHOICES = """
select object_id, (data->>'subscription')::bigint, kind = 'contact.subscribed', occurred_at from events_event
where account_id = %s and object_type = 'contact' and object_id = any(%s) and kind in ('contact.subscribed', 'contact.unsubscribed')
  and not (coalesce((cause->>'workflow_id')::bigint, 0) = %s and occurred_at >= %s)
union all
select contact_id, type_id, is_on, changed_at from crm_subscription
where account_id = %s and contact_id = any(%s) and changed_at < %s
"""
_SPENT = """
select hour, sum(count)::int from automation_sendinghour
where account_id = %s and hour >= %s and hour < %s and not (workflow_id = %s and hour > %s) group by 1
"""
