"""How much people may be given, what counts how much, and what share is whose (R-CAP-1 … R-CAP-15).

Limits bind automatic assignment alone: by hand, and by a workflow that sets the owner, anybody may be given more
(R-CAP-7, R-CAP-8).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.accounts import queries as people
from deskhand.accounts.models import Membership
from deskhand.accounts.plans import Feature, has_in_sql
from deskhand.crm.records.models import TicketType
from deskhand.events.types import Actor
from deskhand.kernel import clock, jobs
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job
from deskhand.routing import loads
from deskhand.routing.models import Capacity, RoutingSettings
from deskhand.routing.strategies import Room
from deskhand.routing.types import Measure, NewTicket, Terms

CHANGED, SETTINGS_CHANGED = "capacity.changed", "routing_settings.changed"
CHANGE_SETTINGS = "routing.settings"  # a slow job
AT_ONCE = 5_000  # tickets are counted anew while somebody waits for the page
MOST = 100_000  # of a limit
MOST_POINTS = 1_000
PRIORITIES = ("LOW", "MEDIUM", "HIGH", "URGENT")
#: The columns that limit each type.
BY_TYPE = {TicketType.CALL: "call", TicketType.MESSAGE: "message", TicketType.EMAIL_OTHER: "email_other"}
#: Where the plan has no capacity, what was set rests: it binds, weighs and ramps nothing until the plan has it again. What is
#: left out of loads stays left out: that is how tickets are counted, and they are counted on.
IN_PLAN = has_in_sql(Feature.CAPACITY, "%(account)s")


@dataclass(frozen=True)
class Settings:
    """What counts how much in an account; see models.RoutingSettings."""

    excluded_stage_ids: tuple[int, ...] = ()
    excluded_after_days: int | None = None
    excludes_from_load: bool = False
    weighs: bool = False
    types: Mapping[str, int] = field(default_factory=dict)
    channels: Mapping[int, int] = field(default_factory=dict)
    priorities: Mapping[str, int] = field(default_factory=dict)
    ramp_days: int = 0
    ramp_from: int = 25

    def points(self, ticket_type: str, channel_account_id: int | None, priority: str | None) -> int:
        """What a ticket is worth; loads.py says the same in SQL."""
        if not self.weighs:
            return 1
        own = self.channels.get(channel_account_id or 0, self.types.get(ticket_type, 1))
        return max(0, own + self.priorities.get(priority or "", 0))


@dataclass(frozen=True)
class Binding:
    """What routing has to know before it locks: whether loads are weighed, and whether some limit spans all types."""

    weighs: bool
    has_limits: bool
    has_totals: bool


_BINDING = f"""
select coalesce((select weighs from routing_routingsettings where account_id = %(account)s and {IN_PLAN}), false),
    coalesce(bool_or(c.total is not null or c.call is not null or c.message is not null or c.email_other is not null), false),
    coalesce(bool_or(c.measure = 'TOTAL' and c.total is not null), false)
from routing_capacity c where c.account_id = %(account)s and {IN_PLAN}
"""


def binding(account_id: int) -> Binding:
    """What binds at present; nothing where the plan has no capacity (R-TIER-1). One query."""
    found = sql.row(_BINDING, {"account": account_id})
    return Binding(*found) if found else Binding(False, False, False)


def settings_of(account_id: int) -> Settings:
    """As they are set, whether or not the plan has them. One query."""
    row = RoutingSettings.objects.filter(account_id=account_id).first()
    return _of_columns(vars(row)) if row else Settings()


_WORTH = "select t.id, t.channel_account_id, t.priority from crm_ticket t where t.account_id = %s and t.id = any(%s)"


def weighed(account_id: int, tickets: Sequence[NewTicket]) -> list[NewTicket]:
    """The tickets with what they are worth. Two queries."""
    settings = settings_of(account_id)
    facts = {pk: rest for pk, *rest in sql.rows(_WORTH, [account_id, [one.ticket_id for one in tickets]])}
    return [
        replace(one, points=settings.points(one.ticket_type, *facts[one.ticket_id])) if one.ticket_id in facts else one
        for one in tickets
    ]  # fmt: skip


_TERMS = f"""
select m.user_id, c.measure, c.total, c.call, c.message, c.email_other, coalesce(c.share, 100), m.created_at,
    coalesce(s.ramp_days, 0), coalesce(s.ramp_from, 100)
