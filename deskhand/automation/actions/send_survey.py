"""Ask the customer of a ticket how it went, by mail or on their phone: with a link to one of the surveys (R-FBK-3).

Which surveys there are, and whether somebody may be asked now (R-FBK-4), is for who keeps them: `desk/surveys.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import templates, tokens
from deskhand.automation.actions import reaching, texting
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.reaching import Lately
from deskhand.automation.actions.texting import FROM, Fill, Phones, Text
from deskhand.automation.actions.types import Action, Doing, Done, Group, Output, Then, failed, skipped
from deskhand.automation.engine.loops import Touches
from deskhand.desk import blocking, replies, surveys
from deskhand.desk.channels import EMAIL
from deskhand.desk.models import ChannelAccount
from deskhand.desk.replies import AutomaticMessage
from deskhand.desk.surveys import Invitation, Refusal, Survey
from deskhand.desk.types import Mailbox
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.written import markup_of

_LINK = "survey.link"
_TOKEN = "{{ survey.link }}"


class SendSurvey(Action):
    kind = "send_survey"
    label = gettext_lazy("Send survey")
    about = gettext_lazy("Asks the customer how it went.")
    icon, tone, group = "star", "blue", Group.TELL
    object_types = frozenset({"ticket"})
    costs = True

    def is_offered(self, account_id: int) -> bool:
        return bool(_offered(account_id) and _ways(account_id))

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        ways = _ways(around.account_id)
        offered = tuple(Option(one.key, one.name) for one in _offered(around.account_id))
        link = _("The link to the survey is added, or stands where you write {{ survey.link }}.")
        return (
            Setting("survey", _("Survey"), Input.CHOICE, required=True, options=offered, default=offered[0].value if offered else None),
            Setting(FROM, _("Send by"), Input.CHOICE, required=True, options=ways, default=ways[0].value if ways else None, redraws=True),
            *(_mail_fields(link) if _is_mail(settings, ways) else _phone_fields(around.account_id, settings, link)),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        account_id = current_account_id()
        ways = _ways(account_id)
        if not _offered(account_id):
            return [("survey", _none())]
        if not ways:
            return [(FROM, _unconnected())]
        if _is_mail(settings, ways):
            return super().problems(settings)
        account = texting.chosen(texting.accounts_of(account_id), settings)
        found = super().problems(settings) + texting.wording_problems(account, settings)
        values = [str(value) for name, value in settings.items() if name.startswith(texting.VALUE)]
        if settings.get("template") and not any(_LINK in value for value in values):
            found.append(("template", _("Write {{ survey.link }} into one of its blanks.")))
        return found

    def summary(self, settings: Mapping[str, Any]) -> str:
        offered = {one.key: one.name for one in _offered(current_account_id())}
        return offered.get(str(settings.get("survey")), str(self.label))

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        return (Output("sent", _("How many messages left")),)

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return reaching.touched(object_type)

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        sending = _Sending(batch)
        made = [sending.made(doing) for doing in batch]
        links = _links([one.doing for one in made if not isinstance(one, Done)])
        ready = [_asked(one, links, sending.placeholder) for one in made]
        _put([one for one in ready if isinstance(one, _Mail)])
        texting.put([one for one in ready if isinstance(one, Text)])
        return [one if isinstance(one, Done) else reaching.sent(one.to.email) for one in ready]

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        """To whom it would have gone, by what they had got within the hour; when they were asked last is not known."""
        to = _reader(doing, is_mail=_is_mail(doing.settings, _ways(doing.account_id)))
        return texting.foretold(doing, then, to), {}


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@once
def _offered(account_id: int) -> list[Survey]:
    return surveys.offered(account_id)


@once
def _ways(account_id: int) -> tuple[Option, ...]:
    """What it can be sent by: mail, and each of our numbers."""
    by_mail = (Option(EMAIL, _("Email")),) if reaching.mail_channels(account_id) else ()
    return by_mail + tuple(texting.option(one) for one in texting.accounts_of(account_id))


def _is_mail(settings: Mapping[str, Any], ways: Sequence[Option]) -> bool:
    return str(settings.get(FROM) or (ways[0].value if ways else EMAIL)) == EMAIL


def _mail_fields(link: str) -> tuple[Setting, ...]:
    return (
        Setting("subject", _("Subject"), required=True, takes_tokens=True, default=_("How did we do?")),
        Setting("text", _("Text"), Input.LONG, required=True, takes_tokens=True, default=_text(), help=link),
    )


def _phone_fields(account_id: int, settings: Mapping[str, Any], link: str) -> tuple[Setting, ...]:
    account = texting.chosen(texting.accounts_of(account_id), settings)
    return texting.wording_fields(account, settings, text=_text(), text_help=link)


def _text() -> str:
    return _("Hello {{ contact.first_name }}, how did we do with “{{ ticket.subject }}”? You answer with one click:")  # fmt: skip


def _none() -> str:
    return _("There is no survey to send. Make one, or take this step out.")


def _unconnected() -> str:
    return _("Nothing is connected to send it by. Connect an address or a number, or take this step out.")


# ── what leaves ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Mail:
    doing: Doing
    channel: ChannelAccount
    to: Mailbox
    subject: str
    text: str


class _Sending:
    """The messages of a batch, with a placeholder where the link will be: a fixed number of queries."""

    def __init__(self, batch: Sequence[Doing]) -> None:
        account_id = batch[0].account_id
        self.placeholder = token_hex(surveys.LONGEST_LINK // 2)
        self.offered = {one.key for one in _offered(account_id)}
        self.ways = _ways(account_id)
        self.channels = reaching.mail_channels(account_id)
        contacts = [doing.record["contact"] for doing in batch if doing.record.get("contact")]
        self.blocked = blocking.blocked({one["email"] for one in contacts})
        self.lately = Lately(account_id, {one["id"] for one in contacts}, batch[0].now)
        self.phones = Phones(batch, texting.accounts_of(account_id), self.lately)

    def made(self, doing: Doing) -> _Mail | Text | Done:
        """The message of one ticket, or how it goes without one."""
        if str(doing.settings.get("survey")) not in self.offered:
            return failed(_("The survey is not there any more. Choose another one in the step."))
        text = str(doing.settings.get("text") or "")
        if text.strip() and _LINK not in text:
            doing = doing._replace(settings={**doing.settings, "text": f"{text.rstrip()}\n{_TOKEN}"})
        if _is_mail(doing.settings, self.ways):
            return self._mail(doing)
        return self.phones.text(doing, _unconnected, self._filler(doing))

    def _mail(self, doing: Doing) -> _Mail | Done:
        to = _reader(doing, is_mail=True)
        if isinstance(to, str):
            return skipped(to)
        if to.email in self.blocked:
            return skipped(_("This address is blocked."))
        if why_not := self.lately.why_not(to.email):
            return skipped(why_not)
        channel = reaching.channel_for(doing, self.channels)
        if channel is None:
            return skipped(_("No e-mail address is connected to send from."))
        fill = self._filler(doing)
        try:
            subject, text = (fill(doing.settings.get(name)).strip() for name in ("subject", "text"))
        except Invalid as unfit:
            return failed(str(unfit))
        self.lately.count(to.email)
        return _Mail(doing, channel, to, " ".join(subject.split()), text)

    def _filler(self, doing: Doing) -> Fill:
        named = {**tokens.values(doing.record, doing.outputs), "survey": {"link": self.placeholder}}
        return lambda source: templates.fill_with(str(source or ""), named)


def _reader(doing: Doing, *, is_mail: bool) -> Mailbox | str:
    """Whom it goes to, or why nobody is asked."""
    if not is_mail:
        return texting.number_of(doing)
    contact = doing.record.get("contact")
    why_not = reaching.why_not_mail_about(doing.object_type, doing.record)
    if not why_not:
        why_not = reaching.why_not_mail_to(contact) if contact else _("There is no contact with an address.")
    return why_not if why_not or not contact else Mailbox(contact["email"], contact["name"] or "")


def _links(asked: Sequence[Doing]) -> dict[str, str | Refusal]:
    """{key of the effect: the link, or why there is none}."""
    invitations = [
        Invitation(str(doing.settings["survey"]), doing.record_id, doing.record["contact"]["id"], doing.key)
        for doing in asked
    ]
    if not invitations:
        return {}
    found = surveys.invite(asked[0].account_id, invitations, asked[0].now)
    return {one.key: link for one, link in zip(invitations, found, strict=True)}


def _asked(
    one: _Mail | Text | Done, links: Mapping[str, str | Refusal], placeholder: str
) -> _Mail | Text | Done:
    """The message with its link."""
    if isinstance(one, Done):
        return one
    link = links[one.doing.key]
    if isinstance(link, Refusal):
        return skipped(link.why)
    if isinstance(one, _Mail):
        return replace(one, text=one.text.replace(placeholder, link))
    values = tuple(value.replace(placeholder, link) for value in one.texted.values)
    return replace(
        one, texted=replace(one.texted, text=one.texted.text.replace(placeholder, link), values=values)
    )


def _put(mails: Sequence[_Mail]) -> None:
    if not mails:
        return
    at = mails[0].doing.now
    threads = reaching.threads_of([(mail.doing, mail.to) for mail in mails], at)
    replies.send_automatic([_automatic(mail, threads[mail.doing.record_id]) for mail in mails], at=at)


def _automatic(mail: _Mail, thread_id: int) -> AutomaticMessage:
    doing = mail.doing
    return AutomaticMessage(
        ticket_id=doing.record_id, thread_id=thread_id, channel=mail.channel, to=mail.to, subject=mail.subject, text=mail.text,
        html=markup_of(mail.text), cause=doing.cause, by=doing.by, depth=doing.depth, key=doing.key,
    )  # fmt: skip
