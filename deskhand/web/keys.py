"""The keyboard map: every single-key shortcut with its words, in one place. The "?" sheet and the palette read it.

An element takes a key with data-hotkey; the last visible one wins (js/keys.js). "g u" in this list is G, then U, and is
written data-hotkey="g-u".
"""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.automation import access
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Section, Shortcut

LIST = (
    Shortcut(("j", "ArrowDown"), gettext_lazy("Next ticket"), "arrow-down"),
    Shortcut(("k", "ArrowUp"), gettext_lazy("Previous ticket"), "arrow-up"),
    Shortcut(("o", "Enter"), pgettext_lazy("verb", "Open"), "eye"),
    Shortcut(("x",), gettext_lazy("Select"), "check"),
    Shortcut(("n",), gettext_lazy("New ticket"), "plus"),
    Shortcut(("/",), gettext_lazy("Search"), "search"),
    Shortcut((",", "["), gettext_lazy("Show or hide the views"), "panel-left"),
    Shortcut((".", "]"), gettext_lazy("Show or hide the details"), "panel-right"),
)
TICKET = (
    Shortcut(("r",), pgettext_lazy("verb", "Reply"), "reply"),
    Shortcut(("c",), pgettext_lazy("verb", "Comment"), "message-square-text"),
    Shortcut(("a",), pgettext_lazy("verb", "Assign"), "user-round"),
    Shortcut(("m",), gettext_lazy("Assign to me"), "user-check"),
    Shortcut(("s",), gettext_lazy("Set status, then 1 to 9"), "circle-dot"),
    Shortcut(("p",), gettext_lazy("Set priority"), "flag"),
    Shortcut(("h",), gettext_lazy("Snooze"), "alarm-clock"),
    Shortcut(("e",), pgettext_lazy("verb", "Close"), "circle-check"),
    Shortcut(("Shift-e",), gettext_lazy("Close and stay here"), "check"),
    Shortcut(("z",), gettext_lazy("Undo"), "rotate-ccw"),
    Shortcut(("mod-Enter",), pgettext_lazy("verb", "Send"), "send"),
)
EVERYWHERE = (
    Shortcut(("mod-k",), gettext_lazy("Search and commands"), "search"),
    Shortcut(("?",), gettext_lazy("Keyboard shortcuts"), "keyboard"),
)
#: Where G and another key lead: the address's name, its arguments, and the words.
PLACES = (
    ("g-i", "inbox", (), gettext_lazy("Inbox")),
    ("g-u", "inbox-view", ("unassigned",), gettext_lazy("Unassigned")),
    ("g-m", "inbox-view", ("my-open",), gettext_lazy("My open")),
    ("g-b", "board", (), gettext_lazy("Board")),
)


def sections(request: AccountRequest, settings_url: str) -> tuple[Section, ...]:
    """The map as far as the viewer may use it."""
    found = [Section(_("Everywhere"), EVERYWHERE)]
    if policy.can(request.viewer, Action.OPEN_HELP_DESK):
        found += [
            Section(_("Tickets in a list"), LIST),
            Section(_("The open ticket"), TICKET, is_of_ticket=True),
        ]
    found.append(Section(_("Go to"), _places(request, settings_url)))
    return tuple(found)


def _places(request: AccountRequest, settings_url: str) -> tuple[Shortcut, ...]:
    may_work = policy.can(request.viewer, Action.OPEN_HELP_DESK)
    found = [
        Shortcut((sign,), label, url=url)
        for sign, name, given, label in PLACES
        if may_work and (url := _address(name, given))
    ]
    if access.may_open(request.viewer, request.account):
        found.append(Shortcut(("g-w",), _("Workflows"), url=reverse("workflows")))
    return (*found, Shortcut(("g-s",), _("Settings"), url=settings_url))


def _address(name: str, given: tuple[str, ...]) -> str:
    """Empty for an area that is not installed."""
    try:
        return reverse(name, args=given)
    except NoReverseMatch:
        return ""


def signs() -> set[str]:
    """Every sign that an element may take."""
    fixed = {sign for shortcut in (*LIST, *TICKET, *EVERYWHERE) for sign in shortcut.signs}
    return fixed | {sign for sign, *_rest in PLACES} | {"g-w", "g-s"}
