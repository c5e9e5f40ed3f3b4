"""Tell our own people by e-mail: users, a team, or the owner (R-ACT-20, R-WFA-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import plans
from deskhand.accounts.plans import Feature
from deskhand.automation import templates
from deskhand.automation.actions import recipients
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.recipients import Recipients
from deskhand.automation.actions.types import Action, Doing, Done, Group, Output, failed, skipped
from deskhand.automation.models import StepStatus
from deskhand.delivery import outbox
from deskhand.delivery.types import Address, Mail, NewSend
from deskhand.desk import addresses
from deskhand.desk.models import ChannelAccount
from deskhand.desk.outgoing import TRANSPORT, reply_address
from deskhand.desk.types import Mailbox
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.written import markup_of
from deskhand.notifications import pages


class InternalEmail(Action):
    kind = "internal_email"
    label = gettext_lazy("Internal notification")
    about = gettext_lazy("An email to colleagues, a team or the owner.")
    icon, tone, group = "bell-ring", "blue", Group.TELL
    costs = True
    feature = Feature.LANE_EMAILS  # R-ACT-26

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        return (
            *recipients.fields(around),
            *_addresses_field(around.account_id),
            Setting("subject", _("Subject"), takes_tokens=True),
            Setting("body", _("Text"), Input.LONG, takes_tokens=True),
        )

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = recipients.problems(settings, "addresses") + templates.problems(settings, "subject", "body")
        try:
            _strangers(current_account_id(), settings)
        except Invalid as refusal:
            found.append(("addresses", refusal.message))
        return found

    def summary(self, settings: Mapping[str, Any]) -> str:
        strangers = [one.strip() for one in str(settings.get("addresses") or "").split(",") if one.strip()]
        return recipients.said(str(settings.get("subject") or _("Tell colleagues")), settings, *strangers)

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        return recipients.outputs()

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers, sends = _worked_out(batch)
        outbox.enqueue(sends)
        return answers

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        return _worked_out(batch)[0]


def _addresses_field(account_id: int) -> tuple[Setting, ...]:
    """Only where the account lets workflows write to any address (R-WFA-5)."""
    if not _may_be_any(account_id):
        return ()
    help_text = _("People who don’t work here, with commas between them.")
    return (Setting("addresses", _("Other addresses"), help=help_text),)


def _strangers(account_id: int, settings: Mapping[str, Any]) -> tuple[Mailbox, ...]:
    """Who else is told. Raises Invalid, also where the account does not let it."""
    given = str(settings.get("addresses") or "")
    if given.strip() and not _may_be_any(account_id):
        raise Invalid(
            _("This account mails only its own people. Settings, Account can change that."), field="addresses"
        )
    return addresses.read(given, "addresses")


@once
def _may_be_any(account_id: int) -> bool:
    return Feature.RAW_ADDRESSES in plans.features_of(account_id)


def _worked_out(batch: Sequence[Doing]) -> tuple[list[Done], list[NewSend]]:
    account_id = batch[0].account_id
    people = Recipients(account_id, batch)
    channels = ChannelAccount.objects.filter(account_id=account_id, channel="email", archived_at=None)
    channel = channels.order_by("-is_default", "id").first()
    answers: list[Done] = []
    sends: list[NewSend] = []
    for doing in batch:
        users = people.of(doing)
        try:
            strangers = _strangers(account_id, doing.settings)
        except Invalid as refusal:
            answers.append(failed(refusal.message))
            continue
        if isinstance(users, Done) and users.status is StepStatus.SKIPPED and strangers:
            users = []
        if isinstance(users, Done):
            answers.append(users)
        elif channel is None:
            answers.append(skipped(_("No e-mail address is connected to send from.")))
        else:
            known = {people.active[user].email.lower() for user in users}
            others = [Address(one.email, one.name) for one in strangers if one.key not in known]
            sends += [_send(doing, channel, people.active[user]) for user in users]
            sends += [_send(doing, channel, one, is_ours=False) for one in others]
            names = ", ".join(filter(None, [people.names(users), *(one.name or one.email for one in others)]))
            told, count = _("Told %(names)s") % {"names": names}, len(users) + len(others)
            answers.append(Done(message=told, outputs={"told": count}, sent=count))
    return answers, sends


def _send(doing: Doing, channel: ChannelAccount, who: Address, *, is_ours: bool = True) -> NewSend:
    given_subject, given_body = doing.settings.get("subject"), doing.settings.get("body")
    subject = _fill(str(given_subject), doing) if given_subject else _usual_subject(doing)
    text = (_fill(str(given_body), doing) if given_body else _usual_text(doing)) + _link(doing)
    thread_id = doing.record.get("originating_thread_id")
    # A colleague's answer is noted on the ticket (R-EM-9).
    answers_to = reply_address(channel, thread_id) if thread_id and is_ours else ""
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
    return f"\n\n{django_settings.SITE_URL}{pages.record(doing.object_type, doing.record_id)}"


def _fill(source: str, doing: Doing) -> str:
    try:
        return doing.fill(source)
    except Invalid:
        return source
