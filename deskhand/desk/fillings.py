"""Tokens in what agents write: `{{ contact.first_name | default: "there" }}` becomes the ticket's own words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.kernel.errors import Invalid

#: Every token there is, with its name for people.
LABELS = {
    "contact.first_name": gettext_lazy("Contact: first name"),
    "contact.last_name": gettext_lazy("Contact: last name"),
    "contact.name": gettext_lazy("Contact: name"),
    "contact.email": gettext_lazy("Contact: email"),
    "company.name": gettext_lazy("Company: name"),
    "ticket.number": gettext_lazy("Ticket: number"),
    "ticket.subject": gettext_lazy("Ticket: subject"),
    "owner.name": gettext_lazy("Owner: name"),
    "agent.name": gettext_lazy("You: name"),
    "agent.first_name": gettext_lazy("You: first name"),
}

_ANY = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\{\{\s*([a-z_]+(?:\.[a-z_]+)*)\s*(?:\|\s*default:\s*(?:\"([^\"]*)\"|“([^”]*)”)\s*)?\}\}"
)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill in what is known; without a value or a word for that case a token stays as it is."""

    def place(found: re.Match[str]) -> str:
        token = _TOKEN.fullmatch(found[0])
        if token is None or token[1] not in LABELS:
            return found[0]
        return values.get(token[1], "") or token[2] or token[3] or found[0]

    return _ANY.sub(place, text)


def refuse_unfilled(text: str) -> None:
    """Raise Invalid, naming the token, for a text that still has one: nobody should be sent braces."""
    found = _ANY.search(text)
    if found is None:
        return
    shown = " ".join(found[0].split())[:80]
    token = _TOKEN.fullmatch(found[0])
    is_known = token is not None and token[1] in LABELS
    raise Invalid(
        (_("%(token)s is empty here.") if is_known else _("%(token)s is no token.")) % {"token": shown},
        field="body",
        value=shown,
        hint=_("Write the words yourself, or take it out."),
    )


def refuse_unknown(text: str) -> None:
    """Raise Invalid, naming it, for braces that are no token."""
    for found in _ANY.findall(text):
        token = _TOKEN.fullmatch(found)
        if token is None or token[1] not in LABELS:
            raise Invalid(
                _("%(token)s is no token.") % {"token": " ".join(found.split())[:80]},
                field="body",
                value=found,
                hint=_("Choose one from the list."),
            )
