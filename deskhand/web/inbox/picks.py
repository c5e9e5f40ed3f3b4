"""What the reply form offers while somebody types: snippets after "/", tokens after "{", colleagues and teams after "@"."""

from __future__ import annotations

from collections.abc import Collection

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from deskhand.accounts import policy
from deskhand.accounts.models import User
from deskhand.accounts.policy import Action
from deskhand.crm.records.models import Ticket
from deskhand.desk import fillings, mentions, snippets
from deskhand.desk import views as desk_views
from deskhand.web.middleware import AccountRequest


@require_GET
def picks(request: AccountRequest, ticket_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.row(request.viewer, ticket_id)
    ticket = ticket_of(request, ticket_id)
    values = values_of(ticket, request.user)
    others = mentions.who_may_see(ticket) - {request.user.pk}
    return JsonResponse(
        {
            "/": [
                {"name": s.name, "hint": f"/{s.shortcut}", "text": fillings.fill(s.body, values)}
                for s in snippets.available(request.viewer)
            ],
            "{": [
                {"name": str(label), "hint": values.get(key, ""), "text": values.get(key, "") or f"{{{{ {key} }}}}"}
                for key, label in fillings.LABELS.items()
            ],
            "@": people(others),
        }
    )  # fmt: skip


def people(others: Collection[int]) -> list[dict[str, str]]:
    """These, and the teams of which somebody is among them, as "@" offers them."""
    called = User.objects.filter(pk__in=others).order_by("sort_key", "name", "id")
    teams = mentions.callable_teams(others)
    named = [*((user.name, user.username) for user in called), *((team.name, word) for word, team in teams)]
    return [{"name": name, "hint": f"@{word}", "text": f"@{word} "} for name, word in named]


def ticket_of(request: AccountRequest, ticket_id: int) -> Ticket:
    return Ticket.objects.select_related("contact", "contact__company").get(
        account_id=request.viewer.account_id, pk=ticket_id
    )


def values_of(ticket: Ticket, agent: User) -> dict[str, str]:
    """What the tokens stand for in a ticket."""
    contact = ticket.contact
    company = contact.company if contact else None
    owner = User.objects.filter(pk=ticket.owner_id).first() if ticket.owner_id else None
    return {
        "ticket.number": str(ticket.number),
        "ticket.subject": ticket.subject,
        "contact.name": contact.name if contact else "",
        "contact.first_name": contact.first_name if contact else "",
        "contact.last_name": contact.last_name if contact else "",
        "contact.email": contact.email if contact else "",
        "company.name": company.name if company else "",
        "owner.name": owner.name if owner else "",
        "agent.name": agent.name,
        "agent.first_name": agent.name.split()[0] if agent.name.split() else "",
    }
