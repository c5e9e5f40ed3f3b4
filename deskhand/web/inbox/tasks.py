"""The tasks beside a ticket: what is to be done by whom, and the form for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.crm.records import tasks
from deskhand.crm.records.models import Task, Ticket
from deskhand.kernel import clock
from deskhand.routing import queries as routing
from deskhand.web import tasking
from deskhand.web.choices import Choice, offered, with_kept
from deskhand.web.inbox import further, links
from deskhand.web.inbox import panel_rows as rows
from deskhand.web.inbox.causes import workflow_names
from deskhand.web.shell import Person


@dataclass(frozen=True)
class Writing:
    """The task whose form is open; None: a new one. `typed` and `errors`, by field, of what was refused."""

    task_id: int | None = None
    typed: Mapping[str, str] | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    further: further.Typed | None = None


class TasksOf:
    """`names`: of the people of the account."""

    def __init__(
        self,
        viewer: Viewer,
        view: str,
        ticket: Ticket,
        names: Mapping[int, str],
        may_edit: bool,
        writing: Writing | None = None,
    ) -> None:
        self.viewer, self.view, self.ticket, self.names, self.may_edit = viewer, view, ticket, names, may_edit
        self.writing, self.now = writing, clock.now()

    def build(self) -> rows.Tasks:
        found, here = tasks.of("ticket", self.ticket.pk), ("ticket", self.ticket.pk)
        causes, beside = self._causes(found), tasking.beside(self.viewer, found, here, self.may_edit)
        lines = [self._line(task, causes.get(task.pk, ""), beside[task.pk]) for task in found]
        new_url = self._url("ticket-task-new") if self.may_edit else ""
        return rows.Tasks(
            tuple(line for line in lines if not line.is_done),
            tuple(line for line in lines if line.is_done),
            new_url,
            self._new() if new_url and self.writing and self.writing.task_id is None else None,
        )

    def _url(self, name: str, *more: int) -> str:
        return reverse(name, args=[self.view, self.ticket.pk, *more])

    def _causes(self, found: Sequence[Task]) -> dict[int, str]:
        """{task: the workflow that made it}; no query where people made all."""
        made = [task for task in found if task.created_by_kind == "workflow"]
        names = workflow_names(self.viewer.account_id, (task.created_by_id for task in made))
        return {task.pk: self._cause(task, names) for task in made}

    @staticmethod
    def _cause(task: Task, names: Mapping[int, str]) -> str:
        name = names.get(task.created_by_id or 0)
        return _("workflow “%(name)s”") % {"name": name} if name else _("a workflow")

    def _line(self, task: Task, cause: str, beside: tasking.Beside) -> rows.TaskLine:
        name = self.names.get(task.assignee_id or 0)
        is_done = task.completed_at is not None
        is_open = self.writing is not None and self.writing.task_id == task.pk
        return rows.TaskLine(
            id=task.pk, title=task.title, notes=task.notes, due_at=task.due_at, is_done=is_done,
            is_overdue=not is_done and task.due_at is not None and task.due_at < self.now,
            assignee=Person.named(name) if name else None, cause=cause, marks=tasking.marks(task, self.now),
            done_url=self._url("ticket-task-done", task.pk) if beside.may_finish else "",
            edit_url=self._url("ticket-task", task.pk) if beside.may_edit else "",
            form=self._form_of(task) if beside.may_edit and is_open else None, others=beside.others,
        )  # fmt: skip

    def _new(self) -> rows.TaskForm:
        given = {"assignee": str(self.ticket.owner_id or self.viewer.user_id)}
        return self._form("ticket-task-create", "ticket-task-left", given)

    def _form_of(self, task: Task) -> rows.TaskForm:
        return self._form("ticket-task-save", "ticket-task-shown", tasking.stored(task), task)

    def _form(
        self, save: str, leave: str, stored: Mapping[str, str], task: Task | None = None
    ) -> rows.TaskForm:
        assert self.writing is not None
        task_id, here = (task.pk,) if task else (), ("ticket", self.ticket.pk)
        given = stored if self.writing.typed is None else self.writing.typed
        return rows.TaskForm(
            save_url=self._url(save, *task_id), cancel_url=self._url(leave, *task_id),
            fields=tasking.fields(self.viewer, given, self._people(given.get("assignee", "")), self.writing.errors,
                further.part(self.viewer, here, self._near(), task, self.writing.further)),
            delete_url=self._url("ticket-task-delete", *task_id) if task_id else "",
        )  # fmt: skip

    def _near(self) -> list[rows.Linked]:
        """What is linked to the ticket, whose customer comes first."""
        found = links.linked_ids(self.viewer.account_id, "ticket", self.ticket.pk, links.kinds())
        own = [self.ticket.contact_id] if self.ticket.contact_id else []
        found["contact"] = list(dict.fromkeys([*own, *found.get("contact", ())]))
        some = {kind: ids[: further.NEAR] for kind, ids in found.items()}
        return [one for lines in links.lines_of(self.viewer, some).values() for one in lines]

    def _people(self, chosen: str) -> tuple[Choice, ...]:
        """Who may see tickets, and who has the task already."""
        agents = routing.agents_with_state(self.viewer.account_id)
        there = {str(agent.user_id): agent.name for agent in agents}
        names = {str(user_id): name for user_id, name in self.names.items()}
        return offered({"": _("Nobody"), **with_kept(there, [chosen], names)}, chosen)
