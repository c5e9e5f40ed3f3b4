"""Folders: where people keep workflows that belong together (R-EDIT-9)."""

from __future__ import annotations

from collections.abc import Collection

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.automation.models import Workflow, WorkflowFolder
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line, visible

LONGEST = 80


def every(account_id: int) -> list[WorkflowFolder]:
    """By name."""
    return sorted(WorkflowFolder.objects.filter(account_id=account_id), key=lambda one: one.name.casefold())


def find(account_id: int, folder_id: int) -> WorkflowFolder:
    """Raises NotFound."""
    found = WorkflowFolder.objects.filter(account_id=account_id, pk=folder_id).first()
    if found is None:
        raise NotFound(_("There is no such folder."))
    return found


def create(account_id: int, name: str, *, by: Actor) -> WorkflowFolder:
    """Raises Invalid without a name, or for one that is taken."""
    name = _free_name(account_id, name)
    made = WorkflowFolder.objects.create(account_id=account_id, name=name, created_at=clock.now())
    _record("created", made.pk, by, after={"name": name})
    return made


def rename(folder: WorkflowFolder, name: str, *, by: Actor) -> None:
    """Raises Invalid without a name, or for one that another folder has."""
    name = _free_name(folder.account_id, name, but=folder.pk)
    before, folder.name = folder.name, name
    if before != name:
        folder.save(update_fields=["name"])
        _record("updated", folder.pk, by, before={"name": before}, after={"name": name})


def delete(folder: WorkflowFolder, *, by: Actor) -> None:
    """The workflows in it stay, in no folder."""
    pk, name = folder.pk, folder.name
    folder.delete()
    _record("deleted", pk, by, before={"name": name})


def move(account_id: int, workflow_ids: Collection[int], folder: WorkflowFolder | None) -> int:
    """Put workflows into a folder, or out of all. Returns how many there were."""
    return Workflow.objects.filter(account_id=account_id, pk__in=workflow_ids).update(folder=folder)


def _free_name(account_id: int, name: str, but: int | None = None) -> str:
    name = visible(one_line(name))
    if not name:
        raise Invalid(_("A folder needs a name."), field="name", value=name)
    if len(name) > LONGEST:
        raise Invalid(
            _("A name has at most %(limit)s characters.") % {"limit": LONGEST}, field="name", value=name
        )
    twins = WorkflowFolder.objects.filter(account_id=account_id, name__iexact=name)
    if twins.exclude(pk=but or 0).exists():
        raise Invalid(
            _("There is a folder of this name."), field="name", value=name, hint=_("Choose another name.")
        )
    return name


def _record(what: str, pk: int, by: Actor, **values: dict[str, str]) -> None:
    audit.record(f"workflow_folder.{what}", by=by, target_type="workflow_folder", target_id=pk, **values)
