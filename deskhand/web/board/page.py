"""Putting the board into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines import cards
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.desk import board, custom_views, new_tickets, preferences, table
from deskhand.desk.custom_views import SavedView, What
from deskhand.desk.selection import Selection
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web import gone, labels, moving
from deskhand.web.asked import number
from deskhand.web.board import creating, rows
from deskhand.web.board.cells import NOBODY, facts, on_card, told
from deskhand.web.board.rows import Mark
from deskhand.web.filters import editing
from deskhand.web.filters.bar import OWN, BarOf
from deskhand.web.filters.editing import Groups, condition
from deskhand.web.filters.words import Words
from deskhand.web.frame import count_text
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import sort_for
from deskhand.web.shell import Person
from deskhand.web.workflows import card


def pipeline_of(pipeline_id: int) -> PipelineValue:
    """Raises NotFound."""
    found = next((one for one in pipelines_of("ticket").pipelines if one.id == pipeline_id), None)
    if found is None:
        raise NotFound(_("There is no such pipeline."))
    return found


def stage_of(pipeline: PipelineValue, stage_id: int) -> StageValue:
    """Raises NotFound."""
    found = pipeline.stage(stage_id)
    if found is None:
        raise NotFound(_("There is no such status."))
    return found


def view_in(request: AccountRequest) -> SavedView | None:
    """The saved view that the address names; None where the viewer has no such."""
    wanted = whole(request.GET.get("view", ""))
    return next((one for one in custom_views.of(request.viewer) if one.id == wanted), None)


def columns_and_sort(view: SavedView) -> tuple[tuple[str, ...], str]:
    """As the table takes them: what is no column any more is left out."""
    return tuple(table.chosen_columns(view.columns)), str(table.sort_of(view.sort or table.DEFAULT_SORT))


def address_of(view: SavedView, screen: str = "table") -> str:
    """The view as it is saved, on the board or as a table; of a deleted pipeline on the default one."""
    known = {one.id for one in pipelines_of("ticket").pipelines}
    of = view.selection.pipeline_id
    pipeline_id = of if of in known else pipelines_of("ticket").default.id
    asked = [("view", str(view.id)), ("f", editing.write(editing.groups_of(view.selection.condition)))]
    if screen == "table":
        asked += [("sort", view.sort), *(("cols", name) for name in view.columns)]
    return f"{reverse(screen, args=[pipeline_id])}?{urlencode([pair for pair in asked if pair[1]])}"


def view_bar(viewer: Viewer, view: SavedView, screen: str, shown: What, filters: BarOf) -> rows.ViewBar:
    """How the page differs from the view, and what may be done about it."""
    lost = filters.lost()
    saved = What(view.selection.pipeline_id, view.selection.condition, *columns_and_sort(view))
    fields = [
        ("pipeline", str(shown.pipeline_id)), ("f", editing.write(editing.groups_of(shown.condition))), ("sort", shown.sort),
        *(("cols", name) for name in shown.columns),
    ]  # fmt: skip
    given = tuple(pair for pair in fields if pair[1])
    may = custom_views.may_change(viewer, view)
    return rows.ViewBar(
        name=view.name, is_changed=shown != saved or (may and bool(view.gone)), gone=gone.said(view), fields=(*given, ("screen", screen)),
        save_url=reverse("view-keep", args=[view.id]) if may else "", new_url=f"{reverse('view-new')}?{urlencode(given)}",
        discard_url=address_of(view, screen), edit_url=reverse("view-edit", args=[view.id]) if may else "",
        lost=gone.lost_said([filters.words.sentence(item) for item in lost]), lost_count=len(lost), without_url=filters.without(lost) if lost else "",
    )  # fmt: skip


def shown_of(request: AccountRequest) -> dict[int, int]:
    """How many cards of each status the page has already, as "status:count"."""
    shown: dict[int, int] = {}
    for text in [*request.GET.getlist("shown"), *request.POST.getlist("shown")]:
        stage, _colon, number = text.partition(":")
        stage_id, count = whole(stage), whole(number)
        if stage_id is not None and count is not None:
            shown[stage_id] = count
    return shown


def read_of(viewer: Viewer, stages: Sequence[StageValue], shown: Mapping[int, int] | None) -> dict[int, int]:
    """By status: how many cards to read, of the columns that are not collapsed (R-BOARD-4)."""
    found = shown or {}
    return {stage.id: found.get(stage.id, 0) for stage in stages if not preferences.is_collapsed(viewer, stage)}  # fmt: skip


def keep_collapsed(viewer: Viewer, pipeline: PipelineValue, form: QueryDict) -> None:
    """Keep which column was pressed: `collapse` or `open` names its status (R-BOARD-4). Raises NotFound, Invalid."""
    name = "collapse" if "collapse" in form else "open"
    stage = stage_of(pipeline, number(form.get(name, ""), name))
    preferences.collapse(viewer, stage.id, name == "collapse")


class BoardOf:
    """One pipeline as the viewer sees it, with a fixed number of queries."""

    def __init__(self, request: AccountRequest, pipeline: PipelineValue, screen: str = "board") -> None:
        self.request, self.viewer, self.pipeline = request, request.viewer, pipeline
        self.screen, self.query = screen, self._kept_query()
        args = [pipeline.id]
        parts = {"editor": reverse("filter-editor", args=args), "count": reverse("filter-count", args=args)}
        self.view = view_in(request)
        if policy.can(self.viewer, Action.EDIT_CUSTOM_VIEWS) and self.view is None:
            parts["save"] = f"{reverse('view-new')}?pipeline={pipeline.id}"
        self.words = Words(self.viewer)
        self.filters = BarOf(self.words, request.GET, reverse(screen, args=args), parts)
        self.selection = self.select(self.filters.groups)

    @cached_property
    def _shown(self) -> tuple[str, ...]:
        return cards.shown(self.pipeline)

    @cached_property
    def _read(self) -> list[Property]:
        """Of the cards' tickets, whose contacts and companies are read anyway."""
        known = properties_of("ticket")
        return [known[name] for name in self._shown if name in known]

    def select(self, groups: Groups) -> Selection:
        return Selection(ZoneInfo(self.request.account.zone), self.pipeline.id, self.filters.asked(groups))

    def _kept_query(self) -> str:
        """What of the address stays the same on the way to a part of the page and back."""
        kept = self.request.GET.copy()
        for name in OWN:
            if name != "f":
                kept.pop(name, None)
        return f"?{kept.urlencode()}" if kept else ""

    def _url(self, name: str, *args: int | str) -> str:
        return reverse(name, args=args) + self.query

    def page(self, shown: Mapping[int, int] | None = None, refusal: Invalid | None = None) -> rows.BoardPage:
        """`shown` says how many cards of a status stand there already, by its id; `refusal` is of the filters' form."""
        stages = self.pipeline.stages
        found = board.cards(self.viewer, self.selection, read_of(self.viewer, stages, shown), self._read)
        counts = board.counts(self.viewer, self.selection, [stage.id for stage in stages])
        return rows.BoardPage(
            **self.page_frame(),
            columns=tuple(self._column(stage, counts[stage.id], *found.get(stage.id, ([], ""))) for stage in stages),
            columns_url=self._url("board-collapse", self.pipeline.id), bar=self.filters.bar(refusal),
        )  # fmt: skip

    def page_frame(self) -> dict[str, Any]:
        """What board and table have in common; the way between them keeps the filters."""
        filters = {"f": editing.write(self.filters.groups)} if self.filters.groups else {}
        if self.view:
            filters["view"] = str(self.view.id)
        kept = f"?{urlencode(filters)}" if filters else ""
        is_automating = policy.can(self.viewer, Action.EDIT_LANES)
        return {
            "sort": sort_for("ticket"), "title": _(self.pipeline.label), "pipelines": self._pipelines(),
            "url": reverse("board", args=[self.pipeline.id]) + kept,
            "table_url": reverse("table", args=[self.pipeline.id]) + kept,
            "automate_url": reverse("automate", args=[self.pipeline.id]) if is_automating else "",
            "create_url": creating.url(moving.first(self.viewer, self.pipeline).id) if self.may_create else "",
            "view": view_bar(self.viewer, self.view, self.screen, self.shows(self.view), self.filters) if self.view else None,
        }  # fmt: skip

    def shows(self, view: SavedView) -> What:
        """What the page shows; a board has no columns and no order of its own."""
        return What(self.pipeline.id, condition(self.filters.groups), *columns_and_sort(view))

    @cached_property
    def may_create(self) -> bool:
        return new_tickets.may_create(self.viewer)

    @cached_property
    def creatable(self) -> frozenset[int]:
        return moving.creatable(self.viewer, self.pipeline) if self.may_create else frozenset()

    def _pipelines(self) -> tuple[rows.PipelineLink, ...]:
        return tuple(
            rows.PipelineLink(_(one.label), reverse(self.screen, args=[one.id]), one.id == self.pipeline.id)
            for one in pipelines_of("ticket").pipelines
        )

    def _column(
        self, stage: StageValue, count: int, found: list[board.Card], after: str, before: int = 0
    ) -> rows.Column:
        shown = f"{stage.id}:{before + len(found)}"
        return rows.Column(
            stage_id=stage.id, status=labels.status(stage), count_text=count_text(count) or "0",
            cards=tuple(self.card(one) for one in found), more_url=self._more_url(stage, after, shown),
            shown=shown, create_url=creating.url(stage.id) if stage.id in self.creatable else "", sort=sort_for("ticket"),
            reasons=moving.reasons(self.viewer, self.pipeline, stage.id),
            is_collapsed=preferences.is_collapsed(self.viewer, stage),
        )  # fmt: skip

    def _more_url(self, stage: StageValue, after: str, shown: str) -> str:
        if not after:
            return ""
        url = self._url("board-more", self.pipeline.id, stage.id, after)
        return f"{url}{'&' if '?' in url else '?'}shown={shown}"

    def more(self, stage: StageValue, after: str, before: int) -> rows.Column:
        """The next cards, after `before` others."""
        found, following = board.column(self.viewer, self.selection, stage.id, after, self._read)
        return self._column(stage, 0, found, following, before)

    def card(self, one: board.Card) -> rows.Card:
        return rows.Card(
            id=one.id, place=one.place, subject=one.subject, url=reverse("inbox-ticket", args=["all-open", one.id]),
            since=one.stage_entered_at, next_due=one.next_due, chosen=self._chosen(one), owner=Person.named(one.owner_name) if one.owner_name else None,
            move_url=self._url("card-move", one.id) if one.may_edit else "",
            moved_url=self._url("card-moved", one.id) if one.may_edit else "", tags=labels.tags(one.tag_ids),
        )  # fmt: skip

    def _chosen(self, one: board.Card) -> rows.Chosen:
        who = {cards.CONTACT: one.contact_name or _("Unknown sender"), cards.COMPANY: one.company_name}
        found = facts(self._read, one.values, lambda prop, value: told(prop, value, NOBODY))
        marks = {}
        if (number := found.get("hs_ticket_id")) is not None:
            marks["hs_ticket_id"] = Mark(number.text)
        if "source_type" in self._shown:
            icon, name = labels.channel(one.values["source_type"])
            marks["source_type"] = Mark(name, icon)
        return on_card(self._shown, who, marks, found)

    def menu(self) -> rows.MovePage:
        """The menu that all cards share."""
        options = tuple(rows.StatusOption(s.id, labels.status(s), False) for s in self.pipeline.stages)
        enroll = card.url_for(
            self.viewer, self.request.account, "ticket", [], self._url("board", self.pipeline.id)
        )
        return rows.MovePage(_("Move to"), "", "", options, enroll)

    def move_page(self, one: board.Card) -> rows.MovePage:
        reasons = moving.reasons(self.viewer, self.pipeline, one.stage_id)
        options = tuple(
            rows.StatusOption(s.id, labels.status(s), s.id == one.stage_id, reasons.get(s.id, ""))
            for s in self.pipeline.stages
        )
        title = _("Move “%(ticket)s”") % {"ticket": one.subject}
        back = self._url("board", self.pipeline.id)
        return rows.MovePage(title, self._url("card-moved", one.id), back, options)
