"""Mail templates: logic-less Liquid with the tokens of a record; nothing unknown ever shows its braces (R-MAIL-11)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deskhand.accounts import audit, plans
from deskhand.accounts.models import User
from deskhand.accounts.plans import Feature
from deskhand.automation import tokens, uses
from deskhand.automation.models import MailRevision, MailTemplate
from deskhand.delivery import outbox
from deskhand.delivery.types import Address, Mail, NewSend
from deskhand.desk import outgoing, replies
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import one_line
from deskhand.kernel.written import markup_of

if TYPE_CHECKING:
    from liquid import BoundTemplate

FIELDS = {"subject": gettext_noop("Subject"), "body": gettext_noop("Text"), "text": gettext_noop("Text")}

BUILT_IN = {
    "ticket_received": (
        gettext_noop("Ticket received"),
        gettext_noop("We have received your request [#{{ ticket.number }}]"),
        gettext_noop(
            "Hello {{ contact.first_name | default: 'there' }},\n\nThank you for writing to us. Your request has the number"
            " #{{ ticket.number }}, and one of us will answer you as soon as possible.\n\nYou can add to it by answering this mail."
            "\n\nKind regards,\n{{ channel.name }}"
        ),
    ),
    "ticket_closed": (
        gettext_noop("Ticket closed"),
        gettext_noop("Your request [#{{ ticket.number }}] is closed"),
        gettext_noop(
            "Hello {{ contact.first_name | default: 'there' }},\n\nWe have closed your request #{{ ticket.number }}. If something is"
            " still open, just answer this mail.\n\nKind regards,\n{{ channel.name }}"
        ),
    ),
}


@dataclass(frozen=True)
class Rendered:
    subject: str
    text: str


def ensure_defaults(account_id: int, locale: str = "en") -> None:
    """Give a new account the two built-in mails in its language. Safe to repeat; edited ones stay."""
    with translation.override(locale):
        for key, (name, subject, body) in BUILT_IN.items():
            made, is_new = MailTemplate.objects.get_or_create(
                account_id=account_id, key=key,
                defaults={"name": translation.gettext(name), "subject": translation.gettext(subject), "body": translation.gettext(body), "updated_at": clock.now()},
            )  # fmt: skip
            if is_new:
                _keep_revision(made)


def edit(
    template: MailTemplate,
    *,
    subject: str,
    body: str,
    is_transactional: bool | None = None,
    subscription_type_id: int | None = None,
    by: Actor = SYSTEM,
) -> MailTemplate:
    """Save a template (R-MAIL-1). Raises Invalid, naming the field, when it can't be read or would be empty.

    One that is not transactional goes to marketing contacts only (R-MAIL-4); the built-in ones always are (R-MAIL-2).
    That one's own become so is a plan's matter (R-MAIL-6); those that are stay so.
    """
    if is_transactional and not may_be_transactional(template):
        raise Invalid(
            _("The account's plan sends mails of your own to marketing contacts only."),
            field="is_transactional",
            hint=_("Choose marketing contacts, or a larger plan."),
        )
    for field, text in (("subject", subject), ("body", body)):
        if not text.strip():
            raise Invalid(
                _("%(field)s is empty.") % {"field": _(FIELDS[field])},
                field=field,
                hint=_("Write something."),
            )
        _compile(text, field)
    before = {
        "subject": template.subject,
        "body": template.body,
        "is_transactional": template.is_transactional,
    }
    if is_transactional is not None and not template.key:
        template.is_transactional = is_transactional
        template.subscription_type_id = None if is_transactional else subscription_type_id
    template.subject, template.body, template.revision, template.updated_at = (
        subject,
        body,
        template.revision + 1,
        clock.now(),
    )
    template.save(
        update_fields=[
            "subject",
            "body",
            "is_transactional",
            "subscription_type_id",
            "revision",
            "updated_at",
        ]
    )
    _keep_revision(template)
    audit.record(
        "mail_template.updated", by=by, target_type="mail_template", target_id=template.pk, before=before,
        after={"subject": subject, "body": body, "is_transactional": template.is_transactional},
    )  # fmt: skip
    return template


def may_be_transactional(template: MailTemplate) -> bool:
    """Whether every contact may get it: the built-in ones, those that are so, and new ones as the plan says (R-MAIL-6)."""
    return bool(template.key) or template.is_transactional or _has_transactional(template.account_id)


def _has_transactional(account_id: int) -> bool:
    return Feature.OWN_TRANSACTIONAL_EMAILS in plans.features_of(account_id)


def create(account_id: int, name: str, *, by: Actor) -> MailTemplate:
    """A new mail with a greeting, for somebody to write; for every contact if the plan has that (R-MAIL-6).

    Raises Invalid without a name, or for one that is taken.
    """
    made = MailTemplate.objects.create(
        account_id=account_id, name=_free_name(account_id, name), subject=_("Your request [#{{ ticket.number }}]"),
        body=_("Hello {{ contact.first_name | default: 'there' }},\n\n\n\nKind regards,\n{{ channel.name }}"),
        is_transactional=_has_transactional(account_id), updated_at=clock.now(),
    )  # fmt: skip
    _keep_revision(made)
    audit.record(
        "mail_template.created", by=by, target_type="mail_template", target_id=made.pk, after={"name": made.name}
    )  # fmt: skip
    return made


def offered(account_id: int, object_type: str) -> list[MailTemplate]:
    """The mails that may be chosen for such records, in the order they were made: the built-in ones speak of a ticket."""
    found = MailTemplate.objects.filter(account_id=account_id, archived_at=None).order_by("id")
    return list(found if object_type == "ticket" else found.filter(key=""))


def _keep_revision(template: MailTemplate) -> None:
    """What it says now, for ever."""
    MailRevision.objects.create(
        account_id=template.account_id, template_id=template.pk, number=template.revision, subject=template.subject, body=template.body,
        created_at=template.updated_at,
    )  # fmt: skip


def rename(template: MailTemplate, name: str, *, by: Actor) -> None:
    """Raises Invalid without a name, or for one that another mail has."""
    name = _free_name(template.account_id, name, but=template.pk)
    before, template.name = template.name, name
    if before != name:
        template.save(update_fields=["name"])
        audit.record(
            "mail_template.updated", by=by, target_type="mail_template", target_id=template.pk,
            before={"name": before}, after={"name": name},
        )  # fmt: skip


def set_archived(template: MailTemplate, on: bool, *, by: Actor) -> None:
    """Let nobody choose it any more, or again. Safe to repeat. Raises Conflict while a workflow sends it, and where another
    mail has its name by now: people choose mails by their names, and files name them so."""
    if on and used_in(template.account_id).get(template.pk):
        raise Conflict(_("A workflow sends this mail. Take the step out first."))
    if on is (template.archived_at is not None):
        return
    if not on and _has_rival(template.account_id, template.name, but=template.pk):
        raise Conflict(
            _("Another mail is called “%(name)s” by now. Give one of the two another name first.")
            % {"name": template.name}
        )
    template.archived_at = clock.now() if on else None
    template.save(update_fields=["archived_at"])
    audit.record(
        "mail_template.updated", by=by, target_type="mail_template", target_id=template.pk,
        before={"is_archived": not on}, after={"is_archived": on},
    )  # fmt: skip


_USED = f"""{uses.DEFINITIONS}
select distinct m.id, d.id from definitions d
cross join lateral jsonb_path_query(d.definition, '$.**.template') x(ref)
join automation_mailtemplate m on m.account_id = %(account)s and x.ref #>> '{{}}' in (nullif(m.key, ''), m.id::text) order by 1, 2
"""


def used_in(account_id: int) -> dict[int, list[int]]:
    """{mail: the workflows that send it}, drafts included; without those that none sends. One query."""
    found: dict[int, list[int]] = {}
    for template_id, workflow_id in sql.rows(_USED, {"account": account_id}):
        found.setdefault(template_id, []).append(workflow_id)
    return found


def send_test(account_id: int, rendered: Rendered, to: User) -> None:
    """Mail a filled template to a colleague, from the default address. Raises Invalid without one."""
    channel = replies.default_channel(account_id)
    subject = _("Test: %(subject)s") % {"subject": rendered.subject}
    mail = Mail(
        sender=Address(channel.address, outgoing.sender_name(channel)), to=(Address(to.email, to.name),),
        subject=subject, text=rendered.text, html=markup_of(rendered.text), automatic="auto-generated",
    )  # fmt: skip
    send = NewSend(
        account_id=account_id, transport=outgoing.TRANSPORT, idempotency_key=f"template-test:{secrets.token_hex(16)}",
        recipients=[to.email], payload=mail.payload(), envelope_from=channel.address, channel_account_id=channel.pk, is_new=True,
    )  # fmt: skip
    outbox.enqueue([send])


def _free_name(account_id: int, name: str, but: int | None = None) -> str:
    name = one_line(name)
    if not name:
        raise Invalid(_("Give it a name."), field="name", value=name, hint=_("Enter a name."))
    if _has_rival(account_id, name, but):
        raise Invalid(
            _("There is a mail of this name already."), field="name", value=name, hint=_("Use another name.")
        )  # fmt: skip
    return name


def _has_rival(account_id: int, name: str, but: int | None = None) -> bool:
    others = MailTemplate.objects.filter(account_id=account_id, name__iexact=name, archived_at=None)
    return (others.exclude(pk=but) if but else others).exists()


def render(subject: str, body: str, named: Mapping[str, Any]) -> Rendered:
    """Fill a template with these tokens. Raises Invalid when it can't be read or passes its limits."""
    return Rendered(subject_of(subject, named), _filled(body, "body", named))


