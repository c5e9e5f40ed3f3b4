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
from deskhand.automation.models import EnrollmentState, Workflow
from deskhand.crm.filters.types import AllOf, AnyOf, Filter
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel import clock
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import storable, whole
from deskhand.web.filters.editing import Item
from deskhand.web.filters.words import OPERATOR_WORDS, Words
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import lists, picking, told, words
from deskhand.web.workflows.history_views import one_page, seen
from deskhand.web.workflows.rows import HappenedLine, TestLine, WhyPage


@require_GET
def why(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Search for a record, or see what decides about the one in `?record=`."""
    workflow = seen(request, workflow_id)
    text = storable(request.GET.get("q", "")).strip()[: lists.LONGEST_SEARCH]
    found = picking.found(request.viewer, workflow.object_type, text)
    url = reverse("workflow-why", args=[workflow.pk])
    page = WhyPage(text, tuple((f"{url}?record={one.id}", told.record_name(one).title) for one in found), url)
    if (record_id := whole(request.GET.get("record", ""))) is not None:
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
    runs = tuple(
        told.run_line(
            history.Run(
                one.pk, named[0], one.revision_number, EnrollmentState(one.state), one.step_id, one.enrolled_at, one.due_at,
                one.waits_for, one.attempts, one.ended_at, one.end_reason, one.reason, one.event_id, one.outputs,
            ), steps, reasons,
        )
        for one in found.runs
    )  # fmt: skip
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
    return tuple(_lines(Words(viewer), workflow.object_type, tested, 0))


def _lines(said: Words, object_type: str, tested: Tested, depth: int) -> Iterator[TestLine]:
    match tested.condition:
        case Filter() as leaf:
            yield _leaf(said, object_type, leaf, tested, depth)
            return
        case AllOf():
            title = _("All of these")
        case AnyOf():
            title = _("At least one of these")
        case _:
            title = _("Of linked records or segments")
    yield TestLine(
        depth,
        title,
        "",
        "",
        tested.holds,
        "",
        _("It names something that is no more.") if tested.error else "",
    )
    for part in tested.parts:
        yield from _lines(said, object_type, part, depth + 1)


def _leaf(said: Words, object_type: str, leaf: Filter, tested: Tested, depth: int) -> TestLine:
    prop = properties_of(object_type).get(leaf.property)
    label = _(prop.label) if prop else leaf.property
    error = _("It names something that is no more.") if tested.error else ""
    try:
        values = said.values(Item(object_type, leaf)) if prop else ""
        labels = {choice.value: choice.label for choice in said.choices(prop)} if prop else {}
    except (KeyError, TypeError):
        values, labels = ", ".join(map(str, leaf.values)), {}
    value = "" if tested.value is None else str(tested.value)
    found = labels.get(value, value) or _("empty")
    return TestLine(
        depth,
        label,
        str(OPERATOR_WORDS.get(leaf.operator, leaf.operator)),
        values,
        tested.holds,
        found,
        error,
    )
