"""The list of workflows, and what is done with one or several of them there."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy, queries
from deskhand.automation import access, emptying, enroll, folders, gating, keeping, listing, uses, workflows
from deskhand.automation.models import Workflow
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden, Invalid
from deskhand.kernel.text import whole
from deskhand.web import ticked
from deskhand.web.asked import way_back
from deskhand.web.choices import Choice
from deskhand.web.frame import shell
from deskhand.web.jinja import go_to, render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import status_of, words_of
from deskhand.web.workflows import lists, ways
from deskhand.web.workflows.rows import Asking, Details

AT_ONCE = 200  # that one press moves or switches off


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    access.require_open(request.viewer, request.account)
    page = lists.list_page(request)
    context = {
        "page": page,
        "shell": shell(request, area="workflows", view=lists.side_key(lists.asked_of(request))),
    }
    return render(request, "workflows/list.html", context)


@require_GET
def row(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """A line of the list, of an archived one too: while it is being switched on, or records are leaving it (R-WF-20, R-EDIT-8)."""
    access.require_open(request.viewer, request.account)
    return _row(request, access.find(request.viewer, workflow_id))


def _row(request: AccountRequest, workflow: Workflow) -> HttpResponse:
    rows = listing.rows_of(workflow.account_id, [workflow.pk], clock.now())
    context = {
        "line": lists.lines(request.viewer, rows)[0],
        "back": back(request),
        "can_choose": policy.can(request.viewer, policy.Action.EDIT_WORKFLOWS),
    }
    return render(request, "workflows/row_fragment.html", context)


def editable(request: AccountRequest, workflow_id: int) -> Workflow:
    """Raises Forbidden, NotFound; an archived one only rests."""
    access.require_open(request.viewer, request.account)
    found = access.find(request.viewer, workflow_id)
    access.require_edit(request.viewer, found)
    if found.archived_at is not None:
        raise Conflict(_("This workflow is archived. Restore it first."))
    return found


def back(request: AccountRequest) -> str:
    """Where the form stood, if that was a page of ours."""
    return way_back(request, reverse("workflows"))


# ── on and off ───────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def switch(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Switching on asks first when records fit already (R-ACT-12, R-WF-20)."""
    workflow, on = editable(request, workflow_id), request.POST.get("on") == "1"
    include = request.POST.get("present") == "1"
    try:
        if on:
            gating.require_steps(request.viewer, workflows.definition_of(workflow))
        asks = on and not workflow.is_on and "present" not in request.POST
        if asks and enroll.count_present(workflow.account_id, workflow.pk, clock.now()):
            asking_url = ways.with_query("workflow-switch-on", [workflow.pk], back=back(request))
            return go_to(request, asking_url)
        workflows.switch(workflow, on, by=request.user.pk, include_present=include)
    except (Forbidden, Invalid) as refusal:
        messages.error(request, words_of(refusal))
        return go_to(request, back(request))
    if wants_fragment(request):
        return _row(request, workflow)
    return redirect(back(request))


