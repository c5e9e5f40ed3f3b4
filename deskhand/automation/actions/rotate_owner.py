"""Give the record to one of several people: by how much they have, in turn, or at random (R-ROT-1 … R-ROT-11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts import queries as people
from deskhand.accounts.plans import Feature
from deskhand.automation.actions import choices
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import (
    Action,
    Doing,
    Done,
    Group,
    Output,
    Then,
    by_workflow,
    here,
    skipped,
)
from deskhand.automation.engine.loops import Touches, Write
from deskhand.crm.records import store
from deskhand.crm.records.store import Change
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel.database.scope import current_account_id
from deskhand.routing import explain, rotating
from deskhand.routing.rotating import Targets, Turn
from deskhand.routing.types import Strategy

ASSIGNED, NOBODY, KEPT = "assigned", "nobody", "kept"


class RotateOwner(Action):
    kind = "rotate_owner"
    label = gettext_lazy("Rotate owner")
    about = gettext_lazy("Give the record to one of several people.")
    icon, tone, group = "refresh-cw", "blue", Group.ASSIGN
    feature = Feature.ROUTING  # R-ROT-11
    changes = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        return (
            here(around),
            Setting("property", _("Which property gets the person"), Input.PROPERTY, options=_user_properties(around), default=choices.OWNER),
            Setting("users", _("Users"), Input.USERS, options=_users(), help=_("Only people with a seat can be chosen.")),
            Setting("teams", _("Teams"), Input.TEAMS, options=choices.teams(with_seat=True), help=_("Their main members.")),
            Setting("strategy", _("Who is next"), Input.CHOICE, options=_strategies(), default=Strategy.LOAD_BALANCED.value),
            Setting("only_available", _("Only people who are available"), Input.CHECK),
            Setting("overwrite", _("Also when it has an owner already"), Input.CHECK, default=True),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        if not (settings.get("users") or settings.get("teams")):
            return [("users", _("Choose at least one user or team."))]
        return super().problems(settings)

    def summary(self, settings: Mapping[str, Any]) -> str:
        users, teams = len(settings.get("users") or ()), len(settings.get("teams") or ())
        parts = [ngettext("%(n)s user", "%(n)s users", users) % {"n": users}] if users else []
        parts += [ngettext("%(n)s team", "%(n)s teams", teams) % {"n": teams}] if teams else []
        strategy = explain.STRATEGIES[Strategy(settings.get("strategy") or Strategy.LOAD_BALANCED)]
        return _("%(strategy)s: %(among)s") % {"strategy": strategy, "among": ", ".join(parts)}

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        outcomes = (
            (ASSIGNED, _("Somebody was assigned")),
            (NOBODY, _("Nobody could take it")),
            (KEPT, _("It had an owner")),
        )
        return (Output("outcome", _("What came of it"), outcomes), Output("user", _("Who was assigned")))

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        """Whose turn it would have been nobody can tell afterwards."""
        name = str(doing.settings.get("property") or choices.OWNER)
        if not _may(doing, name, "owner_id" if name == choices.OWNER else ""):
            return Done(message=_("It had an owner already."), outputs={"outcome": KEPT, "user": ""}), {}
        return Done(outputs={"outcome": ASSIGNED, "user": ""}), {}

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        name = str(settings.get("property") or choices.OWNER)
        return Touches(writes=frozenset({Write(object_type, name)}))

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers: dict[int, Done] = {}
        for part in by_workflow(batch):
            for step_id in dict.fromkeys(doing.step_id for doing in part):
                answers |= _rotated([doing for doing in part if doing.step_id == step_id])
        return [answers[doing.enrollment_id] for doing in batch]


def _user_properties(around: Around) -> tuple[Option, ...]:
    found = [
        prop for prop in properties_of(around.object_type).values() if prop.is_user and not prop.read_only
    ]
    return choices.properties(found)


def _users() -> tuple[Option, ...]:
    """Who has a seat (R-ROT-4)."""
    return choices.people(with_seat=True)


def _strategies() -> tuple[Option, ...]:
    labels = {
        Strategy.LOAD_BALANCED: _("Who has the fewest open"), Strategy.ROUND_ROBIN: _("One after another"), Strategy.RANDOM: _("At random"),
    }  # fmt: skip
    return tuple(Option(strategy.value, label) for strategy, label in labels.items())


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rotated(group: Sequence[Doing]) -> dict[int, Done]:
    """Records at one step of one workflow."""
    first = group[0]
    name = str(first.settings.get("property") or choices.OWNER)
    column = "owner_id" if name == choices.OWNER else ""
    due = [doing for doing in group if _may(doing, name, column)]
    turns = {turn.record_id: turn for turn in _turns(due, keeps=bool(column))}
    _write(due, turns, column or name)
    names = {
        member.user_id: member.name for member in people.members(current_account_id(), active_only=False)
    }
    kept = Done(message=_("It had an owner already."), outputs={"outcome": KEPT, "user": ""})
    return {
        doing.enrollment_id: _answer(turns[doing.record_id], names) if doing.record_id in turns else kept for doing in group
    }  # fmt: skip


def _may(doing: Doing, name: str, column: str) -> bool:
    """R-ROT-8"""
    there = doing.record[column] if column else doing.record["properties"].get(name)
    return bool(doing.settings.get("overwrite", True)) or not there


def _turns(due: Sequence[Doing], *, keeps: bool) -> list[Turn]:
    if not due:
        return []
    first = due[0]
    given = first.settings
    targets = Targets(
        f"workflow:{first.workflow_id}:{first.step_id}", Strategy(given.get("strategy") or Strategy.LOAD_BALANCED),
        tuple(map(int, given.get("users") or ())), tuple(map(int, given.get("teams") or ())), bool(given.get("only_available")),
    )  # fmt: skip
    records = list(dict.fromkeys(doing.record_id for doing in due))
    return rotating.rotate(first.account_id, first.object_type, records, targets, first.now, keeps=keeps)


def _write(due: Sequence[Doing], turns: Mapping[int, Turn], name: str) -> None:
    changes = {}
    for doing in due:
        turn = turns[doing.record_id]
        if turn.user_id is not None:
            teams = {"assigned_team_ids": list(turn.team_ids)} if name == "owner_id" and turn.team_ids else {}
            changes[doing.record_id] = Change(doing.record_id, {name: turn.user_id, **teams}, cause=doing.cause, depth=doing.depth + 1)  # fmt: skip
    if changes:
        store.change_many(due[0].object_type, list(changes.values()), by=due[0].by, at=due[0].now)


def _answer(turn: Turn, names: Mapping[int, str]) -> Done:
    """Nobody leaves the owner as it is (R-ROT-9, R-ROT-10)."""
    if turn.user_id is not None:
        name = names.get(turn.user_id, "")
        return Done(
            message=_("Assigned to %(name)s") % {"name": name}, outputs={"outcome": ASSIGNED, "user": name}
        )
    why = [
        _("%(name)s: %(reason)s") % {"name": names.get(pk, str(pk)), "reason": explain.DROPS[drop]}
        for pk, drop in turn.dropped[:5]
    ]
    message = " ".join([_("Nobody could take it."), "; ".join(why)]).strip()
    return Done(skipped("").status, message, {"outcome": NOBODY, "user": ""})
