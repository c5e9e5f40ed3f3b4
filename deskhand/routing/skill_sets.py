"""Verbs on the sets of skill rules that channels follow: rules in order, the first that a ticket meets counts (R-SKILL-9 …
R-SKILL-12). Who may set them up is for the caller to ask: policy's `skills.edit`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts import audit
from deskhand.crm.filters import as_json
from deskhand.crm.filters.types import Condition, Filter, leaves_by_type, link_types, linked_kinds
from deskhand.crm.pipelines.cards import TEAMS
from deskhand.crm.records import membership
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.segments.segments import Use, asked_for
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.routing import skills
from deskhand.routing.decision import cycles_of
from deskhand.routing.models import RoundRobinState, RoutingRule, Skill, SkillRule, SkillRuleSet

MOST = 100  # sets of an account
MOST_RULES = 100  # of a set


@dataclass(frozen=True)
class NewRule:
    """`wished` skills are given up first (R-SKILL-14); `any_will_do`: one of the needed ones is enough."""

    name: str
    condition: Condition
    needed: Sequence[int] = ()
    wished: Sequence[int] = ()
    any_will_do: bool = False


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def sets(account_id: int) -> list[SkillRuleSet]:
    """By name."""
    return list(_sets(account_id).order_by("name", "id"))


def find(account_id: int, set_id: int) -> SkillRuleSet:
    """Raises NotFound."""
    found = _sets(account_id).filter(pk=set_id).first()
    if found is None:
        raise NotFound(_("There are no such skill rules."))
    return found


def rules_of(account_id: int, set_ids: Sequence[int]) -> dict[int, list[SkillRule]]:
    """In order, by set. One query."""
    found: dict[int, list[SkillRule]] = defaultdict(list)
    for rule in _rules(account_id).filter(rule_set_id__in=set_ids).order_by("place"):
        found[rule.rule_set_id].append(rule)
    return found


def find_rule(account_id: int, set_id: int, rule_id: int) -> SkillRule:
    """Raises NotFound."""
    found = _rules(account_id).filter(rule_set_id=set_id, pk=rule_id).first()
    if found is None:
        raise NotFound(_("There is no such skill rule."))
    return found


def problem_of(rule: SkillRule) -> str:
    """Why routing passes it over, in words; empty where it can be asked."""
    try:
        _require_askable(rule.account_id, as_json.from_json(rule.condition))
    except Invalid as refusal:
        return refusal.message
    return ""


def channels_following(account_id: int, set_ids: Sequence[int]) -> dict[int, list[int]]:
    """Channel accounts by set. One query."""
    found: dict[int, list[int]] = defaultdict(list)
    following = RoutingRule.objects.filter(account_id=account_id, skill_rule_set_id__in=set_ids)
    for set_id, channel_id in following.order_by("channel_account_id").values_list(
        "skill_rule_set_id", "channel_account_id"
    ):
        found[set_id or 0].append(channel_id)
    return found


def asking_for_segments(account_id: int, segment_ids: Sequence[int]) -> dict[int, list[Use]]:
    """{segment: the rules whose conditions ask for it}. One query, as for the two below."""
    return _asking(account_id, asked_for, segment_ids)


def asking_for_labels(account_id: int, numbers: Sequence[int]) -> dict[int, list[Use]]:
    """The same of association labels."""
    return _asking(account_id, link_types, numbers)


def asking_for_kind(account_id: int, object_type: str) -> list[Use]:
    """The same of a kind of linked records."""
    return [use for condition, use in _conditions(account_id) if object_type in linked_kinds(condition)]


def naming(
    account_id: int,
    object_type: str,
    name: str,
    values: Collection[str] = (),
    *,
    clocks: Collection[str] = (),
) -> list[SkillRule]:
    """The rules that ask for a property; with `values`, for one of these. Those that ask for one of `clocks`, too."""
    whole = {*clocks} if values else {name, *clocks}
    return _filtering(
        account_id,
        lambda kind, leaf: (
            kind == object_type
            and (leaf.property in whole or (leaf.property == name and any(str(one) in values for one in leaf.values)))
        ),
    )  # fmt: skip


def naming_user(account_id: int, user_id: int) -> list[SkillRule]:
    """The rules that ask whether this user is in a property: the owner, or one of the account's own."""

    def names(kind: str, leaf: Filter) -> bool:
        prop = properties_of(kind).get(leaf.property)
        return prop is not None and (prop.is_user or prop.is_of_people) and user_id in leaf.values

    return _filtering(account_id, names)


def naming_team(account_id: int, team_id: int) -> list[SkillRule]:
    """The rules that ask whether records are this team's."""
    return _filtering(account_id, lambda _kind, leaf: leaf.property == TEAMS and team_id in leaf.values)