@require_GET
def ask_switch(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Who starts it: those who come, or those who are there already as well."""
    workflow = editable(request, workflow_id)
    try:
        present = enroll.count_present(workflow.account_id, workflow.pk, clock.now())
    except Invalid as refusal:
        messages.error(request, words_of(refusal))
        return redirect(back(request))
    is_part = workflow.origin_stage_id is not None and present >= enroll.STEP
    count = f"{lists.number(present)}{'+' if is_part else ''}"
    page = Asking(
        _("Switch on “%(name)s”") % {"name": workflow.name}, (_("Who starts it?"),), reverse("workflow-switch", args=[workflow.pk]),
        _("Switch on"), "zap", back(request), hidden=(("on", "1"),),
        choices=(
            ("0", _("Records that come to fit from now on"), _("Those that fit already are left alone.")),
            ("1", ngettext("Also the one that fits now", "Also the %(count)s that fit now", present) % {"count": count}, _("Each begins with the first step at once.")),
        ),
    )  # fmt: skip
    return asking(request, page)


def asking(request: AccountRequest, page: Asking, status: int = 200) -> HttpResponse:
    context = {"page": page, "shell": shell(request, area="workflows", view="all")}
    return render(request, "workflows/ask.html", context, status=status)


# ── several ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def many(request: AccountRequest) -> HttpResponse:
    """Move several into a folder, or switch them off; lanes among them follow their own rule."""
    access.require_open(request.viewer, request.account)
    policy.require(request.viewer, policy.Action.EDIT_WORKFLOWS)
    account_id = request.viewer.account_id
    chosen = ticked.ids_of(request.POST, AT_ONCE)
    found = list(Workflow.objects.filter(account_id=account_id, pk__in=chosen, archived_at=None))
    if not found:
        messages.info(request, _("Choose workflows first."))
        return redirect(back(request))
    if request.POST.get("do") == "off":
        _switch_off(request, found)
    else:
        folder_id = whole(request.POST.get("folder", ""))
        folder = folders.find(account_id, folder_id) if folder_id else None
        number = folders.move(account_id, [one.pk for one in found], folder)
        said = ngettext("%(num)s workflow is moved.", "%(num)s workflows are moved.", number)
        messages.success(request, said % {"num": number})
    return redirect(back(request))


def _switch_off(request: AccountRequest, found: list[Workflow]) -> None:
    mine = [one for one in found if access.may_edit(request.viewer, one)]
    number = keeping.switch_off(request.viewer.account_id, [one.pk for one in mine], by=request.user.pk)
    said = ngettext("%(num)s workflow is switched off.", "%(num)s workflows are switched off.", number)
    messages.success(request, said % {"num": number})
    if len(mine) < len(found):
        left = len(found) - len(mine)
        messages.error(
            request,
            ngettext(
                "%(num)s is a status's automation that you may not change.",
                "%(num)s are automations of statuses that you may not change.",
                left,
            )
            % {"num": left},
        )


# ── one ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def details(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow = editable(request, workflow_id)
    return _details(request, workflow, _form(request, workflow))


def _details(request: AccountRequest, workflow: Workflow, form: Details, status: int = 200) -> HttpResponse:
    context = {"page": form, "shell": shell(request, area="workflows", view="all"), "name": workflow.name}
    return render(request, "workflows/details.html", context, status=status)


def _form(request: AccountRequest, workflow: Workflow, **typed: object) -> Details:
    account_id = workflow.account_id
    values = {
        "name": workflow.name, "description": workflow.description, "owner": workflow.owner_id,
        "folder": workflow.folder_id,
    } | typed  # fmt: skip
    people = {one.user_id: one.name for one in queries.members(account_id)}
    if workflow.owner_id and workflow.owner_id not in people:
        people |= queries.names_of({workflow.owner_id})
    return Details(
        workflow.pk, str(values["name"]), str(values["description"]),
        owners=(Choice("", _("No owner"), not values["owner"]), *(Choice(str(pk), name, pk == values["owner"]) for pk, name in people.items())),
        folders=(
            Choice("", _("No folder"), not values["folder"]),
            *(Choice(str(one.pk), one.name, one.pk == values["folder"]) for one in folders.every(account_id)),
        ),
        back_url=back(request), uses=_uses(workflow),
    )  # fmt: skip


def _uses(workflow: Workflow) -> tuple[tuple[str, str], ...]:
    """The workflows that name it (R-EDIT-9)."""
    found = uses.workflows(workflow.account_id, [workflow.pk]).get(workflow.pk, ())
    return tuple((one.name, reverse("workflow-edit", args=[one.id])) for one in found)


@require_POST
def save_details(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow, given = editable(request, workflow_id), request.POST
    owner_id, folder_id = (whole(given.get(name, "")) for name in ("owner", "folder"))
    try:
        folder = folders.find(workflow.account_id, folder_id) if folder_id else None
        keeping.describe(
            workflow, name=given.get("name", ""), description=given.get("description", ""), owner_id=owner_id,
            folder_id=folder.pk if folder else None, by=Actor.user(request.user.pk),
        )  # fmt: skip
    except Invalid as refusal:
        form = _form(
            request, workflow, name=given.get("name", ""), description=given.get("description", ""), owner=owner_id,
            folder=folder_id,
        )  # fmt: skip
        form.errors[refusal.field] = words_of(refusal)
        return _details(request, workflow, form, status_of(refusal))
    messages.success(request, _("What you changed is saved."))
    return redirect(back(request))


@require_POST
def clone(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """A copy of any workflow that is seen, a lane's and an archived one's too."""
    access.require_open(request.viewer, request.account)
    found = access.find(request.viewer, workflow_id)
    policy.require(request.viewer, policy.Action.EDIT_WORKFLOWS)
    try:
        made = keeping.clone(found, by=request.user.pk)
    except Conflict as refusal:
        messages.error(request, words_of(refusal))
        return redirect(back(request))
    messages.success(request, _("“%(name)s” is made. It is off.") % {"name": made.name})
    return redirect(ways.editor(made) or back(request))


# ── the archive ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _archivable(request: AccountRequest, workflow_id: int) -> Workflow:
    access.require_open(request.viewer, request.account)
    policy.require(request.viewer, policy.Action.DELETE_WORKFLOWS)
    found = access.find(request.viewer, workflow_id)
    if not access.may_archive(request.viewer, found):
        raise Forbidden(_("This is a status's automation. Delete its steps on the Automate tab instead."))
    return found


@require_GET
def ask_archive(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """R-EDIT-8"""
    workflow = _archivable(request, workflow_id)
    number = keeping.inside(workflow)
    sentences = [_("It is switched off and enrolls nobody any more. Its history stays.")]
    if number:
        sentences.insert(0, ngettext(
            "%(num)s record is inside. It leaves now, and the steps that would follow are not done.",
            "%(num)s records are inside. They leave now, and the steps that would follow are not done.",
            number,
        ) % {"num": lists.number(number)})  # fmt: skip
    page = Asking(
        _("Archive “%(name)s”") % {"name": workflow.name}, tuple(sentences), reverse("workflow-archived", args=[workflow.pk]),
        _("Archive"), "archive", back(request), is_danger=True, uses=_uses(workflow),
    )  # fmt: skip
    return asking(request, page)


@require_POST
def archived(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow = _archivable(request, workflow_id)
    left = keeping.archive(workflow, by=Actor.user(request.user.pk))
    said = _("“%(name)s” is archived.")
    if left:
        said = ngettext("“%(name)s” is archived; %(num)s record left it.", "“%(name)s” is archived; %(num)s records left it.", left)  # fmt: skip
    if emptying.progress(workflow.account_id, [workflow.pk]):
        said = ngettext("“%(name)s” is archived. No step is done any more; %(num)s record is leaving it.", "“%(name)s” is archived. No step is done any more; %(num)s records are leaving it.", left)  # fmt: skip
    messages.success(request, said % {"name": workflow.name, "num": lists.number(left)})
    return redirect("workflows")


@require_POST
def restore(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow = _archivable(request, workflow_id)
    try:
        keeping.restore(workflow, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        messages.error(request, words_of(refusal))
        return redirect(back(request))
    messages.success(request, _("“%(name)s” is back. It is off.") % {"name": workflow.name})
    return redirect(back(request))
