"""Custom views: filters with a name, for oneself, a team or everyone. They need a seat (R-VIEW-5, R-VIEW-7)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account, Team
from deskhand.accounts.policy import Action, can, require
from deskhand.accounts.types import Viewer
from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.types import EVERYTHING, Condition, Filter, leaves_by_type, link_types, linked_kinds
from deskhand.crm.schema import clock_names
from deskhand.crm.segments.segments import Use, asked_for
from deskhand.desk import preferences
from deskhand.desk.models import CustomView, Sharing
from deskhand.desk.selection import Selection, where
from deskhand.events import log
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_scope
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.text import storable

NAME = 80  # characters
MOST = 100  # views that somebody has
_NOTE = "desk.custom_views"


@dataclass(frozen=True)
class Gone:
    """Something deleted that a view asks for."""

    kind: str  # pipeline, status
    label: str


@dataclass(frozen=True)
class What:
    """What a view shows."""

    pipeline_id: int | None
    condition: Condition
    columns: tuple[str, ...]
    sort: str


@dataclass(frozen=True)
class SavedView:
    id: int
    name: str
    owner_id: int
    sharing: Sharing
    team_id: int | None
    columns: tuple[str, ...]
    sort: str
    selection: Selection
    gone: tuple[Gone, ...] = ()

    @property
    def key(self) -> str:
        return f"custom-{self.id}"


@dataclass(frozen=True)
class Wish:
    """What a view is to be. `team_id` is whom it is shared with, where that is a team."""

    name: str
    sharing: str
    team_id: int | None = None


def of(viewer: Viewer) -> tuple[SavedView, ...]:
    """Those the viewer has, in their own order. Read once per transaction."""
    if not can(viewer, Action.EDIT_CUSTOM_VIEWS):
        return ()
    notes = current_scope().notes
    kept = notes.get(_NOTE)
    if not isinstance(kept, tuple):
        kept = notes[_NOTE] = _read(viewer)
    return kept


def _read(viewer: Viewer) -> tuple[SavedView, ...]:
    found = CustomView.objects.filter(account_id=viewer.account_id).order_by("id")
    mine = [one for one in found if _is_for(viewer, one)]
    if not mine:
        return ()
    order = {pk: place for place, pk in enumerate(preferences.of(viewer).view_order)}
    zone = ZoneInfo(Account.objects.values_list("zone", flat=True).get(pk=viewer.account_id))
    mine.sort(key=lambda one: (order.get(one.pk, len(order)), one.pk))
    return tuple(_saved(one, zone) for one in mine)


def _is_for(viewer: Viewer, one: CustomView) -> bool:
    shared = one.sharing == Sharing.EVERYONE or (
        one.sharing == Sharing.TEAM and one.team_id in viewer.team_ids
    )
    return shared or one.owner_id == viewer.user_id


def _saved(one: CustomView, zone: ZoneInfo) -> SavedView:
    condition = from_json(one.condition, "condition") if one.condition else EVERYTHING
    return SavedView(
        one.pk, one.name, one.owner_id, Sharing(one.sharing), one.team_id, tuple(one.columns), one.sort,
        Selection(zone, one.pipeline_id, condition), tuple(Gone(**found) for found in one.gone),
    )  # fmt: skip


def usable(viewer: Viewer) -> tuple[SavedView, ...]:
    """Those whose filters can be asked: what they name may be gone, or not for this viewer."""
    return tuple(one for one in of(viewer) if _can_be_asked(viewer, one))


def _can_be_asked(viewer: Viewer, one: SavedView) -> bool:
    try:
        where(viewer, one.selection)
    except Invalid:
        return False
    return True


def find(viewer: Viewer, view_id: int) -> SavedView:
    """Raises NotFound for a view that the viewer has not."""
    found = next((one for one in of(viewer) if one.id == view_id), None)
    if found is None:
        raise NotFound(_("There is no such view."))
    return found


def may_change(viewer: Viewer, one: SavedView) -> bool:
    return one.owner_id == viewer.user_id or viewer.is_super_admin


def create(viewer: Viewer, wish: Wish, what: What) -> int:
    """Raises Forbidden, and Invalid that names the field."""
    require(viewer, Action.EDIT_CUSTOM_VIEWS)
    if CustomView.objects.filter(account_id=viewer.account_id, owner_id=viewer.user_id).count() >= MOST:
        raise Invalid(_("You have too many views."), field="name", hint=_("Delete one first."))
    made = CustomView(account_id=viewer.account_id, owner_id=viewer.user_id, created_at=clock.now())
    _show(viewer, made, what)
    _save(viewer, made, wish, "view.created")
    return made.pk


def show_otherwise(viewer: Viewer, view_id: int, what: What) -> None:
    """Let it show something else. Raises NotFound, Forbidden, and Invalid for filters that can't be asked."""
    found = _own(viewer, view_id)
    _show(viewer, found, what)
    found.gone = []
    found.save(update_fields=["pipeline_id", "condition", "columns", "sort", "gone"])
    _tell(viewer, view_id, "view.changed")


