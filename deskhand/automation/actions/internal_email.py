"""Tell our own people by e-mail: users, a team, or the owner (R-ACT-20, R-WFA-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.models import Membership, TeamMember
from deskhand.accounts.plans import Feature
from deskhand.automation import templates
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.types import Action, Doing, Done, Group, failed, skipped
from deskhand.delivery import outbox
from deskhand.delivery.types import Address, Mail, NewSend
from deskhand.desk.models import ChannelAccount
from deskhand.desk.outgoing import TRANSPORT, reply_address
from deskhand.kernel.errors import Invalid
from deskhand.kernel.written import markup_of


class InternalEmail(Action):
    kind = "internal_email"
    label = gettext_lazy("Internal notification")
    about = gettext_lazy("An email to colleagues, a team or the owner.")
    icon, tone, group = "bell-ring", "blue", Group.TELL
    feature = Feature.LANE_EMAILS  # R-ACT-26

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        return (
            Setting("owner", _("The owner of the record"), Input.CHECK),
            Setting("users", _("Users"), Input.USERS),
            Setting("teams", _("Teams"), Input.TEAMS),
            Setting("subject", _("Subject"), takes_tokens=True),
            Setting("body", _("Text"), Input.LONG, takes_tokens=True),
        )

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        if not (settings.get("users") or settings.get("teams") or settings.get("owner")):
            return [("users", _("Choose who is told."))]
        return templates.problems(settings, "subject", "body")

    def summary(self, settings: Mapping[str, Any]) -> str:
        return str(settings.get("subject") or _("Tell colleagues"))

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        account_id = batch[0].account_id
        people = _People(account_id, batch)
        channel = (
            ChannelAccount.objects.filter(account_id=account_id, channel="email", archived_at=None)
            .order_by("-is_default", "id")
            .first()
        )
        answers, sends = [], []
        for doing in batch:
            gone = people.gone(doing)
            wanted = people.addresses(doing)
            if gone:
                answers.append(failed(_("This person is not active any more: %(id)s") % {"id": gone[0]}))
            elif not wanted:
                answers.append(
                    skipped(
                        _("The ticket has no owner.")
                        if doing.settings.get("owner")
                        else _("Nobody is left to tell.")
                    )
                )
            elif channel is None:
                answers.append(skipped(_("No e-mail address is connected to send from.")))
            else:
                sends += [_send(doing, channel, who) for who in wanted]
                answers.append(
                    Done(
                        message=_("Told %(names)s") % {"names": ", ".join(w.name or w.email for w in wanted)}
                    )
                )
        outbox.enqueue(sends)
        return answers


class _People:
    """Everybody that the batch names, in two queries."""

    def __init__(self, account_id: int, batch: Sequence[Doing]) -> None:
        team_ids = {int(team) for d in batch for team in d.settings.get("teams") or ()}
        self.teams: dict[int, list[int]] = {}
        for team_id, user_id in (
            TeamMember.objects.filter(account_id=account_id, team_id__in=team_ids)
            .order_by("id")
            .values_list("team_id", "user_id")
        ):
            self.teams.setdefault(team_id, []).append(user_id)
        members = Membership.objects.filter(
            account_id=account_id, is_active=True, user__is_active=True
        ).select_related("user")
        self.active = {m.user_id: Address(m.user.email, m.user.name) for m in members}

    def addresses(self, doing: Doing) -> list[Address]:
        ids = [int(user) for user in doing.settings.get("users") or ()]
        ids += [user for team in doing.settings.get("teams") or () for user in self.teams.get(int(team), ())]
        if doing.settings.get("owner") and doing.record.get("owner_id"):
            ids.append(doing.record["owner_id"])
        return [self.active[user] for user in dict.fromkeys(ids) if user in self.active]

    def gone(self, doing: Doing) -> list[int]:
        """Users that the step names and who are not active any more (R-WFA-7)."""
        return [int(user) for user in doing.settings.get("users") or () if int(user) not in self.active]


def _send(doing: Doing, channel: ChannelAccount, who: Address) -> NewSend:
    given_subject, given_body = doing.settings.get("subject"), doing.settings.get("body")
    subject = _fill(str(given_subject), doing) if given_subject else _usual_subject(doing)
    text = (_fill(str(given_body), doing) if given_body else _usual_text(doing)) + _link(doing)
    thread_id = doing.record.get("originating_thread_id")
    # A colleague's answer is noted on the ticket (R-EM-9).
    answers_to = reply_address(channel, thread_id) if thread_id else ""
    mail = Mail(
        sender=Address(channel.address, channel.name), to=(who,), subject=" ".join(subject.split()), text=text, html=markup_of(text),
        reply_to=(Address(answers_to, channel.name),) if answers_to else (), automatic="auto-generated",
    )  # fmt: skip
    return NewSend(
        account_id=doing.account_id, transport=TRANSPORT, idempotency_key=f"{doing.key}:{who.email}", recipients=[who.email],
        payload=mail.payload(), channel_account_id=channel.pk,
    )  # fmt: skip


def _usual_subject(doing: Doing) -> str:
    """A ticket's number and subject; other records have a name."""
    if doing.object_type == "ticket":
        return _fill(_("Ticket #{{ ticket.number }}: {{ ticket.subject }}"), doing)
    return str(doing.record["name"])


def _usual_text(doing: Doing) -> str:
    return _("A ticket needs your attention.") if doing.object_type == "ticket" else str(doing.record["name"])


def _link(doing: Doing) -> str:
    if doing.object_type != "ticket":
        return ""
    return f"\n\n{django_settings.SITE_URL}/inbox/all-open/{doing.record_id}"


def _fill(source: str, doing: Doing) -> str:
    try:
        return doing.fill(source)
    except Invalid:
        return source
