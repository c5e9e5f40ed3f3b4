"""Kept decisions reproduce the choice by themselves."""

from __future__ import annotations

import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.filters import as_json
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.schema.types import Kind
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.routing import assign, capacity, loads, replaying
from deskhand.routing.decision import Step
from deskhand.routing.models import (
    AgentLoad,
    Decision,
    RoutingBatch,
    Skill,
    SkillCategory,
    SkillRule,
    SkillRuleSet,
    UserSkill,
)
from deskhand.routing.types import Measure, NewTicket, Option, Status, Strategy

MANY = 10_800
AT_ONCE = 400
CHANNELS = range(71, 77)


def _office(desk):
    """Thirty people with all sorts of limits and shares, and a rule of each kind."""
    for number in range(30):
        desk.person(f"p{number:02}")
    people = [desk.users[f"p{number:02}"] for number in range(30)]
    desk.set(Status.AVAILABLE, *(f"p{number:02}" for number in range(24)))
    by = Actor.user(desk.ada)
    capacity.set_limits(desk.id, people[:6], total=60, by=by)
    capacity.set_limits(
        desk.id, people[6:12], measure=Measure.BY_TYPE, by_type={"EMAIL_OTHER": 200, "MESSAGE": 30}, share=50, by=by
    )  # fmt: skip
    capacity.set_limits(desk.id, people[12:14], total=0, by=by)
    capacity.set_settings(
        desk.id,
        capacity.Settings(
            weighs=True, types={"CALL": 3}, priorities={"URGENT": 1}, ramp_days=10, ramp_from=20
        ),
        by=by,
    )
    languages = SkillCategory.objects.create(account_id=desk.id, name="Languages", is_language=True)
    german = Skill.objects.create(account_id=desk.id, category=languages, name="German")
    for place, user_id in enumerate(people[:10]):
        UserSkill.objects.create(account_id=desk.id, user_id=user_id, skill=german, is_main=place % 2 == 0)
    french = Skill.objects.create(account_id=desk.id, category=languages, name="French")
    UserSkill.objects.create(account_id=desk.id, user_id=people[0], skill=french)  # who is soon full
    rule_set = SkillRuleSet.objects.create(account_id=desk.id, name="Languages")
    SkillRule.objects.create(
        account_id=desk.id,
        rule_set=rule_set,
        place=0,
        name="German",
        needed_ids=[german.pk],
        wished_ids=[french.pk],
        condition=_urgent(),
    )
    for channel, strategy in zip(CHANNELS, (*Strategy, *Strategy), strict=True):
        desk.rule(
            channel, user_ids=people[channel % 5 : 20 : 2], strategy=strategy, fallback_user_ids=people[20:],
            skill_rule_set_id=rule_set.pk if channel % 2 else None, sticky_hours=24 if channel == 73 else 0,
        )  # fmt: skip
    desk.rule(77, option=Option.CONTACT_OWNER, fallback_user_ids=people[:3])
    return people


def _urgent():
    return as_json.to_json(Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("URGENT",)))


_COPIES = """
insert into crm_ticket select (jsonb_populate_record(null::crm_ticket, to_jsonb(t) || jsonb_build_object(
    'id', x.id, 'number', x.id, 'priority', x.priority, 'ticket_type', x.kind))).*
from crm_ticket t, unnest(%s::bigint[], %s::text[], %s::text[]) x(id, priority, kind) where t.id = %s
"""


def _arrive(desk, people, model, dice, count):
    """Tickets of all types and channels, routed in one call; some count for nobody any more, and people come and go."""
    ids = sql.ids("crm_ticket", count)
    kinds = [dice.choice(loads.TYPES) for _ in ids]
    sql.execute(_COPIES, [ids, [dice.choice([None, "URGENT"]) for _ in ids], kinds, model])
    new = [
        NewTicket(
            pk, dice.choice([*CHANNELS, 77]), kind, dice.choice([None, *people[:25]]),
            last_owner_id=dice.choice([None, None, *people]), kept_for=dice.choice([*[None] * 600, *people]),
        )
        for pk, kind in zip(ids, kinds, strict=True)
    ]  # fmt: skip
    now = clock.now()
    assign.route(desk.id, new, now, seed=dice.getrandbits(40))
    loads.reconcile(desk.id, dice.sample(ids, count // 3), now)  # nobody has written who owns them
    for _ in range(3):
        desk.set(dice.choice(list(Status)), f"p{dice.randrange(30):02}")


@pytest.mark.slow
@pytest.mark.drifts
@pytest.mark.timeout(600)
def test_ten_thousand_decisions_are_made_again_from_what_is_stored(desk):
    """R-ROUTE-70: all strategies, limits, points, shares, skills and fallbacks mixed; also where nobody could take it."""
    dice = random.Random(11)
    people = _office(desk)

    [model] = desk.tickets(1)

    for _ in range(MANY // AT_ONCE):
        _arrive(desk, people, model, dice, AT_ONCE)
    sql.execute("delete from crm_ticket")  # nothing but the decisions is asked
    AgentLoad.objects.all().delete()

    calls = RoutingBatch.objects.values_list("call", flat=True).distinct()
    again = [pair for call in calls for pair in replaying.replay_call(desk.id, call)]
    wrong = [
        decision.pk
        for decision, found in again
        if found is None or (found.chosen.user_id if found.chosen else None) != decision.user_id
    ]
    assert wrong == []
    assert len(again) >= 10_000
    assert sum(decision.user_id is None for decision, _ in again) > 50
    assert any(found.full for _, found in again if found)
    assert {found.pool.step for _, found in again if found} == set(Step)


def test_one_decision_is_made_again_in_a_fixed_number_of_queries(desk):
    desk.rule(user_ids=[desk.ada, desk.bob])
    desk.route(desk.tickets(30))
    first, last = Decision.objects.select_related("batch__roster").order_by("id")[0:30:29]

    counts = []
    for decision in (first, last):
        with CaptureQueriesContext(connection) as caught:
            assert replaying.replay(decision).chosen.user_id == decision.user_id
        counts.append(len(caught))

    assert counts[0] == counts[1]
