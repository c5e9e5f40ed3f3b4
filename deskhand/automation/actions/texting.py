"""What the actions that write to phones share: from which number, with which words, to whom (R-WA-2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from deskhand.automation import templates
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.reaching import Lately, sent, too_many, touched
from deskhand.automation.actions.types import Action, Doing, Done, Group, Output, Then, failed, skipped
from deskhand.automation.engine.loops import Touches
from deskhand.crm.records import subscriptions
from deskhand.desk import channels, replies, texts
from deskhand.desk.channels import ApprovedTemplate, Texted
from deskhand.desk.models import ChannelAccount
from deskhand.desk.replies import AutomaticMessage
from deskhand.desk.texts import Place
from deskhand.desk.types import Mailbox
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.written import markup_of

#: Of our numbers `from` keeps channel and number, not an id: they are the same in another installation.
FROM = "from"
VALUE = "value_"


class Texting(Action):
    """Write to the phone of the contact that a record is about."""

    channel: ClassVar[str]
    tone, group = "blue", Group.TELL
    costs = True

    def is_offered(self, account_id: int) -> bool:
        return bool(accounts_of(account_id, self.channel))

    def unconnected(self) -> str:
        """Say that there is no number to write from, and what to do."""
        raise NotImplementedError

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        ours = accounts_of(around.account_id, self.channel)
        options = tuple(option(one) for one in ours)
        account = chosen(ours, settings)
        return (
            Setting(FROM, _("From"), Input.CHOICE, required=True, options=options, default=options[0].value if options else None, redraws=True),
            *wording_fields(account, settings),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        ours = accounts_of(current_account_id(), self.channel)
        if not ours:
            return [(FROM, self.unconnected())]
        return super().problems(settings) + wording_problems(chosen(ours, settings), settings)

    def summary(self, settings: Mapping[str, Any]) -> str:
        text, template = (str(settings.get(name) or "").strip() for name in ("text", "template"))
        return text or (_("Template “%(name)s”") % {"name": template} if template else str(self.label))

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        return (Output("sent", _("How many messages left")),)

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return touched(object_type)

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers, messages = self._worked_out(batch)
        put(messages)
        return answers

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        return self._worked_out(batch)[0]

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        """To which number it would have gone, by what its reader had got within the hour."""
        number = number_of(doing)
        return foretold(doing, then, number), {}

    def _worked_out(self, batch: Sequence[Doing]) -> tuple[list[Done], list[Text]]:
        """How it goes for each, and the messages that leave. A fixed number of queries."""
        phones = Phones(batch, accounts_of(batch[0].account_id, self.channel))
        answers: list[Done] = []
        messages: list[Text] = []
        for doing in batch:
            found = phones.text(doing, self.unconnected, doing.fill)
            if isinstance(found, Text):
                messages.append(found)
                answers.append(sent(found.to.email))
            else:
                answers.append(found)
        return answers, messages


def foretold(doing: Doing, then: Then, to: Mailbox | str) -> Done:
    """What a message to somebody, or why there is none, would have come to."""
    if isinstance(to, str):
        return skipped(to)
    then.contacts(doing, everybody=False)
    why_not = too_many(to.email, then.got(to.email, doing.now))
    if why_not:
        return skipped(why_not)
    then.mailed("", "", [to.email], doing.now)
    return sent(to.email)


@dataclass(frozen=True)
class Text:
    """One message to one phone."""

    doing: Doing
    account: ChannelAccount
    to: Mailbox
    texted: Texted


def put(messages: Sequence[Text]) -> None:
    """Write them down in their conversations, and put them into the outbox."""
    if not messages:
        return
    at = messages[0].doing.now
    found = texts.threads_for([_place(one) for one in messages], at)
    replies.send_automatic(
        [_automatic(one, thread_id) for one, thread_id in zip(messages, found, strict=True)], at=at
    )


def _place(one: Text) -> Place:
    return Place(one.account, _ticket_id(one.doing), one.doing.record["contact"]["id"], one.to)


def _ticket_id(doing: Doing) -> int | None:
    return doing.record_id if doing.object_type == "ticket" else None


def _automatic(one: Text, thread_id: int) -> AutomaticMessage:
    doing = one.doing
    ticket_id = _ticket_id(doing)
    return AutomaticMessage(
        ticket_id=ticket_id, thread_id=thread_id, channel=one.account, to=one.to, subject="", text=one.texted.text,
        html=markup_of(one.texted.text), cause=doing.cause, by=doing.by, depth=doing.depth, template=one.texted.template, key=doing.key,
        about="" if ticket_id else f"{doing.object_type}:{doing.record_id}", texted=one.texted,
    )  # fmt: skip


# ── our numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@once
def accounts_of(account_id: int, *keys: str) -> list[ChannelAccount]:
    return channels.connected(account_id, *keys)


def named(account: ChannelAccount) -> str:
    return f"{account.channel}:{account.address}"


def option(account: ChannelAccount) -> Option:
    return Option(named(account), f"{account.name} · {account.address}")


def chosen(ours: Sequence[ChannelAccount], settings: Mapping[str, Any]) -> ChannelAccount | None:
    """Our number that is chosen, or the first one where none is; None for one that is gone."""
    given = str(settings.get(FROM) or "")
    return next((one for one in ours if not given or named(one) == given), None)


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def wording_fields(
    account: ChannelAccount | None, settings: Mapping[str, Any], *, text: str = "", text_help: str = ""
) -> tuple[Setting, ...]:
    """What is written: a text, and on channels that take it only for a while a template for later."""
    way = channels.known[account.channel] if account else None
    if account is None or way is None or way.window is None:
        return (Setting("text", _("Text"), Input.LONG, required=True, takes_tokens=True, default=text or None, help=text_help),)  # fmt: skip
    hours = way.window.total_seconds() // 3600
    approved = way.templates(account)
    one = _approved(approved, settings)
    free = _("It goes out within %(count)s hours after the customer's last message there.") % {
        "count": int(hours)
    }
    return (
        Setting("text", _("Text"), Input.LONG, takes_tokens=True, default=text or None, help=f"{free} {text_help}".strip()),
        Setting(
            "template", _("Approved template"), Input.CHOICE, redraws=True, options=tuple(Option(each.name, each.name) for each in approved),
            help=one.text if one else _("It goes out at any other time; without it nothing does then."),
        ),
        *(
            Setting(f"{VALUE}{number}", _("Blank %(number)s") % {"number": number}, required=True, takes_tokens=True)
            for number in range(1, (one.blanks if one else 0) + 1)
        ),
    )  # fmt: skip


def wording_problems(account: ChannelAccount | None, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the fields alone can't tell."""
    way = channels.known[account.channel] if account else None
    text = str(settings.get("text") or "").strip()
    if way is None:
        return []
    if way.window is not None and not text and not settings.get("template"):
        return [("text", _("Write a text, or choose a template, or both."))]
    if len(text) > way.longest and not templates.has_tokens(text):
        return [("text", _too_long(text, way.longest))]
    return []


