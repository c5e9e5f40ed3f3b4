"""Leave an internal comment in the ticket's conversation; the customer never sees it (R-WORK-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.types import Action, Doing, Done, Group, failed, skipped
from deskhand.automation.engine.loops import Tell, Touches
from deskhand.automation.models import Workflow
from deskhand.desk import notes
from deskhand.desk.notes import Note
from deskhand.kernel.errors import Invalid


class CreateNote(Action):
    kind = "create_note"
    label = gettext_lazy("Add a comment")
    about = gettext_lazy("An internal comment on the ticket, for colleagues only.")
    icon, tone, group = "message-square", "amber", Group.RECORD
    object_types = frozenset({"ticket"})

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        return (Setting("text", _("Comment"), Input.LONG, required=True, takes_tokens=True),)

    def summary(self, settings: Mapping[str, Any]) -> str:
        return str(settings.get("text") or _("Comment"))

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return Touches(tells=frozenset({Tell("comment.added")}))

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers: list[Done | None] = []
        new: list[Note] = []
        workflows = Workflow.objects.filter(
            account_id=batch[0].account_id, pk__in={one.workflow_id for one in batch}
        )
        names = dict(workflows.values_list("pk", "name"))
        for doing in batch:
            try:
                text = doing.fill(doing.settings["text"]).strip()
            except Invalid as unreadable:
                answers.append(failed(str(unreadable)))
                continue
            if text:
                author = names.get(doing.workflow_id, "")
                new.append(Note(doing.record_id, text, doing.by, doing.cause, doing.depth + 1, author))
            answers.append(None if text else skipped(_("The comment would be empty.")))
        written = iter(notes.add_many(new, at=batch[0].now))
        return [answer or _done(next(written)) for answer in answers]


def _done(message_id: int | None) -> Done:
    if message_id is None:
        return skipped(_("No e-mail address is connected to send from."))
    return Done(message=_("Added a comment"))
