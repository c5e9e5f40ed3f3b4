"""Send a template to the ticket's requester: Ticket received, Ticket closed, or the account's own (R-ACT-21)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.plans import Feature
from deskhand.automation import templates
from deskhand.automation.actions import choices
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.types import Action, Doing, Done, Group, failed, skipped
from deskhand.automation.models import MailTemplate
from deskhand.desk import replies
from deskhand.desk.models import ChannelAccount
from deskhand.desk.replies import AutomaticMail
from deskhand.desk.types import Mailbox
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id, current_scope
from deskhand.kernel.errors import Invalid
from deskhand.kernel.written import markup_of

ONCE_PER = timedelta(hours=24)  # per ticket and template (R-MAIL-12)
PER_ADDRESS = 5  # an hour (R-MAIL-12)


class SendEmail(Action):
    kind = "send_email"
    label = gettext_lazy("Send email")
    about = gettext_lazy("To the customer: one of your mails.")
    icon, tone, group = "mail", "blue", Group.TELL
    object_types = frozenset({"ticket"})
    costs = True
    feature = Feature.LANE_EMAILS  # R-ACT-26

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        mails = list(
            MailTemplate.objects.filter(account_id=around.account_id, archived_at=None).order_by("id")
        )
        return (
            Setting(
                "template", _("Mail"), Input.CHOICE, options=choices.options((mail.key or mail.pk, mail.name) for mail in mails),
                help=_("It goes to the contact of the ticket, from the address the ticket came to."),
                links=tuple((_("Edit “%(mail)s”") % {"mail": mail.name}, "mail-template", mail.pk) for mail in mails),
            ),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        if not settings.get("template"):
            return [("template", _("Choose a mail."))]
        mail = _templates(current_account_id()).get(str(settings["template"]))
        return (
            [] if mail and mail.archived_at is None else [("template", _("There is no such mail any more."))]
        )

    def summary(self, settings: Mapping[str, Any]) -> str:
        return _names().get(str(settings.get("template"))) or _("Email")

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        account_id = batch[0].account_id
        known = _templates(account_id)
        channels = {
            c.pk: c
            for c in ChannelAccount.objects.filter(account_id=account_id, channel="email", archived_at=None)
        }
        recent = _Recent(account_id, batch)
        answers: list[Done] = []
        mails: list[AutomaticMail] = []
        for doing in batch:
            template = known.get(str(doing.settings["template"]))
            why_not = _why_not(doing, template, recent)
            if why_not or template is None:
                answers.append(skipped(why_not or _("There is no such mail any more.")))
                continue
            try:
                mail = _mail(doing, template, channels)
            except Invalid as unfit:
                answers.append(failed(str(unfit)))
                continue
            if mail is None:
                answers.append(skipped(_("No e-mail address is connected to send from.")))
                continue
            recent.count(doing)
            mails.append(mail)
            answers.append(Done(message=_("Sent to %(address)s") % {"address": mail.to.email}))
        replies.send_automatic(mails, at=batch[0].now)
        return answers


def _templates(account_id: int) -> dict[str, MailTemplate]:
    """By key for the built-in ones, by id for the account's own."""
    found = MailTemplate.objects.filter(account_id=account_id)
    return {key: row for row in found for key in (row.key, str(row.pk)) if key}


def _names() -> dict[str, str]:
    """Read once per transaction: pages show many steps."""
    notes = current_scope().notes
    if "automation.mails" not in notes:
        found = _templates(current_account_id())
        notes["automation.mails"] = {key: mail.name for key, mail in found.items()}
    return notes["automation.mails"]  # type: ignore[return-value]


def _why_not(doing: Doing, template: MailTemplate | None, recent: _Recent) -> str:
    """Say why this mail must not go out; "" when it may (R-MAIL-4, R-MAIL-9, R-MAIL-12, B1, F2)."""
    contact = doing.record.get("contact") or {}
    if template is None:
        return _("There is no such mail any more.")
    if not contact.get("email"):
        return _("The ticket has no contact with an address.")
    if not template.is_transactional and not contact.get("is_marketing"):
        return _("The mail goes to marketing contacts only, and this contact is none.")
    if contact.get("bounced_at"):
        return _("The address of the contact does not work: mail to it came back.")
    if doing.record.get("is_spam"):
        return _("The ticket is spam.")
    if doing.record.get("from_machine"):
        return _("The ticket was opened by an automatic mail, which is never answered.")
    if doing.record.get("hearsay"):
        return _("A colleague forwarded the mail; whom it names has not written to us yet.")
    return recent.why_not(doing, contact["email"])


class _Recent:
    """What automatic mail went out lately, for the whole batch in two queries."""

    def __init__(self, account_id: int, batch: Sequence[Doing]) -> None:
        now = batch[0].now
        people = list({d.record["contact_id"] for d in batch if d.record["contact_id"]})
        self.to_address: Counter[str] = Counter(
            dict(
                sql.rows(
                    "select m.recipients->'to'->0->>'email', count(*) from crm_ticket t"
                    " join desk_message m on m.account_id = t.account_id and m.ticket_id = t.id"
                    " where t.account_id = %s and t.contact_id = any(%s) and m.direction = 'OUT' and m.is_automatic and m.created_at > %s group by 1",
                    [account_id, people, now - timedelta(hours=1)],
                )
            )
        )
        self.sent: set[tuple[int, str]] = set(
            sql.rows(
                "select ticket_id, cause->>'template' from desk_message where account_id = %s and ticket_id = any(%s) and is_automatic and direction = 'OUT'"
                " and created_at > %s",
                [account_id, [d.record_id for d in batch], now - ONCE_PER],
            )
        )

    def why_not(self, doing: Doing, address: str) -> str:
        if (doing.record_id, str(doing.settings["template"])) in self.sent:
            return _("The same mail went to this ticket less than 24 hours ago.")
        if self.to_address[address] >= PER_ADDRESS:
            return _("This address got %(count)s automatic mails within an hour.") % {"count": PER_ADDRESS}
        return ""

    def count(self, doing: Doing) -> None:
        self.sent.add((doing.record_id, str(doing.settings["template"])))
        self.to_address[doing.record["contact"]["email"]] += 1


def _mail(
    doing: Doing, template: MailTemplate, channels: Mapping[int, ChannelAccount]
) -> AutomaticMail | None:
    """None without an address to send from. Raises Invalid when the template can't be filled."""
    record = doing.record
    channel = channels.get(record.get("channel_account_id") or 0) or next(
        (c for c in channels.values() if c.is_default), None
    )
    if channel is None:
        return None
    rendered = templates.render(template, doing.record)
    thread_id = record.get("originating_thread_id") or replies.thread_for(doing.record_id, at=doing.now)
    contact = record["contact"]
    return AutomaticMail(
        ticket_id=doing.record_id, thread_id=thread_id, channel=channel, to=Mailbox(contact["email"], contact.get("name", "")),
        subject=rendered.subject, text=rendered.text, html=markup_of(rendered.text), cause=doing.cause, by=doing.by, depth=doing.depth,
        template=str(doing.settings["template"]),
    )  # fmt: skip
