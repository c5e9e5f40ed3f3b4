"""Make a task about the record, for a person or its owner (R-ACT-24, R-WFA-8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import templates
from deskhand.automation.actions import choices
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import Action, Doing, Done, Group, failed
from deskhand.crm.records import tasks
from deskhand.crm.records.tasks import NOTES, TITLE, NewTask, Wanted
from deskhand.kernel.errors import Invalid


class CreateTask(Action):
    kind = "create_task"
    label = gettext_lazy("Create task")
    about = gettext_lazy("A task about the ticket, with a due date.")
    icon, tone, group = "clipboard-list", "teal", Group.RECORD

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        owner = Option("owner", _("The owner of the record"))
        return (
            Setting("title", _("Title"), at_most=TITLE, takes_tokens=True),
            Setting("notes", _("Notes"), Input.LONG, at_most=NOTES, takes_tokens=True),
            Setting("due_in_minutes", _("Due in"), Input.SPAN, help=_("Empty: no due date.")),
            Setting(
                "assignee", _("Assign to"), Input.CHOICE, options=(owner, *choices.people()), default="owner"
            ),
        )

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        if not str(settings.get("title") or "").strip():
            return [("title", _("Give the task a title."))]
        return templates.problems(settings, "title", "notes")

    def summary(self, settings: Mapping[str, Any]) -> str:
        return str(settings.get("title") or _("Task"))

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        new, answers = [], []
        for doing in batch:
            try:
                new.append(self._task(doing))
                answers.append(Done(message=str(doing.settings["title"])))
            except Invalid as unreadable:
                answers.append(failed(str(unreadable)))
        tasks.create_many(new, at=batch[0].now if batch else None)
        return answers

    def _task(self, doing: Doing) -> NewTask:
        s = doing.settings
        minutes = s.get("due_in_minutes")
        wanted = Wanted(
            title=doing.fill(s["title"]),
            notes=doing.fill(s.get("notes")),
            assignee_id=doing.record.get("owner_id") if s.get("assignee") in (None, "", "owner") else int(s["assignee"]),
            due_at=doing.now + timedelta(minutes=int(minutes)) if minutes else None,
        )  # fmt: skip
        return NewTask(
            doing.object_type, doing.record_id, wanted, doing.by, priority=str(s.get("priority") or "NONE"),
            kind=str(s.get("kind") or "TODO"), key=doing.key, cause=doing.cause, depth=doing.depth + 1,
        )  # fmt: skip
