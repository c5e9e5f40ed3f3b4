"""Tell our own people in the bell, and by mail who asked for that (R-NOT-8, R-WFA-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import templates
from deskhand.automation.actions import recipients
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.recipients import Recipients
from deskhand.automation.actions.types import Action, Doing, Done, Group, Output, failed, skipped
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import one_line
from deskhand.notifications import announcing
from deskhand.notifications.announcing import Announcement, Heard
from deskhand.routing import availability


class Notify(Action):
    kind = "notify"
    label = gettext_lazy("In-app notification")
    about = gettext_lazy("A line in the bell of colleagues, a team or the owner.")
    icon, tone, group = "bell", "blue", Group.TELL
    costs = True  # of those who want such news by mail

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        return (
            *recipients.fields(around),
            Setting("subject", _("Subject"), required=True, takes_tokens=True, at_most=200),
            Setting(
                "body", _("Text"), Input.LONG, takes_tokens=True,
                help=_("Who has chosen to get such news by mail gets it there too. Nobody is told of what they may not see."),
            ),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = recipients.problems(settings)
        if not str(settings.get("subject") or "").strip():
            found.append(("subject", _("Write what they are to know.")))
        return found + templates.problems(settings, "subject", "body")

    def summary(self, settings: Mapping[str, Any]) -> str:
        return recipients.said(str(settings.get("subject") or _("Tell colleagues")), settings)

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        return recipients.outputs()

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        people, made = _made(batch)
        said = [one for one in made if isinstance(one, Announcement)]
        told = iter(announcing.announce(batch[0].account_id, said, batch[0].now, away=availability.away))
        return [_done(one, next(told), people) if isinstance(one, Announcement) else one for one in made]

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        people, made = _made(batch)
        return [
            _done(one, Heard(set(one.user_ids), 0), people) if isinstance(one, Announcement) else one
            for one in made
        ]


def _done(one: Announcement, heard: Heard, people: Recipients) -> Done:
    told = heard.users
    if not told:
        return skipped(_("None of them may see this record."))
    names = people.names([user for user in one.user_ids if user in told])
    return Done(message=_("Told %(names)s") % {"names": names}, outputs={"told": len(told)}, sent=heard.mails)


def _made(batch: Sequence[Doing]) -> tuple[Recipients, list[Announcement | Done]]:
    people = Recipients(batch[0].account_id, batch)
    made: list[Announcement | Done] = []
    for doing in batch:
        users = people.of(doing)
        try:
            made.append(users if isinstance(users, Done) else _announcement(doing, users))
        except Invalid as unfit:
            made.append(failed(unfit.message))
    return people, made


def _announcement(doing: Doing, user_ids: Sequence[int]) -> Announcement:
    is_ticket = doing.object_type == "ticket"
    name = f"#{doing.record['number']} {doing.record['subject']}" if is_ticket else str(doing.record["name"])
    return Announcement(
        user_ids, one_line(doing.fill(doing.settings.get("subject"))), doing.fill(doing.settings.get("body")).strip(), doing.object_type,
        doing.record_id, name, doing.record.get("owner_id"), doing.record["assigned_team_ids"] or (), doing.key, doing.by, doing.cause,
        doing.depth + 1,
    )  # fmt: skip
