"""Putting the board of a kind of records into words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.automation import lanes
from deskhand.crm.pipelines import cards
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.records import listing
from deskhand.crm.records.selecting import Selection, Which
from deskhand.crm.schema.queries import properties_of
from deskhand.desk.preferences import is_collapsed
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web import labels, moving
from deskhand.web.board import rows
from deskhand.web.board.cells import facts, on_card
from deskhand.web.board.page import read_of
from deskhand.web.contacts.values import Names
from deskhand.web.filters import editing
from deskhand.web.filters.bar import OWN, BarOf
from deskhand.web.filters.editing import Groups
from deskhand.web.filters.words import Words
from deskhand.web.frame import count_text
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort
from deskhand.web.records import values
from deskhand.web.records.cells import told
from deskhand.web.records.kinds import may_make, pipeline_of, url
from deskhand.web.shell import Person
from deskhand.web.workflows import card

LONGEST = 200  # letters of a search


def which_of(text: str) -> Which:
    return Which(text) if text in set(Which) else Which.ALL


class ScreenOf:
    """What board and table of a kind share: the pipeline, the filters, and the way between them."""

    def __init__(self, request: AccountRequest, kind: Sort, screen: str) -> None:
        self.request, self.viewer, self.kind, self.screen = request, request.viewer, kind, screen
        asked = whole(request.GET.get("pipeline", ""))
        self.pipeline: PipelineValue | None = pipeline_of(kind, asked) if kind.has_pipelines else None
        self.text = request.GET.get("q", "").strip()[:LONGEST]
        self.which = which_of(request.GET.get("list", "")) if screen == "records-table" else Which.ALL
        parts = {"editor": url(kind, "records-filter"), "count": url(kind, "records-matches")}
        self.filters = BarOf(Words(self.viewer, kind.object_type), request.GET, url(kind, screen), parts)
        self.selection = self.select(self.filters.groups)

    def select(self, groups: Groups) -> Selection:
        found = self.filters.asked(groups)
        pipeline_id = self.pipeline.id if self.pipeline else None
        zone = ZoneInfo(self.request.account.zone)
        return Selection(self.kind.object_type, zone, pipeline_id, found, self.text, self.which)

    def address(self, screen: str, **more: str) -> str:
        """That screen with the same pipeline, search and filters."""
        asked = {"pipeline": str(self.pipeline.id) if self.pipeline else "", "q": self.text} | more
        asked |= (
            {"f": editing.write(self.filters.groups, self.kind.object_type)} if self.filters.groups else {}
        )
        query = urlencode({name: value for name, value in asked.items() if value})
        return url(self.kind, screen) + (f"?{query}" if query else "")

    def kept(self, *without: str) -> list[tuple[str, str]]:
        """What of the address goes along."""
        left_out = {*OWN[1:], *without}
        return [(n, v) for n, vs in self.request.GET.lists() if n not in left_out for v in vs]

    def frame(self) -> dict[str, Any]:
        pipeline = self.pipeline
        others = pipelines_of(self.kind.object_type).pipelines if pipeline else ()
        automate = pipeline is not None and lanes.may_edit(self.viewer, self.kind.object_type)
        return {
            "sort": self.kind, "title": self.kind.label if len(others) < 2 or pipeline is None else _(pipeline.label),
            "pipelines": tuple(
                rows.PipelineLink(_(one.label), f"{url(self.kind, self.screen)}?pipeline={one.id}", one is pipeline) for one in others
            ),
            "url": self.address("records-board") if pipeline else "", "table_url": self.address("records-table") if pipeline else "",
            "automate_url": values.automate_url(pipeline) if automate and pipeline else "",
            "create_url": self.create_url(None),
        }  # fmt: skip

    def create_url(self, stage: StageValue | None) -> str:
        if not may_make(self.viewer, self.kind):
            return ""
        asked = {"pipeline": self.pipeline.id} if self.pipeline and stage is None else {}
        asked |= {"status": stage.id} if stage else {}
        return url(self.kind, "record-new") + (f"?{urlencode(asked)}" if asked else "")


class BoardOf(ScreenOf):
    """One pipeline as the viewer sees it, with a fixed number of queries."""

    def __init__(self, request: AccountRequest, kind: Sort) -> None:
        super().__init__(request, kind, "records-board")
        self.own = pipeline_of(kind, self.pipeline.id if self.pipeline else None)
        self.query = self.address("records-board").removeprefix(url(kind, "records-board"))
        self.creatable = moving.creatable(self.viewer, self.own)
        self._shown = cards.shown(self.own)
        known = properties_of(kind.object_type)
        self._tells_money = any(values.is_money(kind.object_type, name) for name in self._shown)
        names = [*self._shown, *([values.CURRENCY] if self._tells_money else [])]
        self._read = [known[name] for name in dict.fromkeys(names)]

    def page(self, shown: Mapping[int, int] | None = None, refusal: Invalid | None = None) -> rows.BoardPage:
        """`shown` says how many cards of a status stand there already, by its id."""
        stages = self.own.stages
        found = listing.cards(self.viewer, self.selection, read_of(self.viewer, stages, shown), self._read)
        counts = listing.counts(self.viewer, self.selection, [stage.id for stage in stages])
        return rows.BoardPage(
            **self.frame(), bar=self.filters.bar(refusal), signal="records", columns_url=self.address("records-board-collapse"),
            columns=tuple(self._column(stage, counts[stage.id], *found.get(stage.id, ([], None))) for stage in stages),
        )  # fmt: skip

    def _column(
        self, stage: StageValue, count: int, found: list[listing.Card], after: int | None, before: int = 0
    ) -> rows.Column:
        shown = f"{stage.id}:{before + len(found)}"
        more = self.address("records-board") if after else ""
        if after:
            query = more.partition("?")[2]
            more = f"{url(self.kind, 'records-more', stage.id, after)}?{query}&shown={shown}"
        return rows.Column(
            stage_id=stage.id, status=labels.status(stage), count_text=count_text(count) or "0", shown=shown,
            cards=tuple(self.card(one) for one in found), more_url=more, sort=self.kind,
            create_url=self.create_url(stage) if stage.id in self.creatable else "",
            reasons=moving.reasons(self.viewer, self.own, stage.id),
            is_collapsed=is_collapsed(self.viewer, stage),
        )  # fmt: skip

    def more(self, stage: StageValue, after: int, before: int) -> rows.Column:
        """The next cards, after `before` others."""
        found, following = listing.column(self.viewer, self.selection, stage.id, after, self._read)
        return self._column(stage, 0, found, following, before)

    def card(self, one: listing.Card) -> rows.Card:
        return rows.Card(
            id=one.id, place=one.place, subject=one.name or _("No name"), url=url(self.kind, "record", one.id),
            since=one.stage_entered_at, chosen=self._chosen(one), owner=Person.named(one.owner_name) if one.owner_name else None, next_due=one.next_due,
            move_url=url(self.kind, "record-move", one.id) if one.may_edit else "",
            moved_url=url(self.kind, "record-moved", one.id) + self.query if one.may_edit else "",
        )  # fmt: skip

    def _chosen(self, one: listing.Card) -> rows.Chosen:
        found = facts(self._read, one.values, lambda prop, value: told(self.kind, prop, value, Names()))
        amount = one.values.get(values.AMOUNT) if self._tells_money else None
        who = {} if amount is None else {values.AMOUNT: values.money(str(amount), one.values[values.CURRENCY])}  # fmt: skip
        return on_card(self._shown, who, {}, found)

    def menu(self) -> rows.MovePage:
        """The menu that all cards share."""
        options = tuple(rows.StatusOption(s.id, labels.status(s), False) for s in self.own.stages)
        enroll = card.url_for(
            self.viewer, self.request.account, self.kind.object_type, [], self.address("records-board")
        )
        return rows.MovePage(_("Move to"), "", "", options, enroll)


def viewer_sees(viewer: Viewer, kind: Sort, record_id: int) -> bool:
    return bool(listing.seen(viewer, kind.object_type, [record_id]))