def _too_long(text: str, longest: int) -> str:
    return _("The message has %(count)s characters; %(most)s are possible.") % {"count": len(text), "most": longest}  # fmt: skip


def _approved(approved: Sequence[ApprovedTemplate], settings: Mapping[str, Any]) -> ApprovedTemplate | None:
    return next((one for one in approved if one.name == settings.get("template")), None)


#: Puts the values of tokens into a text. Raises Invalid.
Fill = Callable[[object], str]


class Phones:
    """Whom a batch writes to, and what they heard lately, from these numbers of ours: a fixed number of queries."""

    def __init__(
        self, batch: Sequence[Doing], ours: Sequence[ChannelAccount], lately: Lately | None = None
    ) -> None:
        account_id = batch[0].account_id
        contacts = {doing.record["contact"]["id"]: doing for doing in batch if doing.record.get("contact")}
        self.ours = ours
        self.lately = lately or Lately(account_id, contacts, batch[0].now)
        self.heard = texts.last_heard(contacts, [one.pk for one in ours])
        others = [pk for pk, doing in contacts.items() if doing.object_type != "ticket"]
        self.refusing = subscriptions.refusing(account_id, others, []) if others else set()
        self._templates: dict[int, Sequence[ApprovedTemplate]] = {}

    def text(self, doing: Doing, unconnected: Callable[[], str], fill: Fill) -> Text | Done:
        """The message of one record, or how it goes without one; about their own requests everybody is told (R-MAIL-12)."""
        account = chosen(self.ours, doing.settings)
        if account is None:
            return failed(gone_number() if self.ours else unconnected())
        to = number_of(doing)
        if isinstance(to, str):
            return skipped(to)
        why_not = self.why_not(doing, to)
        if why_not:
            return skipped(why_not)
        try:
            texted = self.words(doing, account, fill)
        except Invalid as unfit:
            return failed(str(unfit))
        if isinstance(texted, str):
            return skipped(texted)
        self.lately.count(to.email)
        return Text(doing, account, to, texted)

    def why_not(self, doing: Doing, to: Mailbox) -> str:
        if doing.object_type != "ticket" and doing.record["contact"]["id"] in self.refusing:
            return _("The contact does not want such mail.")
        return self.lately.why_not(to.email)

    def words(self, doing: Doing, account: ChannelAccount, fill: Fill) -> Texted | str:
        """The text while that is taken, else the template; a sentence where neither may go out. Raises Invalid."""
        way, settings = channels.known[account.channel], doing.settings
        if self.is_open(doing, account) and str(settings.get("text") or "").strip():
            texted = Texted(account.address, fill(settings["text"]).strip())
        elif settings.get("template"):
            texted = self._templated(account, settings, fill)
        else:
            return _(
                "The customer did not write there lately, and the step has no approved template for that."
            )
        if not texted.text:
            return _("The message is empty.")
        if len(texted.text) > way.longest:
            raise Invalid(_too_long(texted.text, way.longest))
        return texted

    def is_open(self, doing: Doing, account: ChannelAccount) -> bool:
        """Whether free text is taken (R-WA-2)."""
        window = channels.known[account.channel].window
        last: datetime | None = self.heard.get((doing.record["contact"]["id"], account.pk))
        return window is None or (last is not None and doing.now - last < window)

    def _templated(self, account: ChannelAccount, settings: Mapping[str, Any], fill: Fill) -> Texted:
        if account.pk not in self._templates:
            self._templates[account.pk] = channels.known[account.channel].templates(account)
        approved = _approved(self._templates[account.pk], settings)
        if approved is None:
            raise Invalid(_("The template “%(name)s” is not approved any more. Choose another one in the step.") % {"name": settings["template"]})  # fmt: skip
        values = tuple(
            " ".join(fill(settings.get(f"{VALUE}{n}")).split()) for n in range(1, approved.blanks + 1)
        )
        return Texted(account.address, approved.filled(values), approved.name, values)


def gone_number() -> str:
    return _("The number that it leaves from is not connected any more. Connect it again, or choose another one in the step.")  # fmt: skip


def number_of(doing: Doing) -> Mailbox | str:
    """The contact's phone, or why there is none to write to."""
    contact = doing.record.get("contact")
    if doing.object_type == "ticket" and doing.record["is_spam"]:
        return _("The ticket is spam.")
    if not contact:
        return _("There is no contact.")
    phone = str(contact["phone"] or "").strip()
    if not phone:
        return _("The contact has no phone number.")
    number = texts.number_of(phone)
    if not number:
        return _("“%(phone)s” has no country code. Write the contact's number as in +45 20 12 34 56.") % {"phone": phone}  # fmt: skip
    return Mailbox(number, contact["name"] or "")
