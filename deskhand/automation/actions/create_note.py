"""Write something down for colleagues: an internal comment in a ticket's conversation, which the customer never sees
(R-WORK-4); a note in the history of any other record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.types import Action, Doing, Done, Group, failed, skipped
from deskhand.automation.engine.loops import Adds, Tell, Touches
from deskhand.automation.models import Workflow
from deskhand.crm.records import notes
from deskhand.crm.records.notes import NewNote
from deskhand.crm.schema.activities import NOTE
from deskhand.desk import notes as comments
from deskhand.desk.activities import COMMENT
from deskhand.desk.notes import Note
from deskhand.kernel.errors import Invalid


class CreateNote(Action):
    kind = "create_note"
    label = gettext_lazy("Add a note")
    about = gettext_lazy(
        "For colleagues only: an internal comment on a ticket, a note about any other record."
    )
    icon, tone, group = "message-square", "amber", Group.RECORD

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        label = _("Comment") if around.object_type == "ticket" else _("Note")
        return (Setting("text", label, Input.LONG, required=True, takes_tokens=True),)

    def summary(self, settings: Mapping[str, Any]) -> str:
        return str(settings.get("text") or _("Note"))

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        """Conditions ask for comments and for notes; an event tells of comments alone. Nobody of the account wrote them."""
        if object_type == "ticket":
            comment = Adds(COMMENT.name, object_type, (("author", ()),))
            return Touches(tells=frozenset({Tell("comment.added")}), adds=frozenset({comment}))
        return Touches(adds=frozenset({Adds(NOTE.name, object_type, (("hs_created_by", ()),))}))

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        tickets = [doing for doing in batch if doing.object_type == "ticket"]
        others = [doing for doing in batch if doing.object_type != "ticket"]
        answers = _comment(tickets) | _note(others)
        return [answers[doing.key] for doing in batch]


def _comment(tickets: Sequence[Doing]) -> dict[str, Done]:
    """{key: how it went} of comments on tickets."""
    if not tickets:
        return {}
    first = tickets[0]
    found = Workflow.objects.filter(
        account_id=first.account_id, pk__in={doing.workflow_id for doing in tickets}
    )
    names = dict(found.values_list("pk", "name"))
    texts, answers = _texts(tickets)
    there = [doing for doing in tickets if doing.key in texts]
    new = [
        Note(one.record_id, texts[one.key], one.by, one.cause, one.depth + 1, names.get(one.workflow_id, ""))
        for one in there
    ]
    for doing, message_id in zip(there, comments.add_many(new, at=first.now), strict=True):
        answers[doing.key] = (
            skipped(_("No e-mail address is connected to send from."))
            if message_id is None
            else Done(message=_("Added a comment"))
        )
    return answers


def _note(others: Sequence[Doing]) -> dict[str, Done]:
    """{key: how it went} of notes about records that are no tickets."""
    texts, answers = _texts(others)
    new: list[NewNote] = []
    for doing in others:
        if doing.key not in texts:
            continue
        try:
            text = notes.checked(texts[doing.key])
        except Invalid as unfit:
            answers[doing.key] = failed(str(unfit))
            continue
        new.append(NewNote(doing.object_type, doing.record_id, text, doing.by, doing.cause, doing.depth + 1))
        answers[doing.key] = Done(message=_("Added a note"))
    if new:
        notes.add_many(new, at=others[0].now)
    return answers


def _texts(batch: Sequence[Doing]) -> tuple[dict[str, str], dict[str, Done]]:
    """The filled texts by key, and how it went where there is none."""
    texts: dict[str, str] = {}
    answers: dict[str, Done] = {}
    for doing in batch:
        try:
            text = doing.fill(doing.settings["text"]).strip()
        except Invalid as unreadable:
            answers[doing.key] = failed(str(unreadable))
            continue
        if text:
            texts[doing.key] = text
        else:
            answers[doing.key] = skipped(_("The text would be empty."))
    return texts, answers
