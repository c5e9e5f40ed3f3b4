"""The side of the tasks: lists of them, and the queues that the viewer may use."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.policy import reaches_any
from deskhand.accounts.types import Viewer
from deskhand.crm.records import task_queues, worklist
from deskhand.crm.records.worklist import CAP, Which
from deskhand.crm.schema import object_types
from deskhand.web.shell import SideLink, SideSection
from deskhand.web.workflows.ways import with_query

LISTS = {
    Which.MINE: (gettext_lazy("My tasks"), "user-round"), Which.UNASSIGNED: (gettext_lazy("For nobody yet"), "circle-dashed"),
    Which.ALL: (gettext_lazy("All open tasks"), "layout-grid"), Which.DONE: (gettext_lazy("Done tasks"), "circle-check"),
}  # fmt: skip


def may_open(viewer: Viewer) -> bool:
    """Who sees any records sees their tasks."""
    return any(reaches_any(viewer, one) for one in object_types.every())


def address(**asked: object) -> str:
    return with_query("tasks", [], **asked)


def sections(viewer: Viewer, current: str) -> tuple[SideSection, ...]:
    """`current` is a list, `queue-` and a number, or `queues`."""
    lists = tuple(
        SideLink(which.value, str(label), icon, address(list=which.value), current=current == which.value)
        for which, (label, icon) in LISTS.items()
    )
    found = task_queues.usable(viewer)
    counts = worklist.waiting(viewer, [queue.pk for queue in found]) if found else {}
    queues = tuple(
        SideLink(
            f"queue-{queue.pk}", queue.name, "list-checks", address(list=Which.ALL.value, queue=queue.pk), _count(counts[queue.pk]),
            current=current == f"queue-{queue.pk}",
        )
        for queue in found
    )  # fmt: skip
    all_of_them = SideLink(
        "queues", _("All task queues"), "settings", reverse("task-queues"), current=current == "queues"
    )
    return SideSection(_("Tasks"), lists), SideSection(_("Task queues"), (*queues, all_of_them))


def _count(count: int) -> str:
    return "999+" if count >= CAP else str(count) if count else ""