from accounts_membership m
left join routing_capacity c on c.account_id = m.account_id and c.user_id = m.user_id
left join routing_routingsettings s on s.account_id = m.account_id
where m.account_id = %(account)s and m.user_id = any(%(users)s) and {IN_PLAN}
  and (c.id is not null or m.created_at > %(now)s - make_interval(days => s.ramp_days))
"""


def terms_of(account_id: int, user_ids: Collection[int], now: datetime) -> dict[int, Terms]:
    """Limits and shares that bind those who have any, or are new (R-TIER-1). One query, whatever their number."""
    if not user_ids:
        return {}
    found = sql.rows(_TERMS, {"account": account_id, "users": sorted(user_ids), "now": now})
    return {
        user_id: Terms(
            Measure(measure or Measure.TOTAL), total,
            {TicketType.CALL.value: call, TicketType.MESSAGE.value: message, TicketType.EMAIL_OTHER.value: other},
            ramped(share, since, now, days, first),
        )
        for user_id, measure, total, call, message, other, share, since, days, first in found
    }  # fmt: skip


def ramped(share: int, since: datetime, now: datetime, days: int, first: int) -> int:
    """A newcomer's part of their share, in percent: it grows evenly from `first` percent of it over so many days."""
    gone = (now - since) / timedelta(days=days) if days else 1.0
    if gone >= 1:
        return share
    return max(1, round(share * (first + (100 - first) * max(gone, 0.0)) / 100))


def limits_of(account_id: int, user_ids: Collection[int]) -> dict[int, Capacity]:
    """As they are set, of those who have some. One query."""
    return {
        row.user_id: row for row in Capacity.objects.filter(account_id=account_id, user_id__in=list(user_ids))
    }


# -- Setting them -------------------------------------------------------------------------------------------------


def set_limits(
    account_id: int,
    user_ids: Collection[int],
    *,
    by: Actor,
    measure: Measure = Measure.TOTAL,
    total: int | None = None,
    by_type: Mapping[str, int | None] | None = None,
    share: int | None = None,
) -> None:
    """Give all of them these limits; None binds nothing, 0 lets nothing through (R-CAP-11, R-CAP-12). Safe to repeat.

    `share` None leaves each theirs. Raises Invalid for a number that can't be one, and for who has no seat (R-CAP-1), whom
    limits can only be taken from. The number of queries grows with those whose limits change alone: each has an audit entry.
    """
    wanted = {column: (by_type or {}).get(kind) for kind, column in BY_TYPE.items()}
    for name, number in {"total": total, **wanted}.items():
        check(name, number, MOST)
    values: dict[str, Any] = {"measure": measure.value, "total": None, **dict.fromkeys(wanted)}
    values |= {"total": total} if measure is Measure.TOTAL else wanted
    _change(account_id, user_ids, values if share is None else values | {"share": share}, by)


def set_shares(account_id: int, user_ids: Collection[int], share: int, *, by: Actor) -> None:
    """Give all of them this share; their limits stay. Raises Invalid as `set_limits`. Safe to repeat."""
    _change(account_id, user_ids, {"share": share}, by)


_LIMITS = ("measure", "total", *BY_TYPE.values(), "share")


