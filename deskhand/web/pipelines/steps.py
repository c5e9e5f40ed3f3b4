"""The forms of a lane's steps: which fields a kind of step has, and settings out of what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.models import Membership, Team
from deskhand.automation import lanes, templates
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import MailTemplate
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.records import tickets
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import Choice, offered
from deskhand.web.pipelines.rows import Field
from deskhand.web.refusals import words_of

#: Name, icon, tone and what it does, by kind of step.
LOOKS = {
    **{kind: (action.label, action.icon, action.tone, action.about) for kind, action in ACTIONS.items()},
    "delay": (gettext_lazy("Delay"), "hourglass", "amber", gettext_lazy("Wait before the next step.")),
    "branch": (gettext_lazy("Branch"), "git-branch", "amber", gettext_lazy("The way forks here.")),
}  # fmt: skip
STAGE, OWNER = "hs_pipeline_stage", "hubspot_owner_id"
NOT_SETTABLE = {"hs_pipeline"}
TYPED_KINDS = {Kind.TEXT, Kind.NUMBER, Kind.DATE, Kind.BOOL, Kind.ENUM}

#: What was typed, by field; a group of check boxes has several values.
Typed = Mapping[str, Sequence[str]]


def settable() -> list[Property]:
    """Properties of tickets that a step may set, by label."""
    found = [
        prop
        for prop in properties_of("ticket").values()
        if not (prop.read_only or prop.is_computed)
        and prop.name not in NOT_SETTABLE
        and (prop.kind in TYPED_KINDS or prop.name in (STAGE, OWNER))
    ]
    return sorted(found, key=lambda prop: _(prop.label))


def settable_property(name: str) -> Property:
    """Raises Invalid for one that a step can't set."""
    for prop in settable():
        if prop.name == name:
            return prop
    raise Invalid(_("Choose a property."), field="property", value=name)


def token_names() -> tuple[tuple[str, str], ...]:
    """What a mail or a title may name, and what people call it."""
    return (
        ("ticket.number", _("Number of the ticket")), ("ticket.subject", _("Ticket name")), ("ticket.priority", _("Priority")),
        ("contact.name", _("Name of the contact")), ("contact.first_name", _("First name")), ("contact.email", _("Email of the contact")),
        ("company.name", _("Company")), ("owner.name", _("Owner")), ("channel.name", _("Name of your channel")),
    )  # fmt: skip


def tokens() -> tuple[tuple[str, str], ...]:
    return tuple(("{{ " + name + " }}", label) for name, label in token_names())


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def fields(kind: str, typed: Typed, pipeline: PipelineValue) -> tuple[Field, ...]:
    makers = {
        "send_email": _send_email,
        "internal_email": _internal_email,
        "create_task": _create_task,
        "delay": _delay,
    }
    return _set_property(typed, pipeline) if kind == "set_property" else makers[kind](typed)


def with_refusal(found: Sequence[Field], refusal: Invalid) -> tuple[Field, ...]:
    """Put a refusal under its field; under the first one when it names none of them."""
    names = [one.name for one in found]
    name = refusal.field if refusal.field in names else names[0] if names else ""
    text, detail = said(refusal)
    return tuple(replace(one, error=text, detail=detail) if one.name == name else one for one in found)


def said(refusal: Invalid) -> tuple[str, str]:
    """What is wrong in words, and what a machine said about it."""
    from liquid.exceptions import LiquidError  # late: large, and refusals are rare

    cause = refusal.__cause__
    while cause is not None and not isinstance(cause, LiquidError):
        cause = cause.__cause__
    if cause is None:
        return words_of(refusal), ""
    text = _("A token in the text can't be read. Tokens look like {{ ticket.number }}.")
    return text, str(cause).partition("\n")[0]


def _one(typed: Typed, name: str) -> str:
    return next(iter(typed.get(name, ())), "")


def _send_email(typed: Typed) -> tuple[Field, ...]:
    mails = list(mails_of_account())
    pairs = [("", _("Choose a mail")), *((mail.key or str(mail.pk), mail.name) for mail in mails)]
    return (
        Field(
            "template", _("Mail"), "choice", choices=offered(pairs, *typed.get("template", ())),
            help=_("It goes to the contact of the ticket, from the address the ticket came to."),
            links=tuple((_("Edit “%(mail)s”") % {"mail": mail.name}, reverse("mail-template", args=[mail.pk])) for mail in mails),
        ),
    )  # fmt: skip


