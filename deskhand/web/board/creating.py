"""The form for a new ticket: what it offers, what was typed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts.models import Team
from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines import rules
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import guard
from deskhand.crm.schema.defaults import PRIORITIES
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.desk.new_tickets import Request
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.routing import queries as routing
from deskhand.web.choices import Choice, ChoiceGroup, offered
from deskhand.web.contacts import values as typed_values
from deskhand.web.holders import by_field_for
from deskhand.web.holding import named
from deskhand.web.middleware import AccountRequest
from deskhand.web.records.rows import AskField
from deskhand.web.records.values import is_editable

FIELDS = ("subject", "email", "name", "content", "status", "priority", "owner")
#: The properties that these fields are.
NAMED = {
    "subject": "subject",
    "content": "content",
    "hs_ticket_priority": "priority",
    "hubspot_owner_id": "owner",
}


@dataclass(frozen=True)
class Typed:
    """What was typed: in the form's own fields, and for what the status asks for besides."""

    fields: Mapping[str, str]
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)
    asks: tuple[rules.Ask, ...] = ()

    def __getitem__(self, name: str) -> str:
        return self.fields[name]


@dataclass(frozen=True)
class CreatePage:
    url: str
    back_url: str
    typed: Mapping[str, str]
    statuses: tuple[ChoiceGroup, ...]  # one a pipeline
    priorities: tuple[Choice, ...]
    owners: tuple[ChoiceGroup, ...]
    required: frozenset[str] = frozenset()  # of the form's own fields, those that the status asks for
    asked: tuple[AskField, ...] = ()  # what the status asks for besides (R-REQ-1)
    is_drawn_again: bool = False  # because another status was chosen
    errors: Mapping[str, str] = field(default_factory=dict)


def typed_in(request: AccountRequest) -> Typed:
    given = request.POST if request.method == "POST" else request.GET
    fields = {name: given.get(name, "").replace("\r\n", "\n") for name in FIELDS}
    status = _known_status(request, fields["status"], whole(given.get("pipeline", "")))
    pipelines = pipelines_of("ticket")
    asks = tuple(rules.asks_of(pipelines.of_stage(int(status)), int(status)))
    more = {prop.name: given.getlist(f"ask-{prop.name}") for prop in _besides(asks)}
    return Typed(fields if request.method == "POST" else fields | {"status": status}, more, asks)


def _besides(asks: Sequence[rules.Ask]) -> list[Property]:
    """What is asked for, has no field of its own here, and can be typed."""
    known = properties_of("ticket") if asks else {}
    found = [known[ask.property] for ask in asks if ask.property in known and ask.property not in NAMED]
    return [prop for prop in found if is_editable(prop)]


def page(
    request: AccountRequest, typed: Typed, refusal: Invalid | None = None, *, is_drawn_again: bool = False
) -> CreatePage:
    status = _known_status(request, typed["status"])
    required = _required(request, typed)
    found = CreatePage(
        url=reverse("ticket-create"), back_url=back_url(status), typed={**typed.fields, "status": status}, is_drawn_again=is_drawn_again,
        statuses=_statuses(request, status), required=frozenset(field for name, field in NAMED.items() if name in required),
        priorities=(
            Choice("", _("No priority")),
            *(Choice(o.value, _(o.label), o.value == typed["priority"]) for o in PRIORITIES),
        ),
        owners=_owners(request, typed["owner"]),
    )  # fmt: skip
    errors = _errors(request.viewer, refusal, {*FIELDS, *typed.more}) if refusal else {}
    return replace(
        found,
        errors=errors,
        asked=tuple(_ask(typed, prop, required, errors) for prop in _besides(typed.asks)),
    )


def _ask(typed: Typed, prop: Property, required: Collection[str], errors: Mapping[str, str]) -> AskField:
    control = typed_values.control(
        prop, None, typed=typed.more[prop.name] or [""], error=errors.get(prop.name, "")
    )
    return AskField(prop.name, _(prop.label), control, prop.name in required)


