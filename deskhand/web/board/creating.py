"""The form for a new ticket: what it offers, what was typed, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts.models import Team
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema.defaults import PRIORITIES
from deskhand.desk.new_tickets import Request
from deskhand.kernel.errors import Invalid
from deskhand.routing import queries as routing
from deskhand.web.choices import Choice, ChoiceGroup, all_statuses
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of

FIELDS = ("subject", "email", "name", "content", "status", "priority", "owner")


@dataclass(frozen=True)
class CreatePage:
    url: str
    back_url: str
    typed: dict[str, str]
    statuses: tuple[ChoiceGroup, ...]  # one a pipeline
    priorities: tuple[Choice, ...]
    owners: tuple[ChoiceGroup, ...]
    errors: dict[str, str] = field(default_factory=dict)


def typed_in(request: AccountRequest) -> dict[str, str]:
    given = request.POST if request.method == "POST" else request.GET
    return {name: given.get(name, "").replace("\r\n", "\n") for name in FIELDS}


def page(request: AccountRequest, typed: dict[str, str], refusal: Invalid | None = None) -> CreatePage:
    typed = typed | {"status": _known_status(typed["status"])}
    found = CreatePage(
        url=reverse("ticket-create"), back_url=back_url(typed["status"]), typed=typed, statuses=all_statuses(typed["status"]),
        priorities=(
            Choice("", _("No priority")),
            *(Choice(o.value, _(o.label), o.value == typed["priority"]) for o in PRIORITIES),
        ),
        owners=_owners(request, typed["owner"]),
    )  # fmt: skip
    if refusal is None:
        return found
    field_name = {"hs_ticket_priority": "priority"}.get(refusal.field, refusal.field)
    named = field_name if field_name in FIELDS else "subject"
    return replace(found, errors={named: words_of(refusal)})


def _known_status(text: str) -> str:
    """What was asked for, else the first open status of the first pipeline."""
    pipelines = pipelines_of("ticket")
    known = {str(stage.id) for one in pipelines.pipelines for stage in one.stages}
    return text if text in known else str(pipelines.default.first_open.id)


def back_url(status: str) -> str:
    pipelines = pipelines_of("ticket").pipelines
    mine = next(one.id for one in pipelines if any(str(stage.id) == status for stage in one.stages))
    return reverse("board", args=[mine])


def _owners(request: AccountRequest, chosen: str) -> tuple[ChoiceGroup, ...]:
    account_id = request.viewer.account_id
    nobody = (Choice("", _("Whom the routing chooses")), Choice("none", _("No owner")))
    people = tuple(Choice(f"user:{a.user_id}", a.name) for a in routing.agents_with_state(account_id))
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


def asked(request: AccountRequest, typed: dict[str, str]) -> Request:
    """Raises Invalid, naming the field."""
    owner_id, team_id = _owner(request, typed["owner"])
    return Request(
        typed["subject"], _status(typed["status"]), typed["content"], typed["email"], typed["name"],
        typed["priority"] or None, owner_id, team_id, is_routed=typed["owner"] == "",
    )  # fmt: skip


def _status(text: str) -> int:
    if _known_status(text) != text:
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
