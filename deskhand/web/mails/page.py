"""Building the pages of the mails: where each is used, and how it looks for a real contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.models import Account
from deskhand.accounts.types import Viewer
from deskhand.automation import records, templates, tokens
from deskhand.automation.models import MailTemplate, Workflow
from deskhand.automation.templates import Rendered
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import subscriptions
from deskhand.crm.records.models import Ticket
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.automation.fields import Field, token_menu, with_refusal
from deskhand.web.choices import offered
from deskhand.web.mails.rows import Line, MailPage, Use
from deskhand.web.refusals import words_of
from deskhand.web.workflows import ways


def lines(viewer: Viewer, account: Account) -> list[Line]:
    """All mails, the archived ones at the end. A fixed number of queries."""
    account_id = viewer.account_id
    found = MailTemplate.objects.filter(account_id=account_id).order_by("name", "id")
    uses = _uses(viewer, account)
    rows = [
        Line(
            mail.name, reverse("mail-template", args=[mail.pk]), mail.subject, mail.updated_at, uses.get(mail.pk, ()),
            mail.archived_at is not None,
        )
        for mail in found
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row.is_archived)


def _uses(viewer: Viewer, account: Account) -> dict[int, tuple[Use, ...]]:
    account_id = viewer.account_id
    used = templates.used_in(account_id)
    ids = {workflow_id for found in used.values() for workflow_id in found}
    workflows = {
        one.pk: _use(one, ways.seen(viewer, account, one.pk))
        for one in Workflow.objects.filter(account_id=account_id, pk__in=ids)
    }
    return {
        mail_id: tuple(workflows[one] for one in found if one in workflows) for mail_id, found in used.items()
    }


def _use(workflow: Workflow, url: str) -> Use:
    """A lane of tickets by its pipeline and status; any other workflow by its name."""
    for pipeline in pipelines_of("ticket").pipelines:
        stage = pipeline.stage(workflow.origin_stage_id) if workflow.origin_stage_id else None
        if stage is not None:
            label = _("%(pipeline)s: %(status)s") % {"pipeline": _(pipeline.label), "status": _(stage.label)}
            return Use(label, ways.lane(workflow))
    return Use(workflow.name, url)


# ── one mail ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sample() -> Mapping[str, Any]:
    """A ticket to show a mail with."""
    return {
        "number": 4821, "subject": _("Refund still missing"), "priority": "HIGH", "category": None,
        "contact": {"name": "Astrid Lindqvist", "first_name": "Astrid", "last_name": "Lindqvist", "email": "astrid@fjallbo.example"},
        "company": {"name": "Fjällbo"}, "owner": {"name": "Grace Hopper"}, "channel": {"name": _("Support")},
    }  # fmt: skip


def record_of(viewer: Viewer, number: str) -> Mapping[str, Any]:
    """The ticket of this number as a mail sees it, the sample for none. Raises Invalid for one that can't be seen."""
    number = number.strip().removeprefix("#")
    if not number:
        return sample()
    wanted = whole(number) or 0
    seen = Ticket.objects.filter(
        policy.visible(viewer, "ticket").q(), account_id=viewer.account_id, archived_at=None
    )
    ticket_id = seen.filter(number=wanted).values_list("pk", flat=True).first()
    if ticket_id is None:
        raise Invalid(
            _("There is no ticket of this number."), field="ticket", value=number[:40], hint=_("Leave it empty for a sample.")
        )  # fmt: skip
    rows = records.load("ticket", [ticket_id])
    records.add_people("ticket", rows.values())
    return rows[ticket_id]


def filled(name: str, subject: str, body: str, record: Mapping[str, Any]) -> Rendered:
    """Raises Invalid when it can't be filled."""
    return templates.render(subject, body, tokens.values(record))


EVERYBODY, MARKETING, KIND = "everybody", "marketing", "kind-"


def reach_of(mail: MailTemplate) -> str:
    if mail.is_transactional:
        return EVERYBODY
    return f"{KIND}{mail.subscription_type_id}" if mail.subscription_type_id else MARKETING


def _reach(chosen: str, may_be_everybody: bool) -> Field:
    pairs = [(EVERYBODY, _("Every contact"))] if may_be_everybody else []
    pairs += [(MARKETING, _("Marketing contacts only"))]
    pairs += [
        (f"{KIND}{one.pk}", _("Marketing contacts who want “%(kind)s”") % {"kind": one.name})
        for one in subscriptions.kinds(current_account_id())
    ]
    return Field(
        "reach", _("Who gets it"), "choice", value=chosen, choices=offered(pairs, chosen),
        help=_("Mail about somebody's own request goes to every contact. Anything else goes to contacts that are set as marketing contacts.")
        if may_be_everybody else _("The account's plan sends mails of your own to marketing contacts only."),
    )  # fmt: skip


def mail_page(
    mail: MailTemplate,
    viewer: Viewer,
    account: Account,
    typed: Mapping[str, str],
    *,
    refusal: Invalid | None = None,
    notice: str = "",
) -> MailPage:
    """The editor as typed, with the preview."""
    menu = token_menu(tokens.offered("ticket") if mail.key else tokens.offered_of_any())
    fields: tuple[Field, ...] = (
        Field("name", _("Name"), value=typed["name"]),
        Field("subject", _("Subject"), value=typed["subject"], tokens=menu),
        Field("body", _("Text"), "long", value=typed["body"], tokens=menu),
        *([] if mail.key else [_reach(typed["reach"], templates.may_be_transactional(mail))]),
    )
    ticket = Field(
        "ticket", _("Number of a ticket"), value=typed["ticket"], help=_("Empty: a sample."),
    )  # fmt: skip
    record, shown = sample(), None
    try:
        record = record_of(viewer, typed["ticket"])
        shown = filled(mail.name, typed["subject"], typed["body"], record)
    except Invalid as unreadable:
        refusal = refusal or unreadable
    if refusal and refusal.field == "ticket":
        ticket = replace(ticket, error=words_of(refusal))
    elif refusal:
        if refusal.field == "is_transactional":
            refusal = Invalid(refusal.message, field="reach", hint=refusal.hint)
        fields = with_refusal(fields, refusal)
    contact = record.get("contact") or {}
    is_sample = not typed["ticket"].strip()
    return MailPage(
        name=mail.name, url=reverse("mail-template-save", args=[mail.pk]), archive_url=reverse("mail-template-archive", args=[mail.pk]),
        revision=mail.revision, fields=fields, tokens=menu, ticket=ticket,
        shown_for=_("For a sample ticket") if is_sample else _("For ticket #%(number)s") % {"number": record.get("number")},
        preview_to=" ".join(part for part in (contact.get("name"), f"<{contact['email']}>" if contact.get("email") else "") if part),
        preview_subject=shown.subject if shown else "", preview_text=shown.text if shown else "",
        uses=_uses(viewer, account).get(mail.pk, ()), is_archived=mail.archived_at is not None, notice=notice,
    )  # fmt: skip
