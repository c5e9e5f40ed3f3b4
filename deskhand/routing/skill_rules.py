"""What a channel's skill rules ask of tickets, and who can do it (R-SKILL-9 … R-SKILL-15)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from deskhand.accounts.plans import Feature, has_in_sql
from deskhand.crm.filters import as_json
from deskhand.crm.filters.sql import Sql
from deskhand.crm.records import membership
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid
from deskhand.routing.models import Skill, SkillRule
from deskhand.routing.types import Asked

log = structlog.get_logger()

#: Where the plan has no skills, the rules rest until it has them again.
_IN_PLAN = has_in_sql(Feature.SKILLS, "routing_skillrule.account_id")


def asked(account_id: int, tickets: Mapping[int, Collection[int]], now: datetime) -> dict[int, Asked]:
    """`tickets` by rule set. Of each ticket the first rule that it meets (R-SKILL-11); none for one that meets none, nor
    where the plan has no skills (R-TIER-1).

    One query a rule set, and four for all. A rule that can't be asked any more, as when it names a property that is gone,
    is passed over.
    """
    rules: dict[int, list[SkillRule]] = defaultdict(list)
    found = SkillRule.objects.filter(account_id=account_id, rule_set_id__in=list(tickets))
    for rule in found.filter(RawSQL(_IN_PLAN, (), BooleanField())).order_by("place"):
        rules[rule.rule_set_id].append(rule)
    zone = membership.zone_of(account_id) if rules else ZoneInfo("UTC")
    met: dict[int, SkillRule] = {}
    for rule_set_id, own in rules.items():
        met |= _first_met(account_id, own, sorted(tickets[rule_set_id]), now, zone)
    if not met:
        return {}
    used = {rule.pk: rule for rule in met.values()}
    holders = holders_of(
        account_id, {pk for rule in used.values() for pk in (*rule.needed_ids, *rule.wished_ids)}
    )
    names = dict(
        Skill.objects.filter(account_id=account_id, pk__in=holders.skill_ids).values_list("pk", "name")
    )
    asks = {pk: ask(rule, holders, names) for pk, rule in used.items()}
    return {ticket_id: asks[rule.pk] for ticket_id, rule in met.items()}


def _first_met(
    account_id: int, rules: Sequence[SkillRule], ticket_ids: Sequence[int], now: datetime, zone: ZoneInfo
) -> dict[int, SkillRule]:
    tests = {rule.pk: test for rule in rules if (test := _test(account_id, rule, now, zone)) is not None}
    if not tests:
        return {}
    whens = " ".join(f"when ({test.text}) then %s" for test in tests.values())
    params = [value for pk, test in tests.items() for value in (*test.params, pk)]
    found = sql.rows(
        f"select t.id, case {whens} end from crm_ticket t where t.account_id = %s and t.id = any(%s)",
        [*params, account_id, list(ticket_ids)],
    )
    by_id = {rule.pk: rule for rule in rules}
    return {ticket_id: by_id[rule_id] for ticket_id, rule_id in found if rule_id is not None}


def _test(account_id: int, rule: SkillRule, now: datetime, zone: ZoneInfo) -> Sql | None:
    try:
        condition = as_json.from_json(rule.condition)
        return membership.fitting(account_id, "ticket", condition, now, zone)
    except Invalid as refusal:
        log.warning("skill rule passed over", rule=rule.pk, account=account_id, error=str(refusal))
        return None


@dataclass(frozen=True)
class Holders:
    """Who has which skill, in the order of their names: {skill: {user: whether it is a main one}}."""

    by_skill: Mapping[int, Mapping[int, bool]]
    languages: frozenset[int]
    order: Mapping[int, int]  # place of each user by name

    @property
    def skill_ids(self) -> list[int]:
        return list(self.by_skill)


# A person's own word on a skill counts before their team's; a team's skills are those of its main members.
_HOLDERS = """
select s.id, c.is_language, u.id, bool_or(h.is_main) from routing_skill s
join routing_skillcategory c on c.account_id = s.account_id and c.id = s.category_id
left join lateral (
    select us.user_id, us.is_main from routing_userskill us where us.account_id = s.account_id and us.skill_id = s.id
    union all
    select tm.user_id, true from routing_teamskill ts
    join accounts_teammember tm on tm.account_id = ts.account_id and tm.team_id = ts.team_id and tm.is_main
    where ts.account_id = s.account_id and ts.skill_id = s.id and not exists (
        select from routing_userskill us where us.account_id = s.account_id and us.skill_id = s.id and us.user_id = tm.user_id)
) h on true
left join accounts_user u on u.id = h.user_id
where s.account_id = %s and s.id = any(%s)
group by s.id, c.is_language, u.id, u.sort_key, u.name
order by u.sort_key, u.name, u.id
"""


def holders_of(account_id: int, skill_ids: Collection[int]) -> Holders:
    """One query. A skill that nobody has is there, without anybody."""
    by_skill: dict[int, dict[int, bool]] = {}
    languages: set[int] = set()
    order: dict[int, int] = {}
    for skill_id, is_language, user_id, is_main in sql.rows(_HOLDERS, [account_id, sorted(skill_ids)]):
        own = by_skill.setdefault(skill_id, {})
        if is_language:
            languages.add(skill_id)
        if user_id is not None:
            own[user_id] = is_main
            order.setdefault(user_id, len(order))
    return Holders(by_skill, frozenset(languages), order)


def ask(rule: SkillRule, holders: Holders, names: Mapping[int, str]) -> Asked:
    """What the rule asks, in terms of people. Pure."""
    has = {pk: set(holders.by_skill.get(pk, ())) for pk in (*rule.needed_ids, *rule.wished_ids)}
    needed = [has[pk] for pk in rule.needed_ids]
    able = (
        set.union(*needed) if rule.any_will_do and needed else set.intersection(*needed) if needed else set()
    )
    if not needed:  # only wishes: whoever has them all, and then the channel's own choice
        wished = set.intersection(*(has[pk] for pk in rule.wished_ids)) if rule.wished_ids else set()
        able = wished
    best = able.intersection(*(has[pk] for pk in rule.wished_ids))
    second = frozenset(user_id for user_id in able if _is_second(rule, holders, user_id))
    in_order = sorted(able, key=lambda user_id: holders.order[user_id])
    return Asked(
        rule.pk, rule.name, tuple(names[pk] for pk in (*rule.needed_ids, *rule.wished_ids) if pk in names),
        tuple(user_id for user_id in in_order if user_id in best), tuple(in_order), second,
    )  # fmt: skip


def _is_second(rule: SkillRule, holders: Holders, user_id: int) -> bool:
    """Whether they speak a language that is asked for, and not as their main one; of several of which any will do, none of
    them (R-SKILL-15)."""
    needed, wished = (
        [
            is_main
            for pk in ids
            if pk in holders.languages and (is_main := holders.by_skill[pk].get(user_id)) is not None
        ]
        for ids in (rule.needed_ids, rule.wished_ids)
    )
    enough = any if rule.any_will_do else all
    return bool(needed and not enough(needed)) or not all(wished)
