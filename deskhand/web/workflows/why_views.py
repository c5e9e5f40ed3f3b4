"""Why a record did, would or would not enter a workflow (R-LOG-5)."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from deskhand.accounts.types import Viewer
from deskhand.automation import history
from deskhand.automation.enrolling import explaining
from deskhand.automation.enrolling.explaining import Explanation, Tested
from deskhand.automation.models import Workflow
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, Leaf, MemberOf
from deskhand.kernel import clock
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import storable, whole
from deskhand.web.filters import membership
from deskhand.web.filters.asked import Asked
from deskhand.web.filters.editing import Item
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import lists, picking, told, words
from deskhand.web.workflows.history_views import one_page, seen
from deskhand.web.workflows.rows import HappenedLine, TestLine, WhyPage


@require_GET
def why(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Search for a record, or see what decides about the one in `?record=`."""
    workflow = seen(request, workflow_id)
    text = storable(request.GET.get("q", "")).strip()[: lists.LONGEST_SEARCH]
    record_id = whole(request.GET.get("record", ""))
    is_looking = bool(text) or record_id is None
    found = picking.found(request.viewer, workflow.object_type, text) if is_looking else []
    url = reverse("workflow-why", args=[workflow.pk])
    page = WhyPage(text, tuple((f"{url}?record={one.id}", told.record_name(one).title) for one in found), url)
    if record_id is not None:
        page = _explained(request, workflow, record_id, page)
    return one_page(request, workflow, "why", "workflows/why.html", page=page)


def _explained(request: AccountRequest, workflow: Workflow, record_id: int, page: WhyPage) -> WhyPage:
    named = history.within(request.viewer, workflow.object_type, [record_id])
    if not named:
        raise NotFound(_("There is no such record."))
    found = explaining.explain(workflow, record_id, clock.now())
    steps, reasons = (
        told.Steps(workflow),
        told.Reasons(workflow.account_id, [one.reason for one in found.runs]),
    )
    runs = tuple(told.run_line(history.Run.of(one, named[0]), steps, reasons) for one in found.runs)
    return WhyPage(
        page.text, page.found, page.url, told.record_name(named[0]), found.sentence, found.is_inside,
        _tests(request.viewer, workflow, found.trigger), _tests(request.viewer, workflow, found.kept_out),
        tuple(
            HappenedLine(words.event(one.event.kind, workflow.object_type), one.event.at, one.is_meant) for one in found.happened
        ),
        runs, _next(found),
    )  # fmt: skip


def _next(found: Explanation) -> str:
    return _("The next time: %(time)s") % {"time": told.moment(found.next_at)} if found.next_at else ""


def _tests(viewer: Viewer, workflow: Workflow, tested: Tested | None) -> tuple[TestLine, ...]:
    if tested is None:
        return ()
    return tuple(_lines(Asked(viewer, workflow.object_type), workflow.object_type, tested, 0))


def _lines(asked: Asked, object_type: str, tested: Tested, depth: int) -> Iterator[TestLine]:
    """`object_type` is of the record that it was tested on: linked ones have a line for each."""
    match tested.condition:
        case Filter() | MemberOf() as leaf:
            yield _leaf(asked, object_type, leaf, tested, depth)
            return
        case AllOf():
            title = _("All of these")
        case AnyOf():
            title = _("At least one of these")
        case Associated(to, _where, label, has):
            title = asked.linked_label(to, label) if object_type == asked.root else asked.type_label(to)
            title = title if has else _("None of these: %(kind)s") % {"kind": title}
            object_type = to
    yield TestLine(depth, title, "", "", tested.holds, error=_broken(tested))
    for part in tested.parts:
        yield from _lines(asked, object_type, part, depth + 1)


def _leaf(asked: Asked, object_type: str, leaf: Leaf, tested: Tested, depth: int) -> TestLine:
    shown = membership.shown(leaf)
    if shown is None:
        return TestLine(
            depth, _("A condition that was not made in a form"), "", "", tested.holds, error=_broken(tested)
        )
    said = asked.line_of(Item(object_type, shown))
    found = asked.values_said(object_type, shown.property, tested.value) or _("empty")
    return TestLine(depth, said.property, said.operator, said.values, tested.holds, found, _broken(tested))


def _broken(tested: Tested) -> str:
    return _("It names something that is no more.") if tested.error else ""
