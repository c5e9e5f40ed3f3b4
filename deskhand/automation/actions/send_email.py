"""Send a template to the contacts of a record: for tickets Ticket received and Ticket closed, for all the account's own
(R-ACT-21, R-OBJ-8).

The step decides who gets it and stores what it will say (`mailing`); the words are made when it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.conf import settings as django_settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import plans
from deskhand.accounts.plans import Feature
from deskhand.automation import mailing, records, templates
from deskhand.automation.actions import choices, reaching
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.reaching import Lately
from deskhand.automation.actions.types import Action, Doing, Done, Group, Output, Then, failed, skipped
from deskhand.automation.engine.loops import Touches
from deskhand.automation.models import MailTemplate
from deskhand.crm.records import associations, subscriptions
from deskhand.crm.records.subscriptions import Link
from deskhand.desk import blocking, letters, replies
from deskhand.desk.models import ChannelAccount
from deskhand.desk.replies import AutomaticMessage
from deskhand.desk.types import Mailbox
from deskhand.desk.unwritten import Filling
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id, current_scope
from deskhand.kernel.errors import Invalid

ONCE_PER = timedelta(hours=24)  # per ticket and template (R-MAIL-12)
FIRST, ALL = "first", "all"  # whom it goes to (R-MAIL-9)
MOST = 50  # contacts of one record


class SendEmail(Action):
    kind = "send_email"
    label = gettext_lazy("Send email")
    about = gettext_lazy("To the customer: one of your mails.")
    icon, tone, group = "mail", "blue", Group.TELL
    costs = True
    feature = Feature.LANE_EMAILS  # R-ACT-26

    def needs_in_lane(self, object_type: str, settings: Mapping[str, Any]) -> frozenset[Feature]:
        """The account's own mails are a plan's matter there (R-MAIL-5); of other records than tickets there are no others."""
        template = str(settings.get("template") or "")
        is_own = not _is_built_in(template) if template else object_type != "ticket"
        return frozenset({Feature.LANE_CUSTOM_EMAILS} if is_own else ())

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        mails, may_be_own = _offered(around.account_id, around.object_type), _may_be_own(around)
        if not may_be_own:
            mails = [mail for mail in mails if mail.key]
        whom = (
            Option(FIRST, _("The contact it is about")),
            Option(ALL, _("All contacts that are linked to it")),
        )
        several = (
            ()
            if around.object_type == "contact"
            else (Setting("recipients", _("Send to"), Input.CHOICE, options=whom, default=FIRST),)
        )
        help = (
            _("It goes to the contact of the ticket, from the address the ticket came to.")
            if around.object_type == "ticket"
            else _("It leaves from your default address and begins a conversation of its own.")
        )
        if not may_be_own:
            help = " ".join((help, _("Mails of your own are not in your plan here.")))
        return (
            Setting(
                "template", _("Mail"), Input.CHOICE, options=choices.options((mail.key or mail.pk, mail.name) for mail in mails), help=help,
                links=(
                    *((_("Edit “%(mail)s”") % {"mail": one.name}, "mail-template", one.pk) for one in mails if (one.key or str(one.pk)) == str(settings.get("template"))),
                    *([(_("Write a new mail"), "mail-templates", 0)] if may_be_own else []),
                ),
            ),
            *several,
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

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        return (Output("sent", _("How many mails left")),)

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        """By what people had got and wanted then; the mail itself and the addresses it leaves from are those of today."""
        known = _templates(doing.account_id)
        return _answer(doing, known, _channels(doing.account_id), _Then(then, known), []), {}

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return reaching.touched(object_type)

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers, mails = _worked_out(batch)
        replies.send_automatic(_with_threads(mails, batch[0].now), at=batch[0].now)
        return answers

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        return _worked_out(batch)[0]


def _worked_out(batch: Sequence[Doing]) -> tuple[list[Done], list[_Mail]]:
    """How it goes for each, and the mails that leave. A fixed number of queries."""
    account_id = batch[0].account_id
    known, channels = _templates(account_id), reaching.mail_channels(account_id)
    recent = _Recent(account_id, batch, known)
    mails: list[_Mail] = []
    return [_answer(doing, known, channels, recent, mails) for doing in batch], mails


def _answer(
    doing: Doing, known: Mapping[str, MailTemplate], channels: Mapping[int, ChannelAccount], lately: _Lately, mails: list[_Mail]
) -> Done:  # fmt: skip
    template = known.get(str(doing.settings["template"]))
    channel = reaching.channel_for(doing, channels)
    why_not = _why_not(doing, template)
    if why_not or template is None:
        return skipped(why_not)
    if channel is None:
        return skipped(_("No e-mail address is connected to send from."))
    try:
        return _send(doing, template, channel, lately, mails)
    except Invalid as unfit:
        return failed(str(unfit))


@once
def _channels(account_id: int) -> dict[int, ChannelAccount]:
    return reaching.mail_channels(account_id)


class _Mail(NamedTuple):
    """One mail to one contact; its conversation is not known yet where it begins one."""

    doing: Doing
    contact: Mapping[str, Any]
    channel: ChannelAccount
    filling: Filling
    subject: str  # of the conversation that it begins
    unsubscribe: str

    @property
    def to(self) -> Mailbox:
        return Mailbox(self.contact["email"], self.contact["name"] or "")


def _send(
    doing: Doing, template: MailTemplate, channel: ChannelAccount, lately: _Lately, mails: list[_Mail]
) -> Done:
    """Add the mails of one record. Raises Invalid when the template can't be read."""
    went: list[str] = []
    reasons: list[str] = []
    filling: Filling = {}
    subject = ""
    for contact in lately.of(doing):
        why_not = _why_not_to(contact, template) or lately.why_not(doing, contact)
        if why_not:
            reasons.append(why_not)
            continue
        if not filling:
            filling = mailing.filling_of(template, doing.object_type, doing.record_id, doing.record)
            subject = "" if doing.object_type == "ticket" else mailing.subject_of(template, doing.record)
        lately.count(doing, contact)
        url = _unsubscribe_url(doing.account_id, contact["id"], template)
        mails.append(_Mail(doing, contact, channel, mailing.with_way_out(filling, url), subject, url))
        went.append(contact["email"])
    if not went:
        return skipped(reasons[0] if reasons else _("There is no contact with an address."))
    lately.is_sent(doing, went)
    return reaching.sent(*went)


