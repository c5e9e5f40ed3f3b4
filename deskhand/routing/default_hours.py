"""The account's working hours: whoever has set none of their own works by them (R-AVAIL-3).

A change reaches people by their timers, so that it costs the same for three of them and for three thousand. What
somebody set by hand holds over it until the next edge (R-AVAIL-6).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.events.types import Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.calendars import SpecialDay, WeeklyHours
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.routing import availability
from deskhand.routing.models import DefaultHours, WorkingHours
from deskhand.routing.types import Source

CHANGED = "default_hours.changed"


def of(account_id: int) -> WeeklyHours | None:
    return availability.default_hours(account_id)


def with_holidays(account_id: int, today: date) -> WeeklyHours | None:
    """The account's working time, without its public holidays of this year and the next two (R-DELAY-9)."""
    row = DefaultHours.objects.filter(account_id=account_id).first()
    hours = of(account_id)
    if row is None or hours is None or not row.country:
        return hours
    return replace(
        hours, special_days=tuple(SpecialDay(day) for day in days_off(row.country, row.region, today.year))
    )


@lru_cache(maxsize=256)
def days_off(country: str, region: str, year: int) -> tuple[date, ...]:
    """The public holidays of a country, or of a region of it, in this year and the next two."""
    import holidays  # late: few accounts need it

    found = holidays.country_holidays(country, subdiv=region or None, years=range(year, year + 3))
    return tuple(sorted(found))


@lru_cache(maxsize=1)
def countries() -> Mapping[str, Sequence[str]]:
    """The countries whose holidays are known, each with its regions, by their ISO codes."""
    import holidays

    return dict(holidays.list_supported_countries(include_aliases=False))


def observed(account_id: int) -> tuple[str, str]:
    """The country and the region whose public holidays are no working time; empty for none."""
    row = DefaultHours.objects.filter(account_id=account_id).first()
    return (row.country, row.region) if row else ("", "")


def regions(country: str) -> Mapping[str, str]:
    """The regions of a country that have holidays of their own, by code, as they call themselves. None for an unknown country."""
    import holidays

    if country not in countries():
        return {}
    names = holidays.country_holidays(country).get_subdivision_aliases()
    return {code: next(iter(names.get(code, ())), code) for code in countries()[country]}


def observe(account_id: int, country: str, region: str = "", *, by: Actor) -> None:
    """Choose whose public holidays are no working time. Needs working hours. Raises Invalid, naming the field."""
    if country and country not in countries():
        raise Invalid(_("The holidays of this country are not known."), field="country", value=country)
    if region and region not in countries().get(country, ()):
        raise Invalid(_("This country has no such region."), field="region", value=region)
    with account_scope(account_id):
        row = DefaultHours.objects.select_for_update().filter(account_id=account_id).first()
        if row is None:
            raise Invalid(_("Set working hours first."), field="country", value=country)
        before = _holidays_of(row)
        row.country, row.region = country, region if country else ""
        if before == (after := _holidays_of(row)):
            return
        row.save(update_fields=["country", "region"])
        audit.record(CHANGED, by=by, target_type="account", target_id=account_id, before=before, after=after)


def _holidays_of(row: DefaultHours) -> dict[str, str]:
    """For the audit log: a region as it calls itself."""
    return {"country": row.country, "region": regions(row.country).get(row.region, row.region)}


def change(account_id: int, hours: WeeklyHours | None, *, by: Actor, now: datetime | None = None) -> None:
    """Set them; None or no blocks: there are none, and who lived by them keeps the present status as if set by hand."""
    now = now or clock.now()
    hours = hours if hours and hours.blocks else None
    with account_scope(account_id):
        before = of(account_id)
        if _facts(before) == _facts(hours):
            return
        if hours is None:
            DefaultHours.objects.filter(account_id=account_id).delete()
        else:
            values = {"zone": hours.zone, "blocks": availability.stored(hours)}
            DefaultHours.objects.update_or_create(account_id=account_id, defaults=values)
        followers = _followers(account_id)
        _work_out_anew(account_id, followers, now)
        kept = [Source.MANUAL] if hours else [Source.MANUAL, Source.HOURS]
        sql.execute(_KEEP, [now, account_id, followers, kept])
        audit.record(
            CHANGED,
            by=by,
            target_type="account",
            target_id=account_id,
            before=_facts(before),
            after=_facts(hours),
        )


def follow(account_id: int, user_id: int, *, by: Actor, now: datetime | None = None) -> None:
    """Work by the account's hours again instead of one's own. Safe to repeat."""
    now = now or clock.now()
    with account_scope(account_id):
        WorkingHours.objects.filter(account_id=account_id, user_id=user_id).delete()
        availability.work_out(account_id, user_id, by=by, now=now)


def have_come(account_id: int, user_ids: Collection[int], now: datetime) -> None:
    """Those who are new, or back, live by the account's hours from now on, where there are any."""
    if user_ids and of(account_id) is not None:
        _work_out_anew(account_id, sorted(set(user_ids) & set(_followers(account_id))), now)


_FOLLOWERS = """
select m.user_id from accounts_membership m
where m.account_id = %s and m.is_active and m.has_seat and not exists (
    select 1 from routing_workinghours w where w.account_id = m.account_id and w.user_id = m.user_id
) order by m.user_id
"""
_KEEP = """
update routing_availability set manual_status = status, manual_at = %s, manual_away_state_id = away_state_id, manual_note = note
where account_id = %s and user_id = any(%s) and source = any(%s)
"""


def _followers(account_id: int) -> list[int]:
    return [user_id for (user_id,) in sql.rows(_FOLLOWERS, [account_id])]


def _work_out_anew(account_id: int, user_ids: Collection[int], now: datetime) -> None:
    timers.set_timers(account_id, availability.EDGE, [str(one) for one in user_ids], now)


def _facts(hours: WeeklyHours | None) -> dict[str, Any]:
    return {"zone": hours.zone, "hours": availability.stored(hours)} if hours else {}
