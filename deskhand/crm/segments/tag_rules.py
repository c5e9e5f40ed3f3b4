"""Verbs on the rules of tags: who meets the condition wears the tag (R-BOARD-3). `records/tagging.py` puts them on.

A rule is followed as a segment by filter is: by events, by time, and by a slow job at first. While a tag has one, nobody
and nothing else puts it on or takes it off; a retired tag's rule rests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.types import Condition, Filter, leaves_by_type
from deskhand.crm.schema import tags
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Option
from deskhand.crm.segments.models import TAG_RULE, Segment
from deskhand.crm.segments.segments import condition_of, look_at_all, put_away, require_askable
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id, current_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound

_NOTE = "crm.tag_rules"
#: What putting a tag on changes itself: a rule that looks at it would never come to rest.
_OWN_CHANGE = "updated_at"


@dataclass(frozen=True)
class TagRule:
    tag: str
    condition: Condition
    filled_to: int
    is_filled: bool  # every ticket has been looked at since it changed
    problem: str


def rules() -> dict[str, TagRule]:
    """By tag, those that are set, also of retired tags. One query."""
    found = Segment.objects.filter(account_id=current_account_id(), kind=TAG_RULE, archived_at=None)
    return {
        one.name: TagRule(
            one.name, condition_of(one), one.filled_to, one.filled_at is not None, one.problem
        )
        for one in found.order_by("pk")
    }  # fmt: skip


def automatic() -> frozenset[str]:
    """The tags that follow a rule. Read once per transaction."""
    notes = current_scope().notes
    found = notes.get(_NOTE)
    if not isinstance(found, frozenset):
        known = Segment.objects.filter(account_id=current_account_id(), kind=TAG_RULE, archived_at=None)
        notes[_NOTE] = found = frozenset(known.values_list("name", flat=True))
    return found


def by_hand() -> tuple[Option, ...]:
    """The tags that people and workflows put on."""
    return tuple(one for one in tags.tags() if one.value not in automatic())


def require_by_hand(tag: str) -> None:
    """Raises Invalid for a tag that is not there, and for one that follows a rule."""
    option = _tag_of(tag)
    if option is None:
        raise Invalid(_("There is no such tag."), field="tag", value=tag[:40])
    if tag in automatic():
        raise Invalid(
            _("“%(tag)s” follows its rule; nobody puts it on or takes it off.") % {"tag": option.label},
            field="tag", value=tag, hint=_("Change the rule in the settings of the tags."),
        )  # fmt: skip


def find(tag: str) -> Option:
    """Raises NotFound."""
    found = _tag_of(tag)
    if found is None:
        raise NotFound(_("There is no such tag."))
    return found


def _tag_of(tag: str) -> Option | None:
    return next((one for one in tags.tags() if one.value == tag), None)


def arrange(rows: Sequence[Option], *, by: Actor) -> None:
    """As `tags.arrange`; the rules of tags that come back are followed again."""
    resting = {one.value for one in tags.tags() if one.is_hidden}
    tags.arrange(rows, by=by)
    back = resting - {one.value for one in tags.tags() if one.is_hidden}
    found = Segment.objects.filter(
        account_id=current_account_id(), kind=TAG_RULE, name__in=back, archived_at=None
    )
    for rule in found.order_by("pk").select_for_update(no_key=True):
        rule.filled_to, rule.filled_at = 0, None
        rule.save(update_fields=["filled_to", "filled_at"])
        look_at_all(rule, clock.now())


def set_rule(tag: str, condition: Condition, *, by: Actor) -> None:
    """Let the tag follow this condition; all tickets are looked at by a slow job. Nothing happens where it does already.

    Raises NotFound for a tag that is not there, Conflict for a retired one, Invalid for a condition that can't be asked or
    would depend on the tag itself.
    """
    option = find(tag)
    if option.is_hidden:
        raise Conflict(_("A retired tag has no rule. Bring it back first."))
    at, rule = clock.now(), _held(tag)
    is_new = rule is None
    if rule is None:
        rule = Segment(
            account_id=current_account_id(),
            object_type="ticket",
            name=tag,
            kind=TAG_RULE,
            owner_id=by.id,
            created_at=at,
        )
    _require(rule, condition)
    before, after = rule.condition, to_json(condition)
    if not is_new and before == after and not rule.problem:
        return
    rule.condition, rule.changed_at, rule.problem = after, at, ""
    rule.filled_to, rule.filled_at = 0, None
    rule.generation += not is_new
    rule.save()
    current_scope().notes.pop(_NOTE, None)
    audit.record(
        "tag_rule.set", by=by, target_type="tag", target_id=rule.pk,
        before={} if is_new else {"name": option.label, "condition": before}, after={"name": option.label, "condition": after},
    )  # fmt: skip
    look_at_all(rule, at)


def drop_rule(tag: str, *, by: Actor) -> None:
    """From now on people put it on and take it off; who wears it keeps it. Nothing happens where there is no rule.

    Raises NotFound for a tag that is not there.
    """
    option = find(tag)
    rule = _held(tag)
    if rule is None:
        return
    put_away(rule)
    current_scope().notes.pop(_NOTE, None)
    audit.record(
        "tag_rule.dropped", by=by, target_type="tag", target_id=rule.pk,
        before={"name": option.label, "condition": rule.condition},
    )  # fmt: skip


def _held(tag: str) -> Segment | None:
    return (
        Segment.objects.filter(account_id=current_account_id(), kind=TAG_RULE, name=tag, archived_at=None)
        .select_for_update(no_key=True)
        .first()
    )


def _require(rule: Segment, condition: Condition) -> None:
    asked = list(leaves_by_type(condition, "ticket"))
    if not asked:
        raise Invalid(
            _("A rule needs at least one filter."),
            field="condition",
            hint=_("Add a filter, or remove the rule."),
        )
    own = {prop.name for prop in properties_of("ticket").values() if prop.column == _OWN_CHANGE}
    for object_type, leaf in asked:
        if object_type == "ticket" and isinstance(leaf, Filter) and leaf.property in own:
            raise Invalid(
                _("A rule can't ask when a ticket was last changed: putting the tag on would change that."),
                field="condition", value=leaf.property, hint=_("Ask for the latest message, or for another date."),
            )  # fmt: skip
    require_askable(rule, condition)