def _unsubscribe_url(account_id: int, contact_id: int, template: MailTemplate) -> str:
    """Mail about somebody's own request has none (R-MAIL-2, R-MAIL-3)."""
    if template.is_transactional:
        return ""
    token = subscriptions.token_of(Link(account_id, contact_id, template.subscription_type_id))
    return f"{django_settings.SITE_URL}/unsubscribe/{token}"


def _with_threads(mails: Sequence[_Mail], at: datetime) -> list[AutomaticMessage]:
    """A ticket's mail is in its conversation; any other begins one."""
    of_ticket = [mail for mail in mails if mail.doing.object_type == "ticket"]
    others = [mail for mail in mails if mail.doing.object_type != "ticket"]
    begun = letters.begin_many([(one.channel, one.contact["id"], one.to, one.subject) for one in others], at)
    threads = reaching.threads_of([(mail.doing, mail.to) for mail in of_ticket], at)
    return [
        *(_automatic(mail, threads[mail.doing.record_id], mail.doing.record_id) for mail in of_ticket),
        *(_automatic(mail, thread_id, None) for mail, thread_id in zip(others, begun, strict=True)),
    ]


def _automatic(mail: _Mail, thread_id: int, ticket_id: int | None) -> AutomaticMessage:
    doing = mail.doing
    return AutomaticMessage(
        ticket_id=ticket_id, thread_id=thread_id, channel=mail.channel, to=mail.to, filling=mail.filling,
        cause=doing.cause, by=doing.by, depth=doing.depth, template=str(doing.settings["template"]),
        key=f"{doing.key}:{mail.to.key}", about="" if ticket_id else _about(doing), unsubscribe=mail.unsubscribe,
    )  # fmt: skip


