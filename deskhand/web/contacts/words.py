"""The words of the two kinds of record on these screens: each sentence as a whole, so that it can be translated."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Kind:
    """How a kind of record is called, where its pages are, and which kind it is linked to."""

    key: str
    other: str
    icon: str
    plural: str | Promise
    new: str | Promise
    make: str | Promise
    search: str | Promise
    none_title: str | Promise
    none_text: str | Promise
    not_found: str | Promise
    address: str | Promise
    links: str | Promise
    lists: dict[str, str | Promise]

    def url(self, name: str = "", *args: object) -> str:
        """The address of this kind's page: "" is the record, "s" the list, anything else a part of the record."""
        if name == "s":
            return reverse("contacts" if self.key == "contact" else "companies")
        return reverse(f"{self.key}-{name}" if name else self.key, args=args)


KINDS = {
    "contact": Kind(
        "contact", "company", "users-round", _("Contacts"), _("New contact"), _("Create contact"), _("Search by name or email"),
        _("No contacts yet"), _("Whoever writes to you becomes a contact. You can also create one yourself."), _("No contact fits this search."),
        _("Email"), _("Companies"),
        {"all": _("All contacts"), "mine": _("My contacts"), "unassigned": _("Contacts without an owner"), "archived": _("Archived contacts")},
    ),
    "company": Kind(
        "company", "contact", "building-2", _("Companies"), _("New company"), _("Create company"), _("Search by name or domain"),
        _("No companies yet"), _("Companies keep the tickets of their contacts together. Create one, and link contacts to it."),
        _("No company fits this search."), _("Domain"), _("Contacts"),
        {"all": _("All companies"), "mine": _("My companies"), "unassigned": _("Companies without an owner"), "archived": _("Archived companies")},
    ),
}  # fmt: skip
LIST_ICONS = {"all": "list", "mine": "user-round", "unassigned": "circle-dashed", "archived": "archive"}
EMPTY = {
    "mine": (_("Nobody is yours"), _("What you own is listed here.")),
    "unassigned": (_("Everything has an owner"), _("What belongs to nobody is listed here.")),
    "archived": (_("Nothing is archived"), _("What was put away is listed here, and can be brought back.")),
}