def mails_of_account() -> list[MailTemplate]:
    """Those to choose from."""
    return list(MailTemplate.objects.filter(account_id=current_account_id(), archived_at=None).order_by("id"))


def _internal_email(typed: Typed) -> tuple[Field, ...]:
    teams = [
        (str(team.pk), team.name)
        for team in Team.objects.filter(account_id=current_account_id()).order_by("name")
    ]
    owner = Choice("1", _("The owner of the ticket"), bool(_one(typed, "owner")))
    return (
        Field("owner", _("Send to"), "many", choices=(owner,)),
        Field("users", _("Users"), "many", choices=offered(people(), *typed.get("users", ()))),
        Field("teams", _("Teams"), "many", choices=offered(teams, *typed.get("teams", ()))),
        Field("subject", _("Subject"), value=_one(typed, "subject"), tokens=tokens()),
        Field("body", _("Text"), "long", value=_one(typed, "body"), tokens=tokens()),
    )  # fmt: skip


def people(*, with_seat: bool = False) -> list[tuple[str, str]]:
    """Active members as id and name."""
    found = Membership.objects.filter(
        account_id=current_account_id(), is_active=True, user__is_active=True
    ).select_related("user")
    if with_seat:
        found = found.filter(has_seat=True)
    return [(str(one.user_id), one.user.name) for one in found.order_by("user__name", "user_id")]


def _create_task(typed: Typed) -> tuple[Field, ...]:
    who = [("owner", _("The owner of the ticket")), *people()]
    return (
        Field("title", _("Title"), value=_one(typed, "title"), tokens=tokens()),
        Field("notes", _("Notes"), "long", value=_one(typed, "notes"), tokens=tokens()),
        Field("due_days", _("Due in days"), "number", value=_one(typed, "due_days"), help=_("Empty: no due date.")),
        Field("due_hours", _("and hours"), "number", value=_one(typed, "due_hours")),
        Field("assignee", _("Assign to"), "choice", choices=offered(who, *typed.get("assignee", ("owner",)))),
    )  # fmt: skip


def _delay(typed: Typed) -> tuple[Field, ...]:
    return (
        Field("days", _("Days"), "number", value=_one(typed, "days")),
        Field("hours", _("Hours"), "number", value=_one(typed, "hours")),
        Field("minutes", _("Minutes"), "number", value=_one(typed, "minutes")),
    )


def _set_property(typed: Typed, pipeline: PipelineValue) -> tuple[Field, ...]:
    prop = settable_property(_one(typed, "property"))
    help_text = _("Empty clears it.")
    value = _one(typed, "value")
    pairs = _values_of(prop, pipeline)
    shown = Field("value", _("Value"), "text", value=value, help=help_text)
    if pairs:
        shown = Field("value", _("Value"), "choice", choices=offered([("", _("No value")), *pairs], value))
    if prop.kind is Kind.DATE:
        shown = replace(shown, help=_("A day such as 2026-11-21. Empty clears it."))
    return (Field("property", _("Property"), "fixed", value=prop.name, choices=(Choice(prop.name, _(prop.label)),)), shown)  # fmt: skip