def _about(doing: Doing) -> str:
    return f"{doing.object_type}:{doing.record_id}"


def _may_be_own(around: Around) -> bool:
    return around.pipeline_id is None or Feature.LANE_CUSTOM_EMAILS in _features(around.account_id)


@once
def _features(account_id: int) -> frozenset[Feature]:
    return plans.features_of(account_id)


@once
def _offered(account_id: int, object_type: str) -> list[MailTemplate]:
    return templates.offered(account_id, object_type)


@once
def _templates(account_id: int) -> dict[str, MailTemplate]:
    """By key for the built-in ones, by id for the account's own."""
    found = MailTemplate.objects.filter(account_id=account_id)
    return {key: row for row in found for key in (row.key, str(row.pk)) if key}


def _is_built_in(template: str) -> bool:
    """By its key, or by its id as configuration in files writes it. Read once per transaction."""
    if template in templates.BUILT_IN:
        return True
    notes = current_scope().notes
    if "automation.built_in_mails" not in notes:
        found = MailTemplate.objects.filter(account_id=current_account_id()).exclude(key="")
        notes["automation.built_in_mails"] = {str(pk) for pk in found.values_list("pk", flat=True)}
    return template in notes["automation.built_in_mails"]  # type: ignore[operator]


def _names() -> dict[str, str]:
    """Read once per transaction: pages show many steps."""
    notes = current_scope().notes
    if "automation.mails" not in notes:
        found = _templates(current_account_id())
        notes["automation.mails"] = {key: mail.name for key, mail in found.items()}
    return notes["automation.mails"]  # type: ignore[return-value]


def _why_not(doing: Doing, template: MailTemplate | None) -> str:
    """Say why nothing of this kind goes out about the record; "" when it may (R-MAIL-12, B1, F2)."""
    if template is None:
        return _("There is no such mail any more.")
    return reaching.why_not_mail_about(doing.object_type, doing.record)


def _why_not_to(contact: Mapping[str, Any], template: MailTemplate) -> str:
    """Say why this contact gets no such mail (R-MAIL-4, R-MAIL-9, R-MAIL-12)."""
    if contact["email"] and not template.is_transactional and not contact["is_marketing"]:
        return _("The mail goes to marketing contacts only, and this contact is none.")
    return reaching.why_not_mail_to(contact)


class _Lately(Protocol):
    """Whom a step writes to, and what they got lately."""

    def of(self, doing: Doing) -> Sequence[Mapping[str, Any]]: ...

    def why_not(self, doing: Doing, contact: Mapping[str, Any]) -> str: ...

    def count(self, doing: Doing, contact: Mapping[str, Any]) -> None: ...

    def is_sent(self, doing: Doing, to: Sequence[str]) -> None: ...


@dataclass(frozen=True)
class _Then:
    """The same at a moment of the past."""

    then: Then
    known: Mapping[str, MailTemplate]

    def of(self, doing: Doing) -> Sequence[Mapping[str, Any]]:
        return self.then.contacts(doing, everybody=doing.settings.get("recipients") == ALL)[:MOST]

    def why_not(self, doing: Doing, contact: Mapping[str, Any]) -> str:
        name, then, at = str(doing.settings["template"]), self.then, doing.now
        mail = self.known[name]
        return _why_not_now(
            is_blocked=then.is_blocked(contact["email"], at),
            refuses=not mail.is_transactional and then.refuses(contact["id"], mail.subscription_type_id, at),
            has_had=then.has_had(_about(doing), name, at),
        ) or reaching.too_many(contact["email"], then.got(contact["email"], at))

    def count(self, doing: Doing, contact: Mapping[str, Any]) -> None:
        """Remembered with the mail."""

    def is_sent(self, doing: Doing, to: Sequence[str]) -> None:
        self.then.mailed(_about(doing), str(doing.settings["template"]), to, doing.now)


