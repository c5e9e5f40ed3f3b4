"""What steps are called, and by which icon and color they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_lazy

from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import Action, Delay, IfThen, RandomSplit, Step, ValueEquals


@dataclass(frozen=True)
class Look:
    title: str
    icon: str
    tone: str


LOOKS: Mapping[type, tuple[object, str, str]] = {
    Delay: (gettext_lazy("Delay"), "hourglass", "amber"),
    IfThen: (gettext_lazy("If/then branch"), "git-branch", "violet"),
    ValueEquals: (gettext_lazy("Branch by value"), "list-filter", "violet"),
    RandomSplit: (gettext_lazy("Random split"), "shuffle", "violet"),
}


def look_of(step: Step) -> Look:
    if isinstance(step, Action):
        action = ACTIONS.get(step.kind)
        return Look(str(action.label), action.icon, action.tone) if action else Look(step.kind, "zap", "red")
    title, icon, tone = LOOKS[type(step)]
    return Look(str(title), icon, tone)
