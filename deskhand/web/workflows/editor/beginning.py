"""A new workflow: of which records, and what it begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import audit, policy
from deskhand.accounts.policy import Action as PolicyAction
from deskhand.automation import access, keeping, workflows
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    EventMatch,
    ForAmount,
    Manual,
    Reenrollment,
    UntilEvent,
    WhenEvent,
    WhenTrue,
)
from deskhand.automation.engine.edit import START, Place
from deskhand.crm.filters.types import AllOf, AnyOf, Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema import object_types
from deskhand.crm.schema.types import Kind
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.web.choices import Choice
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.workflows import ways, words
from deskhand.web.workflows.editor.opened import offers_editor


@dataclass(frozen=True)
class Beginning:
    """A ready-made start. `make` gives its definition for an account that has what it `needs`."""

    key: str
    icon: str
    tone: str
    title: Any
    text: Any
    object_type: str
    make: Callable[[], Definition]


def _waiting_on_contact() -> str:
    """The status in which tickets wait for the customer, else the first open one."""
    stages = [stage for stage in pipelines_of("ticket").default.stages if stage.is_open]
    return str(next((stage.id for stage in stages if stage.key == "2"), stages[0].id))


def _closed() -> int:
    closed = pipelines_of("ticket").default.first_closed
    return closed.id if closed is not None else pipelines_of("ticket").default.stages[-1].id


def _in_status(stage: str) -> AnyOf:
    return AnyOf((AllOf((Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, (stage,)),)),))


def _chain(definition: Definition, *steps: Action | Delay) -> Definition:
    at = START
    for step in steps:
        definition, step_id = edit.insert(definition, step, at)
        at = Place(step_id)
    return definition


def _remind() -> Definition:
    """Two days after a customer wrote, unless somebody answered before."""
    began = Definition(
        "ticket", WhenEvent((EventMatch("message.received"),)), Reenrollment(is_on=True),
    )  # fmt: skip
    owner = {
        "owner": True,
        "users": [],
        "teams": [],
        "subject": _("{{ ticket.subject }} waits for an answer"),
        "body": _("The customer wrote two days ago, and nobody has answered yet."),
    }
    grown = _chain(began, Delay("", UntilEvent(EventMatch("ticket.reply_sent"), timedelta(days=2))))
    return edit.insert(grown, Action("", "internal_email", owner), Place("1", "otherwise"))[0]


def _close_waiting() -> Definition:
    """A week without a word closes a ticket that waits for the customer."""
    stage = _waiting_on_contact()
    began = Definition("ticket", WhenTrue(_in_status(stage)), Reenrollment(is_on=True))
    grown = _chain(began, Delay("", UntilEvent(EventMatch("message.received"), timedelta(days=7))))
    close = Action(
        "", "set_property", {"object_type": "ticket", "property": "hs_pipeline_stage", "value": _closed()}
    )
    return edit.insert(grown, close, Place("1", "otherwise"))[0]


def _tell_lead() -> Definition:
    urgent = AnyOf((AllOf((Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH", "URGENT")),)),))
    mail = {
        "owner": False,
        "users": [],
        "teams": [],
        "subject": _("High priority: {{ ticket.subject }}"),
        "body": _("{{ contact.name }} needs help soon."),
    }
    return _chain(Definition("ticket", WhenTrue(urgent)), Action("", "internal_email", mail))


def _follow_up() -> Definition:
    """A task some days after a ticket was closed."""
    began = Definition("ticket", WhenEvent((EventMatch("ticket.closed"),)))
    task = {
        "title": _("Ask {{ contact.name }} whether all is well"),
        "notes": "",
        "assignee": "owner",
        "due_in_minutes": 1440,
    }
    return _chain(began, Delay("", ForAmount(timedelta(days=3))), Action("", "create_task", task))


BEGINNINGS = (
    Beginning("remind", "bell-ring", "blue", gettext_lazy("Remind the owner after two days without an answer"),
              gettext_lazy("Waits for a reply to the customer; mails the owner if none is sent in time."), "ticket", _remind),
    Beginning("close", "circle-check", "green", gettext_lazy("Close tickets that wait for the contact for 7 days"),
              gettext_lazy("Waits for a message; closes the ticket if none comes within a week."), "ticket", _close_waiting),
    Beginning("lead", "flag", "red", gettext_lazy("Tell the team lead about high priority"),
              gettext_lazy("Mails whom you choose as soon as a ticket has high or urgent priority."), "ticket", _tell_lead),
    Beginning("follow", "clipboard-list", "violet", gettext_lazy("Follow up three days after closing"),
              gettext_lazy("Makes a task for the owner to ask whether all is well."), "ticket", _follow_up),
)  # fmt: skip


def types_of(request: AccountRequest) -> list[str]:
    """Kinds of records of which the plan has workflows."""
    return [one for one in object_types.every() if offers_editor(request.account, one)]


def _require(request: AccountRequest) -> list[str]:
    access.require_open(request.viewer, request.account)
    policy.require(request.viewer, PolicyAction.EDIT_WORKFLOWS)
    found = types_of(request)
    if not found:
        raise NotFound(_("Your plan has no workflows."))
    return found


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    return _page(request, _require(request), {})


def _page(
    request: AccountRequest, types: list[str], typed: dict[str, str], error: str = "", status: int = 200
) -> HttpResponse:
    chosen = typed.get("type") or request.GET.get("type", "") or types[0]
    context = {
        "types": [Choice(one, words.type_label(one), one == chosen) for one in types],
        "beginnings": [one for one in BEGINNINGS if one.object_type in types and _is_possible(one)],
        "chosen": typed.get("start", "scratch"), "name": typed.get("name", ""), "error": error, "back_url": ways.listed(),
    }  # fmt: skip
    return framed(request, "workflows", "workflows/editor/new.html", context, status)


def _is_possible(one: Beginning) -> bool:
    return all(step.kind in ACTIONS for step in one.make().steps if isinstance(step, Action))


@require_POST
def make(request: AccountRequest) -> HttpResponse:
    types = _require(request)
    typed = {name: request.POST.get(name, "") for name in ("name", "type", "start")}
    try:
        made = _make(request, types, typed)
    except Invalid as refusal:
        return _page(request, types, typed, words_of(refusal), 422)
    return redirect("workflow-edit", made)


def _make(request: AccountRequest, types: list[str], typed: dict[str, str]) -> int:
    start = next((one for one in BEGINNINGS if one.key == typed["start"] and one.object_type in types), None)
    object_type = start.object_type if start else typed["type"]
    if object_type not in types:
        raise Invalid(_("Choose a kind of record."), field="type", value=object_type[:40])
    name = keeping.checked_name(typed["name"] or (str(start.title) if start else ""))
    definition = start.make() if start else Definition(object_type, Manual())
    made = workflows.create(request.viewer.account_id, name, definition, by=request.user.pk)
    audit.record(
        "workflow.created", by=Actor.user(request.user.pk), target_type="workflow", target_id=made.pk, after={"name": name, "object_type": object_type}
    )  # fmt: skip
    return made.pk