def _change(account_id: int, user_ids: Collection[int], values: Mapping[str, Any], by: Actor) -> None:
    if not 1 <= values.get("share", 100) <= 100:
        raise Invalid(_("A share is 1 to 100 percent."), field="share", value=values["share"])
    with account_scope(account_id):
        own = Capacity.objects.filter(account_id=account_id, user_id__in=list(user_ids))
        before = {row.user_id: row for row in own.select_for_update()}
        rows = [
            Capacity(account_id=account_id, user_id=user_id, **(_facts(before.get(user_id)) | dict(values)))
            for user_id in sorted(set(user_ids))
        ]
        changed = [row for row in rows if _facts(row) != _facts(before.get(row.user_id))]
        _check_seats(
            account_id, [row.user_id for row in changed if _binds_anew(row, before.get(row.user_id))]
        )
        Capacity.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["account_id", "user_id"], update_fields=_LIMITS
        )  # fmt: skip
        for row in changed:
            audit.record(
                CHANGED, by=by, target_type="user", target_id=row.user_id, before=_facts(before.get(row.user_id)),
                after=_facts(row),
            )  # fmt: skip


def _facts(row: Capacity | None) -> dict[str, Any]:
    row = row or Capacity()
    return {name: getattr(row, name) for name in _LIMITS}


def _binds_anew(row: Capacity, before: Capacity | None) -> bool:
    """Whether something is set that was not; taking away is nothing."""
    had = _facts(before)
    limits = ("total", *BY_TYPE.values())
    return row.share not in (100, had["share"]) or any(
        getattr(row, name) not in (None, had[name]) for name in limits
    )


def _check_seats(account_id: int, user_ids: Sequence[int]) -> None:
    """R-CAP-1"""
    lacking = sorted(set(user_ids) - people.can_own(account_id, user_ids)) if user_ids else []
    if lacking:
        own = Membership.objects.filter(account_id=account_id, user_id__in=lacking)
        # Nobody else's names: who is a stranger is told by number.
        names = dict(own.values_list("user_id", "user__name"))
        is_seated = own.filter(has_seat=True).count() == len(lacking)
        raise Invalid(
            _("Routing gives nothing to %(names)s, so there is nothing to limit: only active people with a seat can be given tickets.")
            % {"names": ", ".join(names.get(pk, str(pk)) for pk in lacking)},
            field="user", value=lacking,
            hint=_("Reactivate them first, or leave them out.") if is_seated else _("Give them a seat first, or leave them out."),
        )  # fmt: skip


def set_settings(account_id: int, settings: Settings, *, by: Actor, now: datetime | None = None) -> None:
    """Replace what counts how much, and count anew by it. Raises Invalid, naming the field. Safe to repeat."""
    now = now or clock.now()
    check_settings(settings)
    with account_scope(account_id):
        before = settings_of(account_id)
        if before == settings:
            return
        RoutingSettings.objects.update_or_create(account_id=account_id, defaults=_columns(settings))
        loads.recount(account_id, now)  # tickets are locked before the log, as where they are merged
        audit.record(
            SETTINGS_CHANGED, by=by, target_type="account", target_id=account_id, before=_said(before), after=_said(settings)
        )  # fmt: skip


def ask_for_settings(account_id: int, settings: Settings, *, by: int) -> bool:
    """As `set_settings` at once (True); where many tickets count, by a slow job: counting takes seconds.

    Settings and counters change together, so until then the former ones hold. Raises Invalid, naming the field.
    """
    check_settings(settings)
    with account_scope(account_id):
        before, waiting = settings_of(account_id), jobs.under_way(CHANGE_SETTINGS)
        if not waiting and (before == settings or not _is_slow(account_id)):
            set_settings(account_id, settings, by=Actor.user(by))
            return True
        instead_of = [_columns(before), *(one["settings"] for one in waiting)]
        args = {"settings": _columns(settings), "instead_of": instead_of, "by": by}
        jobs.enqueue(CHANGE_SETTINGS, args, one_by_one="settings")
    return False


def asked_for(account_id: int) -> Settings | None:
    """The settings that a slow job has still to make those of the account."""
    with account_scope(account_id):
        waiting = jobs.under_way(CHANGE_SETTINGS)
    return _of_columns(waiting[-1]["settings"]) if waiting else None


