"""What the cards of a pipeline's board tell of a record: properties in the order of the form (R-BOARD-2)."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.pipelines import cards, pipelines
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.schema.queries import properties_of
from deskhand.desk import table
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.web.board.cells import SHORT
from deskhand.web.choices import Choice
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects import forms
from deskhand.web.objects.forms import Row
from deskhand.web.objects.pipelines import of_pipeline, require, show
from deskhand.web.objects.rows import CardLine
from deskhand.web.objects.tabs import bar, pipeline_with
from deskhand.web.records.columns import columns_offered
from deskhand.web.records.values import PRIORITY, is_money
from deskhand.web.refusals import words_of

_BELOW_THE_NAME = (cards.CONTACT, cards.COMPANY)
_AT_THE_FOOT = ("source_type", "hs_ticket_id", "hs_ticket_priority", PRIORITY)


def _page(
    request: AccountRequest, pipeline: PipelineValue, names: Sequence[str], status: int = 200, error: str = ""
) -> HttpResponse:
    sort = of_pipeline(pipeline)
    named = dict.fromkeys(names)
    return show(
        request, sort, "cards", status, pipeline_label=_(pipeline.label), bar=bar(request.viewer, request.account, pipeline, "cards"),
        lines=tuple(CardLine(name, label(pipeline.object_type, name), _where(pipeline.object_type, name)) for name in named),
        offers=tuple(Choice(name, label(pipeline.object_type, name)) for name in offered(pipeline) if name not in named),
        most=cards.MOST, is_full=len(named) >= cards.MOST, error=error, is_own=pipeline.card_properties is not None,
        save_url=reverse("pipeline-cards-save", args=[pipeline.id]),
    )  # fmt: skip


def label(object_type: str, name: str) -> str:
    """What a choice is called; its own name for what is gone meanwhile."""
    if object_type == "ticket" and name in SHORT:
        return str(SHORT[name])
    prop = properties_of(object_type).get(name)
    return _(prop.label) if prop else name


def _where(object_type: str, name: str) -> str:
    if name in _BELOW_THE_NAME or is_money(object_type, name):
        return _("Below the name")
    return _("At the foot") if name in _AT_THE_FOOT else _("With its label")


def offered(pipeline: PipelineValue) -> list[str]:
    """What tables have columns for, without what all cards show."""
    sort = of_pipeline(pipeline)
    columns = table.columns_offered() if sort.is_ticket else columns_offered(sort)
    return [name for name in columns if cards.may_show(sort.object_type, name)]


@require_GET
def choose(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    require(request)
    pipeline = pipeline_with(pipeline_id)
    return _page(request, pipeline, cards.shown(pipeline))


@require_POST
def save(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """What stands in the form, after the button that was pressed: move, remove, add, or the product's own again."""
    require(request)
    pipeline = pipeline_with(pipeline_id)
    names = cards.default(pipeline.object_type) if "reset" in request.POST else _read(request.POST)
    try:
        row = pipelines.find(pipeline.object_type, pipeline_id)
        pipelines.set_cards(row, names, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _page(request, pipeline, names, 422, words_of(refusal))
    messages.success(request, _("The cards are saved."))
    return redirect("pipeline-cards", pipeline_id)


def _read(form: QueryDict) -> list[str]:
    given = [Row(name[:200], {}) for name in form.getlist("property")[: forms.ROWS_LIMIT]]
    names = [row.key for row in forms.moved(given, form.get("move", "")) if row.key != form.get("remove")]
    added = form.get("add", "")[:200]
    return [*names, added] if added and "remove" not in form else names