def _filtering(account_id: int, names: Callable[[str, Filter], bool]) -> list[SkillRule]:
    """With their sets. One query."""
    rules = _rules(account_id).select_related("rule_set").order_by("rule_set__name", "place")
    return [
        one for one in rules
        if any(
            isinstance(leaf, Filter) and names(kind, leaf)
            for kind, leaf in leaves_by_type(as_json.from_json(one.condition), "ticket")
        )
    ]  # fmt: skip


def _asking(
    account_id: int, named: Callable[[Condition], set[int]], ids: Sequence[int]
) -> dict[int, list[Use]]:
    found: dict[int, list[Use]] = defaultdict(list)
    for condition, use in _conditions(account_id):
        for number in named(condition).intersection(ids):
            found[number].append(use)
    return dict(found)


def _conditions(account_id: int) -> list[tuple[Condition, Use]]:
    rules = _rules(account_id).order_by("rule_set__name", "place")
    return [(as_json.from_json(one.condition), Use("skill_rule", one.pk, one.name)) for one in rules]


# ── sets ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def create(account_id: int, name: str, *, by: Actor) -> SkillRuleSet:
    """Raises Invalid without a name, and for one that is there."""
    with account_scope(account_id):
        row = SkillRuleSet(account_id=account_id, name=skills.checked_name(name))
        if _sets(account_id).count() >= MOST:
            raise Invalid(_("There are %(count)s sets of skill rules already.") % {"count": MOST}, field="name", hint=_("Delete one first."))  # fmt: skip
        _require_free(account_id, row)
        row.save()
        _audit("created", row, by, after={"name": row.name})
        return row


def rename(account_id: int, set_id: int, name: str, *, by: Actor) -> None:
    """Raises NotFound, and Invalid as `create` does. Safe to repeat."""
    with account_scope(account_id):
        row = _held(account_id, set_id)
        before, row.name = row.name, skills.checked_name(name)
        if row.name != before:
            _require_free(account_id, row)
            row.save(update_fields=["name"])
            _audit("updated", row, by, before={"name": before}, after={"name": row.name})


def copy(account_id: int, set_id: int, name: str, *, by: Actor) -> SkillRuleSet:
    """With all its rules; channels go on following the one they follow. Raises NotFound, and Invalid as `create` does."""
    with account_scope(account_id):
        found = _held(account_id, set_id)
        made = create(account_id, name, by=by)
        rules = rules_of(account_id, [found.pk]).get(found.pk, [])
        for rule in rules:
            rule.pk, rule.rule_set = None, made
        SkillRule.objects.bulk_create(rules)
        if rules:
            _audit("updated", made, by, after={"rules": [rule.name for rule in rules]})
        return made


def delete(account_id: int, set_id: int, *, by: Actor) -> None:
    """Raises Conflict while a channel follows it, NotFound."""
    with account_scope(account_id):
        row = _held(account_id, set_id)
        if following := len(channels_following(account_id, [row.pk]).get(row.pk, ())):
            raise Conflict(
                ngettext(
                    "%(num)s channel follows “%(name)s”. Choose others there first.",
                    "%(num)s channels follow “%(name)s”. Choose others there first.",
                    following,
                )
                % {"num": following, "name": row.name}
            )
        names = [rule.name for rule in rules_of(account_id, [row.pk]).get(row.pk, ())]
        _audit("deleted", row, by, before={"name": row.name, "rules": names})
        row.delete()


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_rule(account_id: int, set_id: int, new: NewRule, *, by: Actor) -> SkillRule:
    """Behind the others. Raises NotFound, and Invalid, naming the field, for a rule that could never be followed."""
    with account_scope(account_id):
        rule_set = _held(account_id, set_id)
        place = rule_set.rules.count()
        if place >= MOST_RULES:
            raise Invalid(_("There are %(count)s rules in it already.") % {"count": MOST_RULES}, field="name", hint=_("Delete one first."))  # fmt: skip
        row = SkillRule(account_id=account_id, rule_set=rule_set, place=place)
        _fill(row, new)
        row.save()
        _audit("updated", rule_set, by, after=_facts(row))
        return row


def change_rule(account_id: int, set_id: int, rule_id: int, new: NewRule, *, by: Actor) -> None:
    """Raises as `add_rule` does. Safe to repeat."""
    with account_scope(account_id):
        rule_set = _held(account_id, set_id)
        row = find_rule(account_id, set_id, rule_id)
        before = _facts(row)
        _fill(row, new)
        if before != _facts(row):
            row.save()
            _audit("updated", rule_set, by, before=before, after=_facts(row))


def delete_rule(account_id: int, set_id: int, rule_id: int, *, by: Actor) -> None:
    """Raises NotFound."""
    with account_scope(account_id):
        rule_set = _held(account_id, set_id)
        row = find_rule(account_id, set_id, rule_id)
        before, place = _facts(row), row.place
        RoundRobinState.objects.filter(account_id=account_id, step__in=cycles_of(row.pk)).delete()
        row.delete()
        rule_set.rules.filter(place__gt=place).update(place=F("place") - 1)
        _audit("updated", rule_set, by, before=before)


