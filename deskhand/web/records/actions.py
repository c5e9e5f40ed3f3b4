"""Changing deals, projects and own kinds of records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import StageValue, stage_property
from deskhand.crm.records import archive as archives
from deskhand.crm.records import associations, labeling, listing, notes, objects, tasks
from deskhand.crm.records.models import Task
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web import labels, moving, tasking
from deskhand.web.asked import number
from deskhand.web.board.rows import MovePage, StatusOption
from deskhand.web.contacts import values as typed_values
from deskhand.web.entering import Entering, Way
from deskhand.web.frame import UNDO
from deskhand.web.holders import words_for
from deskhand.web.inbox import further, links
from deskhand.web.jinja import go_to, render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort
from deskhand.web.records.boards import BoardOf, viewer_sees
from deskhand.web.records.creating import FormOf
from deskhand.web.records.kinds import area, kind_of, may_make, url
from deskhand.web.records.linking import Urls, link_page
from deskhand.web.records.page import RecordPageOf
from deskhand.web.records.values import is_editable
from deskhand.web.records.views import show, show_board
from deskhand.web.refusals import status_of, words_of
from deskhand.web.shell import Toast


def actor(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)


def changeable(request: AccountRequest, kind: Sort, record_id: int, verb: Verb = Verb.EDIT) -> Any:
    """The record, if the viewer may see it (else 404) and do this with it (else 403)."""
    listing.get(request.viewer, kind.object_type, record_id)
    try:
        return listing.get(request.viewer, kind.object_type, record_id, verb)
    except NotFound:
        raise Forbidden(_("You may not change this.")) from None


# ── new ones ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _making(request: AccountRequest, key: str) -> Sort:
    kind = kind_of(request.viewer, key)
    if not may_make(request.viewer, kind):
        raise Forbidden(_("You don't have permission to do this."))
    return kind


@require_GET
def new(request: AccountRequest, key: str) -> HttpResponse:
    kind = _making(request, key)
    return show(request, kind, "form", FormOf(request, kind).page())


@require_POST
def add(request: AccountRequest, key: str) -> HttpResponse:
    kind = _making(request, key)
    form = FormOf(request, kind)
    try:
        made = objects.create(kind.object_type, form.given(), by=actor(request)).id
    except Invalid as refusal:
        return show(request, kind, "form", form.page(refusal), 422)
    if not viewer_sees(request.viewer, kind, made):
        messages.info(request, _("Created. You may not see it."))
        return redirect(url(kind, "records"))
    messages.success(request, _("Created"))
    return redirect(url(kind, "record", made))


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def save(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """One property of a record; what is refused stays in its place, with the reason beside it."""
    kind = kind_of(request.viewer, key)
    record = changeable(request, kind, record_id)
    name, typed = request.POST.get("property", ""), request.POST.getlist("value")
    prop = properties_of(kind.object_type).get(name)
    if prop is None or not is_editable(prop):
        raise NotFound(_("There is no such property."))
    try:
        value = typed_values.read(kind.object_type, name, typed, typed_values.value_of(record, prop))
        objects.update(kind.object_type, record_id, {name: value}, by=actor(request))
    except Invalid as refusal:
        control = typed_values.control(
            prop, None, typed=typed or [""], error=words_for(request.viewer, refusal)
        )
        page = RecordPageOf(request, kind, record_id, opened=name)
        if wants_fragment(request):
            context = {"property": page.line(prop, control)}
            return render(request, "contacts/fragments/property.html", context, status=422)
        return show(request, kind, "record", page.build(control), 422)
    if not viewer_sees(request.viewer, kind, record_id):
        messages.info(request, _("Saved. You may not see this record any more."))
        return go_to(request, url(kind, "records"))
    page = RecordPageOf(request, kind, record_id)
    if not wants_fragment(request):
        return redirect(f"{page.url()}#property-{name}")
    parts = {"property": page.line(prop), "page": page.build()}
    return render(request, "records/fragments/saved.html", parts)


# ── where it stands ──────────────────────────────────────────────────────────────────────────────────────────────────


def _move_page(
    request: AccountRequest, kind: Sort, record_id: int, refusal: Invalid | Conflict | None = None
) -> HttpResponse:
    of = RecordPageOf(request, kind, record_id)
    title = _("Move “%(record)s”") % {"record": of.record.name or _("No name")}
    options = tuple(StatusOption(one.id, one.status, one.state == "now", one.reason) for one in of.steps())
    mine, others = of.pipeline, of.other_pipelines()
    page = MovePage(
        title, of.url("record-moved"), of.url(), options, error=words_of(refusal) if refusal else "",
        elsewhere=tuple(
            (_(other.label), tuple(StatusOption(one.id, labels.status(one), False) for one in other.stages)) for other in others
        ),
        pipeline=_(mine.label) if mine and others else "",
    )  # fmt: skip
    return show(request, kind, "move", page, status_of(refusal) if refusal else 200)


@require_GET
def ask_move(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """The statuses that a record may go to, and those of other pipelines (R-PIPE-11)."""
    kind = kind_of(request.viewer, key)
    changeable(request, kind, record_id)
    return _move_page(request, kind, record_id)


@require_POST
def move(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """`status` is where to, `from` where it was seen; `part` says what a script wants back: a toast, the record's page, or the board.

    With `at` the viewer's move of that moment is taken back.
    """
    kind = kind_of(request.viewer, key)
    record = changeable(request, kind, record_id)
    if "at" in request.POST:
        moving.take_back(request.viewer, kind.object_type, record_id, request.POST["at"])
        of = BoardOf(request, kind)
        return show_board(request, kind, of) if wants_fragment(request) else redirect(of.address("records-board"))  # fmt: skip
    to, at = number(request.POST.get("status", ""), "status"), clock.now()
    before, seen_in = record.stage_id, request.POST.get("from", "")
    stage = pipelines_of(kind.object_type).stage(to)
    place = {stage_property(kind.object_type): stage.id}  # its pipeline comes along (R-PIPE-11)
    try:
        if seen_in and before != whole(seen_in) and before != to:
            raise Conflict(_("Somebody else moved it in the meantime."))
        done = Entering(request, kind.object_type, [(record, stage)], _way(request, kind, record)).enter(
            lambda given: objects.update(
                kind.object_type, record_id, {**given, **place}, by=actor(request), at=at
            )
        )
    except (Invalid, Conflict) as refusal:
        if wants_fragment(request):
            raise
        return _move_page(request, kind, record_id, refusal)
    return done if isinstance(done, HttpResponse) else _after_move(request, kind, record_id, stage, at)


def _way(request: AccountRequest, kind: Sort, record: Any) -> Way:
    here = url(kind, "record", record.pk)
    if request.POST.get("part") == "page" or not wants_fragment(request):
        return Way(request.get_full_path(), here, area(kind))
    back = f"{url(kind, 'records-board')}?pipeline={record.pipeline_id}"
    return Way(request.get_full_path(), back, area(kind), "#board", include="#board [name=shown]")


def _after_move(request: AccountRequest, kind: Sort, record_id: int, stage: StageValue, at: datetime) -> HttpResponse:  # fmt: skip
    text, part = _("Moved to %(status)s") % {"status": _(stage.label)}, request.POST.get("part")
    if not wants_fragment(request) or part == "page":
        messages.success(request, text)
        return go_to(request, url(kind, "record", record_id))
    toast = Toast(text, undo_url=request.get_full_path(), undo_fields=(("at", at.isoformat()),))
    if part == "toast":
        return render(request, "board/fragments/moved.html", {"toast": toast})
    return show_board(request, kind, BoardOf(request, kind), toast if "asked" in request.POST else None)


# ── away and back ────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def archive(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """A toast offers the way back."""
    kind = kind_of(request.viewer, key)
    changeable(request, kind, record_id, Verb.DELETE)
    archives.archive(kind.object_type, [record_id], by=actor(request))
    messages.info(request, _("Deleted"), extra_tags=UNDO + url(kind, "record-restore", record_id))
    return redirect(url(kind, "records"))


@require_POST
def restore(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    changeable(request, kind, record_id, Verb.DELETE)
    try:
        archives.restore(kind.object_type, [record_id], by=actor(request))
    except Invalid as refusal:
        messages.error(request, words_for(request.viewer, refusal))
    else:
        messages.success(request, _("Restored"))
    return redirect(url(kind, "record", record_id))


# ── notes and tasks ──────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def add_note(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    changeable(request, kind, record_id)
    text = request.POST.get("text", "").replace("\r\n", "\n")
    try:
        notes.add(kind.object_type, record_id, text, by=actor(request))
    except Invalid as refusal:
        page = RecordPageOf(request, kind, record_id).build(note=text, note_error=words_of(refusal))
        return show(request, kind, "record", page, 422)
    return redirect(f"{url(kind, 'record', record_id)}#timeline")


@require_POST
def add_task(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """The fields of tasking.FIELDS. What is refused is given back with the reason beside it, and what is not saved yet with the
    records that were looked for (422)."""
    kind = kind_of(request.viewer, key)
    changeable(request, kind, record_id)
    if further.is_search(request.POST):
        return _task_again(request, kind, record_id, None)
    try:
        also = further.wanted(request.viewer, request.POST, (kind.object_type, record_id)) or ()
        tasks.create(kind.object_type, record_id, _wanted(request), by=actor(request), also=also)
    except Invalid as refusal:
        return _task_refused(request, kind, record_id, None, refusal)
    return redirect(f"{url(kind, 'record', record_id)}#tasks")


@require_POST
def save_task(request: AccountRequest, key: str, record_id: int, task_id: int) -> HttpResponse:
    """As `add_task`."""
    kind, task = _task(request, key, record_id, task_id)
    if further.is_search(request.POST):
        return _task_again(request, kind, record_id, task_id)
    try:
        also = further.wanted(request.viewer, request.POST, task.main, task)
        tasks.edit(task_id, _wanted(request, task), by=actor(request), also=also)
    except Invalid as refusal:
        return _task_refused(request, kind, record_id, task_id, refusal)
    return redirect(f"{url(kind, 'record', record_id)}#tasks")


def _task(
    request: AccountRequest, key: str, record_id: int, task_id: int, *, is_deleted: bool = False
) -> tuple[Sort, Task]:
    """A task of the record, which the viewer may change. Raises NotFound and Forbidden."""
    kind = kind_of(request.viewer, key)
    changeable(request, kind, record_id, Verb.VIEW)
    task = tasks.find(kind.object_type, record_id, task_id, is_deleted=is_deleted)
    tasking.require_change(request.viewer, task)
    return kind, task


def _wanted(request: AccountRequest, task: Task | None = None) -> Wanted:
    before = task.assignee_id if task else None
    assignee = typed_values.chosen_person("assignee", request.POST.get("assignee", ""), before)
    return tasking.wanted(request.viewer, request.POST.dict(), assignee, task)


def _task_refused(request: AccountRequest, kind: Sort, record_id: int, task_id: int | None, refusal: Invalid) -> HttpResponse:  # fmt: skip
    return _task_again(request, kind, record_id, task_id, {tasking.field_of(refusal): words_of(refusal)})


def _task_again(
    request: AccountRequest,
    kind: Sort,
    record_id: int,
    task_id: int | None,
    errors: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The form with what was typed in it."""
    page = RecordPageOf(request, kind, record_id, task=task_id)
    page.typed_task, page.task_errors = request.POST.dict(), errors or {}
    page.typed_further = further.typed(request.POST)
    return show(request, kind, "record", page.build(), 422)


