"""What may be added at a place: actions by what they are about, and what holds and directs the way; and who may."""

from __future__ import annotations

from collections.abc import Callable, Container

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.types import Viewer
from deskhand.automation.actions.registry import ACTIONS, may_use
from deskhand.automation.actions.types import Group
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import Definition, Delay, IfThen, RandomSplit, ValueEquals
from deskhand.automation.engine.edit import Place
from deskhand.automation.gating import GO_TO, kind_of
from deskhand.kernel.errors import Forbidden
from deskhand.web.workflows.editor.rows import Offer, Offers
from deskhand.web.workflows.looks import LOOKS

GROUPS: dict[Group, str | Promise] = {
    Group.TELL: gettext_lazy("Tell somebody"),
    Group.RECORD: gettext_lazy("The record"),
    Group.ASSIGN: gettext_lazy("Assign"),
    Group.AUDIENCE: gettext_lazy("Audience"),
    Group.OUTSIDE: gettext_lazy("Other systems"),
}
FLOW = (
    ("delay", *LOOKS[Delay], gettext_lazy("Wait for a time, a date or an event.")),
    ("if-then", *LOOKS[IfThen], gettext_lazy("Split the records by conditions.")),
    ("value-equals", *LOOKS[ValueEquals], gettext_lazy("One branch for each value of a property.")),
    ("random-split", *LOOKS[RandomSplit], gettext_lazy("By chance, in shares that you set.")),
    (GO_TO, gettext_lazy("Go to another step"), "corner-down-right", "amber", gettext_lazy("Join another branch, or begin again after a delay.")),
)  # fmt: skip


def offers_at(
    definition: Definition, place: Place, kinds: Container[str], url: Callable[[str], str], *, why_not: Callable[[str], str] | None = None, wanted: str = ""
) -> tuple[Offers, ...]:  # fmt: skip
    """Those of `kinds` whose title or text has all words of `wanted`.

    `url` is where one is added; `why_not` says of an action why somebody can't, or nothing.
    """
    groups = [
        Offers(
            str(label),
            tuple(
                _offer(
                    one.kind,
                    one.icon,
                    one.tone,
                    str(one.label),
                    str(one.about),
                    url,
                    why_not(one.kind) if why_not else "",
                )
                for one in ACTIONS.values()
                if one.group is group and one.kind in kinds
            ),
        )
        for group, label in GROUPS.items()
    ]
    flow = tuple(
        _offer(kind, icon, tone, str(title), str(text), url, _where_not(kind, definition, place))
        for kind, title, icon, tone, text in FLOW
        if kind in kinds
    )
    words = wanted.casefold().split()
    found = (
        Offers(group.label, tuple(one for one in group.offers if _has(one, words)))
        for group in (*groups, Offers(_("Flow"), flow))
    )
    return tuple(group for group in found if group.offers)


def _offer(
    kind: str, icon: str, tone: str, title: str, text: str, url: Callable[[str], str], why_not: str
) -> Offer:
    return Offer(icon, tone, title, text, "" if why_not else url(kind), why_not)


def _where_not(kind: str, definition: Definition, place: Place) -> str:
    edge = edit.edge_at(definition, place)
    if kind == GO_TO and (place == edit.START or (edge is not None and not edge.is_goto)):
        return _("Only at the end of a branch.")
    return ""


def _has(offer: Offer, words: list[str]) -> bool:
    return all(word in f"{offer.title} {offer.text}".casefold() for word in words)


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def why_not(viewer: Viewer, kind: str) -> str:
    """Why somebody can't have such a step, or nothing."""
    return "" if may_use(viewer, kind) else _("You don't have permission to use this.")


def require_use(viewer: Viewer, *kinds: str) -> None:
    """What only some may add, only they may change, and put where it would be added. Raises Forbidden."""
    for kind in kinds:
        if said := why_not(viewer, kind):
            raise Forbidden(said)


def kinds_from(definition: Definition, step_id: str, *, with_following: bool) -> set[str]:
    """The kinds of a step and, if they come along, of all that hang on it."""
    ids = edit.branch_below(definition, step_id) if with_following else {step_id}
    return {kind_of(definition.by_id[one]) for one in ids}