def _errors(viewer: Viewer, refusal: Invalid, there: Collection[str]) -> dict[str, str]:
    """What to say beside each field; of what has none, beside the first one."""
    said = by_field_for(viewer, refusal)
    errors: dict[str, str] = {}
    for name, words in said.items():
        place = NAMED.get(name, name)
        place = place if place in there else "subject"
        errors[place] = f"{errors[place]} {words}" if place in errors else words
    return errors


def _required(request: AccountRequest, typed: Typed) -> set[str]:
    """What this person may not leave empty (R-REQ-1, R-RULE-4)."""
    names = {ask.property for ask in typed.asks if ask.is_required}
    return set() if names and guard.may_bypass(Actor.user(request.user.pk)) else names


def _statuses(request: AccountRequest, chosen: str) -> tuple[ChoiceGroup, ...]:
    """A group for each pipeline in which this person may begin tickets, with those statuses (R-RULE-5)."""
    by = Actor.user(request.user.pk)
    groups = []
    for pipeline in pipelines_of("ticket").pipelines:
        able = guard.creatable(pipeline, by)
        if able:
            choices = offered(((str(stage.id), _(stage.label)) for stage in able), chosen)
            groups.append(ChoiceGroup(_(pipeline.label), choices))
    return tuple(groups)


def _known_status(request: AccountRequest, text: str, pipeline_id: int | None = None) -> str:
    """What was asked for where tickets may begin there, else where they begin in that pipeline (R-RULE-5)."""
    pipelines, by = pipelines_of("ticket"), Actor.user(request.user.pk)
    known = {str(stage.id) for one in pipelines.pipelines for stage in guard.creatable(one, by)}
    asked = next((one for one in pipelines.pipelines if one.id == pipeline_id), pipelines.default)
    return text if text in known else str(guard.first_stage(asked, by).id)


def back_url(status: str) -> str:
    pipelines = pipelines_of("ticket").pipelines
    mine = next(one.id for one in pipelines if any(str(stage.id) == status for stage in one.stages))
    return reverse("board", args=[mine])


def _owners(request: AccountRequest, chosen: str) -> tuple[ChoiceGroup, ...]:
    account_id = request.viewer.account_id
    nobody = (Choice("", _("Whom the routing chooses")), Choice("none", _("No owner")))
    people = tuple(Choice(f"user:{a.user_id}", named(a)) for a in routing.agents_with_state(account_id))
    teams = tuple(
        Choice(f"team:{team.pk}", team.name)
        for team in Team.objects.filter(account_id=account_id).order_by("name", "id")
    )
    groups = (ChoiceGroup("", nobody), ChoiceGroup(_("People"), people), ChoiceGroup(_("Teams"), teams))
    return tuple(
        replace(group, choices=tuple(replace(c, chosen=c.value == chosen) for c in group.choices))
        for group in groups
        if group.choices
    )


def asked(request: AccountRequest, typed: Typed) -> Request:
    """Raises Invalid, naming the field."""
    owner_id, team_id = _owner(request, typed["owner"])
    return Request(
        typed["subject"], _status(request, typed["status"]), typed["content"], typed["email"], typed["name"],
        typed["priority"] or None, owner_id, team_id, is_routed=typed["owner"] == "", properties=_given(typed),
    )  # fmt: skip


def _given(typed: Typed) -> dict[str, Any]:
    """What was typed for what the status asks for besides. Raises Invalid."""
    return {
        name: typed_values.read("ticket", name, texts)
        for name, texts in typed.more.items()
        if any(text.strip() for text in texts)
    }


def _status(request: AccountRequest, text: str) -> int:
    if _known_status(request, text) != text:
        raise Invalid(_("There is no such status."), field="status", value=text[:40])
    return int(text)


def _owner(request: AccountRequest, text: str) -> tuple[int | None, int | None]:
    offered = {choice.value for group in _owners(request, "") for choice in group.choices}
    if text not in offered:
        raise Invalid(_("Choose a person or a team."), field="owner", value=text[:40])
    kind, _colon, number = text.partition(":")
    return (int(number) if kind == "user" else None, int(number) if kind == "team" else None)


def url(status: int | str = "") -> str:
    query = f"?{urlencode({'status': status})}" if status else ""
    return reverse("ticket-new") + query