def order(account_id: int, set_id: int, rule_ids: Sequence[int], *, by: Actor) -> None:
    """Those that are not named follow in their order, those that are gone are passed over. Safe to repeat; raises NotFound."""
    with account_scope(account_id):
        rule_set = _held(account_id, set_id)
        rules = {rule.pk: rule for rule in rules_of(account_id, [set_id]).get(set_id, ())}
        wanted = dict.fromkeys((*(pk for pk in rule_ids if pk in rules), *rules))
        if list(wanted) == list(rules):
            return
        before = [rule.name for rule in rules.values()]
        for place, pk in enumerate(wanted):
            rules[pk].place = place
        SkillRule.objects.bulk_update(rules.values(), ["place"])
        after = [rules[pk].name for pk in wanted]
        _audit("updated", rule_set, by, before={"rules": before}, after={"rules": after})


def set_rules(account_id: int, set_id: int, rules: Sequence[NewRule], *, by: Actor) -> None:
    """These in place of what there is, place by place. Raises as `add_rule` does. Safe to repeat."""
    with account_scope(account_id):
        _held(account_id, set_id)
        there = rules_of(account_id, [set_id]).get(set_id, [])
        for row, new in zip(there, rules, strict=False):
            change_rule(account_id, set_id, row.pk, new, by=by)
        for row in there[len(rules) :]:
            delete_rule(account_id, set_id, row.pk, by=by)
        for new in rules[len(there) :]:
            add_rule(account_id, set_id, new, by=by)


def _fill(row: SkillRule, new: NewRule) -> None:
    row.name = skills.checked_name(new.name)
    _require_askable(row.account_id, new.condition)
    row.condition = as_json.to_json(new.condition)
    there = skills.hold(row.account_id, [*new.needed, *new.wished])
    if missing := [pk for pk in (*new.needed, *new.wished) if pk not in there]:
        raise Invalid(_("There is no such skill."), field="needed", value=missing[0])
    if not there:
        raise Invalid(
            _("Choose what the ticket needs."), field="needed", hint=_("Choose at least one skill.")
        )
    row.needed_ids = list(dict.fromkeys(new.needed))
    row.wished_ids = [pk for pk in dict.fromkeys(new.wished) if pk not in row.needed_ids]
    row.any_will_do = new.any_will_do


def _require_askable(account_id: int, condition: Condition) -> None:
    """Raises Invalid for one without a filter, and for one that names what is not there."""
    if not list(leaves_by_type(condition, "ticket")):
        raise Invalid(_("A rule needs at least one filter."), field="condition", hint=_("Add a filter."))
    membership.fitting(account_id, "ticket", condition, clock.now(), ZoneInfo("UTC"))


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sets(account_id: int) -> QuerySet[SkillRuleSet]:
    return SkillRuleSet.objects.filter(account_id=account_id)


def _rules(account_id: int) -> QuerySet[SkillRule]:
    return SkillRule.objects.filter(account_id=account_id)


def _held(account_id: int, set_id: int) -> SkillRuleSet:
    """Whoever changes a set's rules, or lets a channel follow it, holds it. Raises NotFound."""
    row = _sets(account_id).filter(pk=set_id).select_for_update().first()
    if row is None:
        raise NotFound(_("There are no such skill rules."))
    return row


def require(account_id: int, set_id: int) -> SkillRuleSet:
    """For a channel that is to follow it; it stays until the transaction ends. Raises Invalid."""
    try:
        return _held(account_id, set_id)
    except NotFound as missing:
        raise Invalid(str(missing), field="skill_rule_set_id", value=set_id) from missing


def _require_free(account_id: int, row: SkillRuleSet) -> None:
    if _sets(account_id).filter(name__iexact=row.name).exclude(pk=row.pk).exists():
        raise Invalid(
            _("There are skill rules called “%(name)s” already.") % {"name": row.name}, field="name", value=row.name,
            hint=_("Choose another name."),
        )  # fmt: skip


def _facts(row: SkillRule) -> dict[str, Any]:
    names = dict(
        Skill.objects.filter(
            pk__in=[*row.needed_ids, *row.wished_ids], account_id=row.account_id
        ).values_list("pk", "name")
    )
    return {
        "rule": row.name,
        "condition": row.condition,
        "needed": [names.get(pk, str(pk)) for pk in row.needed_ids],
        "wished": [names.get(pk, str(pk)) for pk in row.wished_ids],
        "any_will_do": row.any_will_do,
    }


def _audit(did: str, row: SkillRuleSet, by: Actor, **facts: Any) -> None:
    audit.record(f"skill_rules.{did}", by=by, target_type="skill_rules", target_id=row.pk, **facts)