def _show(viewer: Viewer, view: CustomView, what: What) -> None:
    where(viewer, Selection(ZoneInfo("UTC"), what.pipeline_id, what.condition))
    view.pipeline_id, view.columns, view.sort = what.pipeline_id, list(what.columns), what.sort
    view.condition = {} if what.condition == EVERYTHING else to_json(what.condition)


def change(viewer: Viewer, view_id: int, wish: Wish) -> None:
    """Rename it, or share it otherwise. Raises NotFound, Forbidden, and Invalid that names the field."""
    _save(viewer, _own(viewer, view_id), wish, "view.changed")


def delete(viewer: Viewer, view_id: int) -> None:
    found = _own(viewer, view_id)
    found.delete()
    _tell(viewer, view_id, "view.deleted")


def move(viewer: Viewer, view_id: int, step: int) -> None:
    """Up (-1) or down (1) in the viewer's own order."""
    find(viewer, view_id)
    ids = [one.id for one in of(viewer)]
    at = ids.index(view_id)
    ids.insert(min(max(at + step, 0), len(ids) - 1), ids.pop(at))
    preferences.set_view_order(viewer, ids)
    current_scope().notes.pop(_NOTE, None)


def _own(viewer: Viewer, view_id: int) -> CustomView:
    if not may_change(viewer, find(viewer, view_id)):
        raise Forbidden(_("Only its owner may change this view."))
    return CustomView.objects.get(account_id=viewer.account_id, pk=view_id)


def _save(viewer: Viewer, view: CustomView, wish: Wish, kind: str) -> None:
    view.name = storable(wish.name).strip()
    if not view.name:
        raise Invalid(_("A view needs a name."), field="name")
    if len(view.name) > NAME:
        raise Invalid(_("The name is too long."), field="name", value=view.name[:NAME])
    if wish.sharing not in set(Sharing):
        raise Invalid(_("Choose who sees it."), field="sharing", value=wish.sharing[:40])
    view.sharing, view.team_id = Sharing(wish.sharing), wish.team_id if wish.sharing == Sharing.TEAM else None
    if view.sharing == Sharing.TEAM and not _is_team(viewer, view.team_id):
        raise Invalid(_("Choose who sees it."), field="sharing", value=wish.team_id)
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError:
        raise Invalid(_("You have a view of this name."), field="name", value=view.name) from None
    _tell(viewer, view.pk, kind)


def _is_team(viewer: Viewer, team_id: int | None) -> bool:
    found = Team.objects.filter(account_id=viewer.account_id, pk=team_id or 0)
    return found.exists()


def _tell(viewer: Viewer, view_id: int, kind: str) -> None:
    current_scope().notes.pop(_NOTE, None)
    log.record(
        kind, object_type="view", object_id=view_id, version=1, by=Actor.user(viewer.user_id), at=clock.now(), data={}
    )  # fmt: skip


# ── what views ask for ───────────────────────────────────────────────────────────────────────────────────────────────

#: What says, of one kind of record or another, in which status and pipeline it stands.
STATUSES, PIPELINES = {"hs_pipeline_stage", "dealstage"}, {"hs_pipeline", "pipeline"}