class _Recent:
    """Whom a batch writes to, what they got lately, and what they don't want: a fixed number of queries."""

    def __init__(self, account_id: int, batch: Sequence[Doing], known: Mapping[str, MailTemplate]) -> None:
        now = batch[0].now
        self.contacts = _contacts(batch)
        everybody = {contact["id"]: contact for found in self.contacts.values() for contact in found}
        self.lately = Lately(account_id, everybody, now)
        tickets = [d.record_id for d in batch if d.object_type == "ticket"]
        self.sent: set[tuple[str, str]] = {
            (f"ticket:{pk}", template)
            for pk, template in sql.rows(_SENT, [account_id, tickets, now - ONCE_PER])
        }
        if len(tickets) < len(batch):
            self.sent |= set(sql.rows(_SENT_ABOUT, [account_id, list(everybody), now - ONCE_PER]))
        self.blocked = blocking.blocked({contact["email"] for contact in everybody.values()})
        self.known, self.refusals = known, _refusals(account_id, list(everybody), batch, known)

    def why_not(self, doing: Doing, contact: Mapping[str, Any]) -> str:
        template = str(doing.settings["template"])
        return _why_not_now(
            is_blocked=contact["email"] in self.blocked,
            refuses=contact["id"] in self.refusals.get(template, ()),
            has_had=(_about(doing), template) in self.sent,
        ) or self.lately.why_not(contact["email"])

    def count(self, doing: Doing, contact: Mapping[str, Any]) -> None:
        self.lately.count(contact["email"])

    def of(self, doing: Doing) -> Sequence[Mapping[str, Any]]:
        return self.contacts[_place(doing)]

    def is_sent(self, doing: Doing, to: Sequence[str]) -> None:
        self.sent.add((_about(doing), str(doing.settings["template"])))


def _why_not_now(*, is_blocked: bool, refuses: bool, has_had: bool) -> str:
    """Say why it is not the time to write to somebody; "" when it is (R-MAIL-12)."""
    if is_blocked:
        return _("This address is blocked.")
    if refuses:
        return _("The contact does not want such mail.")
    return _("The same mail went out about this less than 24 hours ago.") if has_had else ""


def _contacts(batch: Sequence[Doing]) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
    """The contacts of each record, the first one first."""
    found = {_place(d): [d.record["contact"]] if d.record.get("contact") else [] for d in batch}
    asking = [d for d in batch if d.settings.get("recipients") == ALL and d.object_type != "contact"]
    for object_type in {d.object_type for d in asking}:
        ids = [d.record_id for d in asking if d.object_type == object_type]
        linked = associations.linked_ids(object_type, ids, "contact", None)
        rows = records.load("contact", [pk for own in linked.values() for pk in own])
        records.add_people("contact", rows.values())
        for record_id, own in linked.items():
            contacts = found[object_type, record_id]
            known = {contact["id"] for contact in contacts}
            contacts += [rows[pk]["contact"] for pk in own if pk in rows and pk not in known]
    return {place: own[:MOST] for place, own in found.items()}


def _place(doing: Doing) -> tuple[str, int]:
    return doing.object_type, doing.record_id


def _refusals(
    account_id: int, contact_ids: Sequence[int], batch: Sequence[Doing], known: Mapping[str, MailTemplate]
) -> dict[str, set[int]]:
    """{mail: who does not want it}; nobody is asked about mail on their own requests (R-MAIL-12)."""
    names = {str(doing.settings["template"]) for doing in batch}
    asking = {name: known[name] for name in names if name in known and not known[name].is_transactional}
    return {
        name: subscriptions.refusing(
            account_id, contact_ids, [mail.subscription_type_id] if mail.subscription_type_id else []
        )
        for name, mail in asking.items()
    }


_SENT = """
select ticket_id, cause->>'template' from desk_message
where account_id = %s and ticket_id = any(%s) and is_automatic and direction = 'OUT' and created_at > %s
"""

_SENT_ABOUT = """
select m.cause->>'about', m.cause->>'template' from desk_thread h
join desk_message m on m.account_id = h.account_id and m.thread_id = h.id
where h.account_id = %s and h.contact_id = any(%s) and h.ticket_id is null and m.is_automatic and m.direction = 'OUT' and m.created_at > %s
    and m.cause ? 'about'
"""