def change_settings(job: Job) -> None:
    """Safe to repeat. Passed over where others were set since it was asked for, as by a configuration document."""
    settings = _of_columns(job.args["settings"])
    with account_scope(job.account_id):
        if settings_of(job.account_id) in [_of_columns(one) for one in job.args["instead_of"]]:
            set_settings(job.account_id, settings, by=Actor.user(job.args["by"]))
    with account_scope(job.account_id):  # what changed while it counted was counted by the former settings
        loads.recount(job.account_id, clock.now())


def _is_slow(account_id: int) -> bool:
    found = sql.row(
        "select count(*) from (select from routing_ticketload where account_id = %s limit %s) x", [account_id, AT_ONCE + 1]
    )  # fmt: skip
    return found is not None and found[0] > AT_ONCE


def check_settings(settings: Settings) -> None:
    """Raises Invalid, naming the field."""
    check("excluded_after_days", settings.excluded_after_days, 3_650, least=1)
    check("ramp_days", settings.ramp_days, 365)
    check("ramp_from", settings.ramp_from, 100, least=1)
    for name, points in (("types", settings.types), ("channels", settings.channels)):
        for number in points.values():
            check(name, number, MOST_POINTS)
    for number in settings.priorities.values():
        check("priorities", number, MOST_POINTS, least=-MOST_POINTS)


def _columns(settings: Settings) -> dict[str, Any]:
    """As they are stored."""
    return {
        "excluded_stage_ids": list(settings.excluded_stage_ids),
        "excluded_after_days": settings.excluded_after_days,
        "excludes_from_load": settings.excludes_from_load,
        "weighs": settings.weighs,
        "points": {
            "types": dict(settings.types),
            "channels": {str(pk): n for pk, n in settings.channels.items()},
            "priorities": dict(settings.priorities),
        },
        "ramp_days": settings.ramp_days,
        "ramp_from": settings.ramp_from,
    }


def _of_columns(stored: Mapping[str, Any]) -> Settings:
    points = stored["points"]
    return Settings(
        tuple(stored["excluded_stage_ids"]), stored["excluded_after_days"], stored["excludes_from_load"], stored["weighs"],
        points.get("types", {}), {int(pk): n for pk, n in points.get("channels", {}).items()}, points.get("priorities", {}),
        stored["ramp_days"], stored["ramp_from"],
    )  # fmt: skip


def _said(settings: Settings) -> dict[str, Any]:
    return vars(settings) | {"excluded_stage_ids": list(settings.excluded_stage_ids)}


def check(name: str, number: int | None, most: int, *, least: int = 0) -> None:
    """Raises Invalid for what is no number from `least` to `most`; none is one."""
    if number is not None and not least <= number <= most:
        raise Invalid(
            _("Give a whole number from %(least)s to %(most)s.") % {"least": least, "most": most}, field=name, value=number
        )  # fmt: skip


# -- What is held -------------------------------------------------------------------------------------------------


def room(account_id: int, user_ids: Collection[int], held: dict[tuple[int, str], int], now: datetime) -> Room:
    return Room(terms_of(account_id, user_ids, now), held)


@dataclass(frozen=True)
class Hold:
    """What somebody holds of what a limit counts. `limit` None: there is none (R-CAP-10)."""

    held: int
    limit: int | None

    @property
    def is_full(self) -> bool:
        return self.limit is not None and self.held >= self.limit


def holds_of(account_id: int, user_ids: Collection[int], now: datetime) -> dict[int, dict[str, Hold]]:
    """Of each user by ticket type, or under "" where one limit spans all types, without a lock. Three queries."""
    weighs = binding(account_id).weighs
    _ledgers, held = loads.present(account_id, user_ids, now, weighs=weighs)
    found = room(account_id, user_ids, held, now)
    result: dict[int, dict[str, Hold]] = {}
    for user_id in user_ids:
        is_total = found.of(user_id).measure is Measure.TOTAL
        kinds = {"": TicketType.EMAIL_OTHER.value} if is_total else {kind: kind for kind in loads.TYPES}
        result[user_id] = {key: Hold(*found.standing(user_id, kind)) for key, kind in kinds.items()}
    return result