@require_POST
def finish_task(request: AccountRequest, key: str, record_id: int, task_id: int) -> HttpResponse:
    """`done` is 1 or 0. Also for whose task it is."""
    kind = kind_of(request.viewer, key)
    listing.get(request.viewer, kind.object_type, record_id)
    task = tasks.find(kind.object_type, record_id, task_id)
    tasking.require_finish(request.viewer, task)
    tasks.finish(task_id, request.POST.get("done") == "1", by=actor(request))
    return redirect(f"{url(kind, 'record', record_id)}#tasks")


@require_POST
def delete_task(request: AccountRequest, key: str, record_id: int, task_id: int) -> HttpResponse:
    """A toast offers the way back, which is the same address with `restored`."""
    is_back = request.GET.get("restored") == "1"
    kind, _found = _task(request, key, record_id, task_id, is_deleted=is_back)
    (tasks.restore if is_back else tasks.remove)(task_id, by=actor(request))
    if not is_back:
        back = f"{url(kind, 'record-task-delete', record_id, task_id)}?restored=1"
        messages.info(request, _("Task deleted"), extra_tags=UNDO + back)
    return redirect(f"{url(kind, 'record', record_id)}#tasks")


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def choose_link(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """What can be linked: of a `kind`, found by `q`."""
    kind = kind_of(request.viewer, key)
    changeable(request, kind, record_id)
    of = RecordPageOf(request, kind, record_id)
    urls = Urls(of.url("record-link"), of.url("record-linked"), of.url())
    page = link_page(
        request.viewer, request.GET, links.kinds().values(), (kind.object_type, record_id), of.linked,
        of.record.name or _("No name"), urls,
    )  # fmt: skip
    return show(request, kind, "link", page)


@require_POST
def link(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    return _linked(request, key, record_id, True)


@require_POST
def unlink(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    return _linked(request, key, record_id, False)


def _linked(request: AccountRequest, key: str, record_id: int, is_linked: bool) -> HttpResponse:
    kind, link = _link(request, key, record_id)
    if is_linked:
        labeling.connect(link, links.label_numbers(request.POST), by=actor(request))
    else:
        associations.part(*link, by=actor(request))
    messages.success(request, _("Linked") if is_linked else _("No longer linked"))
    return redirect(f"{url(kind, 'record', record_id)}#links")


@require_POST
def label_link(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """What the linked record is to this one from now on: all of `label`."""
    kind, link = _link(request, key, record_id)
    is_new = links.relabel(link, request.POST, actor(request))
    messages.success(request, _("Labels saved") if is_new else _("Nothing changed"))
    return redirect(f"{url(kind, 'record', record_id)}#links")


def _link(request: AccountRequest, key: str, record_id: int) -> tuple[Sort, associations.Link]:
    """To the record `id` of `kind`, which must be in sight."""
    kind = kind_of(request.viewer, key)
    changeable(request, kind, record_id)
    other, other_id = links.asked(request.viewer, request.POST)
    return kind, (kind.object_type, record_id, other.key, other_id)
