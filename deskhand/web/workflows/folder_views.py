"""Folders: making, renaming and deleting them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.automation import access, folders, listing
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import status_of, words_of
from deskhand.web.workflows import ways
from deskhand.web.workflows.rows import FolderLine, FoldersPage


def _require(request: AccountRequest) -> None:
    access.require_open(request.viewer, request.account)
    policy.require(request.viewer, policy.Action.EDIT_WORKFLOWS)


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    _require(request)
    return _page(request)


def _page(
    request: AccountRequest, refusal: Invalid | None = None, folder_id: int | None = None, typed: str = ""
) -> HttpResponse:
    """`folder_id` None: what was refused is the new one."""
    counts = listing.counts(request.viewer.account_id).by_folder
    error = words_of(refusal) if refusal else ""
    shown = [
        FolderLine(
            one.pk,
            typed if one.pk == folder_id else one.name,
            str(counts.get(one.pk, 0)),
            ways.listed(folder=one.pk),
            error if one.pk == folder_id else "",
        )
        for one in folders.every(request.viewer.account_id)
    ]
    is_new = refusal is not None and folder_id is None
    page = FoldersPage(tuple(shown), typed if is_new else "", error if is_new else "")
    context = {"page": page, "shell": shell(request, area="workflows", view="folders")}
    return render(request, "workflows/folders.html", context, status=status_of(refusal) if refusal else 200)


@require_POST
def add(request: AccountRequest) -> HttpResponse:
    _require(request)
    name = request.POST.get("name", "")
    try:
        folders.create(request.viewer.account_id, name, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _page(request, refusal, typed=name)
    return redirect("workflow-folders")


@require_POST
def rename(request: AccountRequest, folder_id: int) -> HttpResponse:
    _require(request)
    folder, name = folders.find(request.viewer.account_id, folder_id), request.POST.get("name", "")
    try:
        folders.rename(folder, name, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _page(request, refusal, folder_id, name)
    messages.success(request, _("What you changed is saved."))
    return redirect("workflow-folders")


@require_POST
def delete(request: AccountRequest, folder_id: int) -> HttpResponse:
    """Nothing in it goes, so nothing is asked."""
    _require(request)
    folder = folders.find(request.viewer.account_id, folder_id)
    folders.delete(folder, by=Actor.user(request.user.pk))
    messages.success(request, _("The folder is deleted. The workflows that were in it stay."))
    return redirect("workflow-folders")