def naming(
    account_id: int,
    object_type: str,
    name: str,
    values: Collection[str] = (),
    *,
    clocks: Collection[str] = (),
) -> list[CustomView]:
    """The views that filter by a property, or show it; with `values` those that filter by one of these. The same of `clocks`."""
    found = CustomView.objects.filter(account_id=account_id).order_by("id")
    whole = set(clocks) if values else {name, *clocks}
    return [one for one in found if _names(one, object_type, name, values, whole)]


def _names(one: CustomView, object_type: str, name: str, values: Collection[str], whole: Set[str]) -> bool:
    """Whether it shows one of these properties or filters by it; or by one of the values of the property `name`."""
    if object_type == "ticket" and not whole.isdisjoint(one.columns):
        return True
    return any(
        leaf.property in whole
        or (leaf.property == name and any(str(value) in values for value in leaf.values))
        for kind, leaf in _leaves_by_type(one)
        if kind == object_type
    )


def _leaves_by_type(one: CustomView) -> list[tuple[str, Filter]]:
    """Its filters, with the kind of record each looks at."""
    leaves = leaves_by_type(from_json(one.condition, "condition"), "ticket") if one.condition else ()
    return [(kind, leaf) for kind, leaf in leaves if isinstance(leaf, Filter)]


def asking_for_segments(account_id: int, segment_ids: Sequence[int]) -> dict[int, list[Use]]:
    """{segment: the views that filter by it}."""
    return _asking(account_id, asked_for, segment_ids)


def asking_for_labels(account_id: int, numbers: Sequence[int]) -> dict[int, list[Use]]:
    """{association label: the views that filter by it}."""
    return _asking(account_id, link_types, numbers)


def asking_for_kind(account_id: int, object_type: str) -> list[Use]:
    """The views that filter by linked records of this kind."""
    return _asking(account_id, linked_kinds, [object_type]).get(object_type, [])


Named = TypeVar("Named", int, str)


def _asking(
    account_id: int, named: Callable[[Condition], set[Named]], ids: Sequence[Named]
) -> dict[Named, list[Use]]:
    found: dict[Named, list[Use]] = {}
    for one in CustomView.objects.filter(account_id=account_id).exclude(condition={}).order_by("name"):
        for named_id in named(from_json(one.condition, "condition")).intersection(ids):
            name = one.name if one.sharing == Sharing.EVERYONE else _("somebody's own view")
            found.setdefault(named_id, []).append(Use("view", one.pk, name))
    return found


def of_pipeline(account_id: int, pipeline_id: int) -> list[CustomView]:
    return list(CustomView.objects.filter(account_id=account_id, pipeline_id=pipeline_id).order_by("id"))


def let_go_of(account_id: int, statuses: Mapping[int, Gone], pipelines: Mapping[int, Gone]) -> None:
    """Views that ask for what is deleted say so; what they ask for stays for their owners to change (R-PIPE-10)."""
    for one in CustomView.objects.select_for_update().filter(account_id=account_id).order_by("id"):
        pipeline = pipelines.get(one.pipeline_id or 0)
        lost = [pipeline] if pipeline else _asked_for(one, statuses, pipelines)
        if lost:
            one.gone = [*one.gone, *(vars(gone) for gone in lost if vars(gone) not in one.gone)]
            one.save(update_fields=["gone"])


def _asked_for(one: CustomView, statuses: Mapping[int, Gone], pipelines: Mapping[int, Gone]) -> list[Gone]:
    leaves = [leaf for _kind, leaf in _leaves_by_type(one)]

    def named(properties: Collection[str]) -> set[str]:
        return {str(value) for leaf in leaves if leaf.property in properties for value in leaf.values}

    asked, asked_pipelines = named(STATUSES), named(PIPELINES)
    timed = {clock.stage_id for leaf in leaves if (clock := clock_names.parse(leaf.property)) is not None}
    found = [gone for pk, gone in statuses.items() if str(pk) in asked or pk in timed]
    found += [gone for pk, gone in pipelines.items() if str(pk) in asked_pipelines]
    return list(dict.fromkeys(found))