def subject_of(subject: str, named: Mapping[str, Any]) -> str:
    """The subject alone, on one line. Raises Invalid when it can't be read or passes its limits."""
    return " ".join(_filled(subject, "subject", named).split())


def _filled(source: str, field: str, named: Mapping[str, Any]) -> str:
    from deskhand.automation.liquids import LiquidError

    try:
        return _compile(source, field).render(**named)
    except LiquidError as failure:
        raise Invalid(
            _("The mail could not be filled: %(failure)s") % {"failure": failure}, field=field
        ) from failure


@lru_cache(maxsize=512)
def tokens_in(subject: str, body: str) -> Mapping[str, frozenset[str] | None]:
    """{who: the names that a template may ask of them, None for any}. Raises Invalid for one that can't be read.

    A name that is itself worked out may be any.
    """
    found: dict[str, frozenset[str] | None] = {}
    for source, field in ((subject, "subject"), (body, "body")):
        for root, places in _compile(source, field).analyze().variables.items():
            known = found.get(root, frozenset())
            names = [place.segments[1] if len(place.segments) > 1 else None for place in places]
            is_any = known is None or not all(isinstance(name, str) for name in names)
            found[root] = None if is_any else (known or frozenset()) | {str(name) for name in names}
    return found


def _compile(source: str, field: str) -> BoundTemplate:
    from deskhand.automation.liquids import LiquidError, parsed

    try:
        return parsed(source)
    except LiquidError as failure:
        raise Invalid(
            _("%(field)s can't be read: %(failure)s") % {"field": _(FIELDS[field]), "failure": failure},
            field=field,
            value=source,
            hint=_("Check the braces."),
        ) from failure


