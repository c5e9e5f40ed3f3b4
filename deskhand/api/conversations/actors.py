"""Who says and does something: agents, contacts, addresses, programs, automations, the product (api.md §2.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from deskhand.accounts.models import ApiToken, Membership
from deskhand.api import refusals
from deskhand.api.conversations import naming, shapes
from deskhand.api.conversations.needs import READ, require_desk
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import moment, without_nothing
from deskhand.automation.models import Workflow
from deskhand.crm.records import listing
from deskhand.kernel import clock
from deskhand.kernel.text import whole

_BASE = "/conversations/conversations/actors"


@operation("GET", f"{_BASE}/{{actorId}}", needs=READ, gives={200: shapes.Actor}, asks=("property",))
def read(call: Call) -> Any:
    """One of them."""
    require_desk(call)
    asked = call.parts["actorId"]
    found = _known(call, [asked])
    if asked not in found:
        raise refusals.missing("There is no such actor.")
    return found[asked]


@operation(
    "POST", f"{_BASE}/batch/read", needs=READ, takes=shapes.ActorIds, gives={200: shapes.BatchOfActors},
    asks=("property",),
)  # fmt: skip
def several(call: Call) -> Any:
    """Those of them that are there."""
    require_desk(call)
    began = clock.now()
    if not call.body.inputs:
        raise refusals.bad("Batch input provided should have at least one object.")
    asked = list(dict.fromkeys(call.body.inputs))
    found = _known(call, asked)
    return {
        "status": "COMPLETE", "results": [found[one] for one in asked if one in found], "startedAt": moment(began),
        "completedAt": moment(clock.now()),
    }  # fmt: skip


def _known(call: Call, asked: Sequence[str]) -> dict[str, dict[str, Any]]:
    """{id: actor}; a query for each kind at most."""
    found: dict[str, dict[str, Any]] = {}
    numbers: dict[str, dict[int, str]] = {}
    for one in asked:
        letter, rest = naming.split(one)
        number = whole(rest)
        if letter == naming.ADDRESS and _is_address(rest):
            found[one] = {"id": one, "type": "EMAIL", "email": rest}
        elif one == naming.PRODUCT:
            found[one] = {"id": one, "type": "SYSTEM"}
        elif number is not None:
            numbers.setdefault(letter, {})[number] = one
    account_id = call.viewer.account_id
    if agents := numbers.get(naming.AGENT):
        members = Membership.objects.filter(account_id=account_id, user_id__in=agents)
        for pk, name, email in members.values_list("user_id", "user__name", "user__email"):
            found[agents[pk]] = _actor(agents[pk], "AGENT", name, email)
    if visitors := numbers.get(naming.VISITOR):
        for contact in listing.seen(call.viewer, "contact", list(visitors)):
            found[visitors[contact.pk]] = _actor(visitors[contact.pk], "VISITOR", contact.name, contact.email)
    if programs := numbers.get(naming.INTEGRATION):
        tokens = ApiToken.objects.filter(account_id=account_id, pk__in=programs)
        for pk, name in tokens.values_list("pk", "name"):
            found[programs[pk]] = _actor(programs[pk], "INTEGRATOR", name)
    if automations := numbers.get(naming.BOT):
        workflows = Workflow.objects.filter(account_id=account_id, pk__in=automations)
        for pk, name in workflows.values_list("pk", "name"):
            found[automations[pk]] = _actor(automations[pk], "BOT", name)
    return found


def _actor(pk: str, kind: str, name: str, email: str | None = None) -> dict[str, Any]:
    return without_nothing(id=pk, type=kind, name=name or None, email=email or None)


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