def _values_of(prop: Property, pipeline: PipelineValue) -> list[tuple[str, str]]:
    """The values to choose from; none for what is typed."""
    if prop.name == STAGE:
        return [(str(stage.id), _(stage.label)) for stage in pipeline.stages]
    if prop.name == OWNER:
        return people(with_seat=True)
    if prop.kind is Kind.BOOL:
        return [("true", _("Yes")), ("false", _("No"))]
    return [(option.value, _(option.label)) for option in prop.options]


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def typed_of(kind: str, settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Settings as they would be typed."""
    minutes = settings.get("minutes") if kind == lanes.DELAY else settings.get("due_in_minutes")
    days, hours, rest = _parts(int(minutes)) if minutes else ("", "", "")
    if kind == lanes.DELAY:
        return {"days": [days], "hours": [hours], "minutes": [rest]}
    typed = {
        name: [str(one) for one in value] if isinstance(value, list) else [str(value)]
        for name, value in settings.items()
        if value not in (None, "", False)
    }
    if isinstance(settings.get("value"), bool):
        typed["value"] = [str(settings["value"]).lower()]
    return typed | {"due_days": [days], "due_hours": [hours]}


def _parts(minutes: int) -> tuple[str, str, str]:
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    return str(days or ""), str(hours or ""), str(rest or "")


def read(kind: str, typed: Typed, pipeline: PipelineValue) -> dict[str, Any]:
    """Settings out of what was typed. Raises Invalid, naming the field; nobody and nothing of other accounts passes."""
    readers = {
        "send_email": _read_mail,
        "internal_email": _read_internal,
        "create_task": _read_task,
        "delay": _read_delay,
    }
    return _read_property(typed, pipeline) if kind == "set_property" else readers[kind](typed)


def _read_mail(typed: Typed) -> dict[str, Any]:
    wanted = _one(typed, "template")
    for mail in mails_of_account():
        if wanted and wanted in (mail.key, str(mail.pk)):
            return {"template": wanted, "name": mail.name}
    raise Invalid(_("Choose a mail."), field="template", value=wanted)


def _read_internal(typed: Typed) -> dict[str, Any]:
    known_teams = {
        str(pk) for pk in Team.objects.filter(account_id=current_account_id()).values_list("pk", flat=True)
    }
    return {
        "users": _known(typed, "users", {value for value, _name in people()}),
        "teams": _known(typed, "teams", known_teams),
        "owner": bool(_one(typed, "owner")),
        "subject": _text(typed, "subject"),
        "body": _text(typed, "body"),
    }  # fmt: skip


def _known(typed: Typed, name: str, known: set[str]) -> list[int]:
    for value in typed.get(name, ()):
        if value not in known:
            raise Invalid(_("This choice is not there any more."), field=name, value=value)
    return [int(value) for value in typed.get(name, ())]


def _text(typed: Typed, name: str) -> str:
    """A text whose tokens can be read. Raises Invalid."""
    text = _one(typed, name).replace("\r\n", "\n").replace("\x00", "").strip()
    try:
        templates.fill(text, {})
    except Invalid as refusal:
        raise Invalid(refusal.message, field=name, value=text, hint=refusal.hint) from refusal
    return text


def _read_task(typed: Typed) -> dict[str, Any]:
    assignee = _one(typed, "assignee") or "owner"
    if assignee != "owner":
        assignee = str(_known({"assignee": [assignee]}, "assignee", {value for value, _name in people()})[0])
    due = _number(typed, "due_days") * 1440 + _number(typed, "due_hours") * 60
    return {
        "title": _text(typed, "title"),
        "notes": _text(typed, "notes"),
        "assignee": assignee,
        "due_in_minutes": due or None,
    }


def _read_delay(typed: Typed) -> dict[str, Any]:
    days, hours, minutes = (_number(typed, name) for name in ("days", "hours", "minutes"))
    return {"minutes": days * 1440 + hours * 60 + minutes}


def _number(typed: Typed, name: str) -> int:
    text = _one(typed, name).strip()
    if text and not (text.isascii() and text.isdigit() and len(text) < 8):
        raise Invalid(_("%(value)s is not a whole number.") % {"value": text[:40]}, field=name, value=text)
    return int(text or 0)


def _read_property(typed: Typed, pipeline: PipelineValue) -> dict[str, Any]:
    prop, value = settable_property(_one(typed, "property")), _one(typed, "value").strip()
    pairs = _values_of(prop, pipeline)
    if value and pairs and value not in [known for known, _label in pairs]:
        raise Invalid(_("This choice is not there any more."), field="value", value=value)
    if prop.name == STAGE and not value:
        raise Invalid(_("Choose a status."), field="value")
    stored: Any = (int(value) if prop.name in (STAGE, OWNER) else value) if value else None
    try:
        tickets.checked("ticket", {prop.name: stored})
    except Invalid as refusal:
        raise Invalid(refusal.message, field="value", value=value, hint=refusal.hint) from refusal
    return {"property": prop.name, "value": stored}


def spoken_change(settings: Mapping[str, Any], pipeline: PipelineValue) -> str:
    """What a step sets, with labels instead of keys."""
    prop = properties_of("ticket").get(str(settings.get("property")))
    value = str(settings.get("value") or "")
    if prop is None:
        return str(settings.get("property") or "")
    if not value:
        return _("Clear %(property)s") % {"property": _(prop.label)}
    label = dict(_values_of(prop, pipeline)).get(value, value)
    return _("%(property)s: %(value)s") % {"property": _(prop.label), "value": label}