has_tokens = tokens.has_tokens


def require_readable(source: str, field: str) -> None:
    """Raises Invalid, naming the field, for a text whose tokens can't be read."""
    try:
        _compile(source, "text")
    except Invalid as refusal:
        raise Invalid(refusal.message, field=field, value=source, hint=refusal.hint) from refusal


def problems(settings: Mapping[str, Any], *names: str) -> list[tuple[str, str]]:
    """Which of these settings can't be read as templates, and why: (name, sentence)."""
    found = []
    for name in names:
        try:
            _compile(str(settings.get(name) or ""), "text")
        except Invalid as unreadable:
            found.append((name, str(unreadable)))
    return found


def fill(
    source: str,
    record: Mapping[str, Any],
    outputs: Mapping[str, Any] | None = None,
    *,
    as_stored: bool = False,
) -> str:
    """Fill one text with a record's tokens, and what earlier steps told. Raises Invalid when it can't be read."""
    return fill_with(source, tokens.values(record, outputs)) if has_tokens(source) else source


def fill_with(source: str, named: Mapping[str, Any]) -> str:
    """Fill one text with these tokens. Raises Invalid when it can't be read."""
    from deskhand.automation.liquids import LiquidError

    try:
        return _compile(source, "text").render(**named)
    except LiquidError as failure:
        raise Invalid(
            _("The text could not be filled: %(failure)s") % {"failure": failure}, field="text"
        ) from failure
