"""What machines said, in the reader's words: a sentence by the code in it, and the stored text as the detail."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import enroll, gating, hooks, uses, waking
from deskhand.automation.enrolling import guards
from deskhand.delivery import outbox


@dataclass(frozen=True)
class Trouble:
    text: str
    detail: str = ""  # as it is stored, shown beneath


NOTHING = Trouble("")
#: "5.1.1" (RFC 3463), else the first digit of "550".
_ENHANCED = re.compile(r"(?<![\d.])[245]\.(\d{1,3}\.\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -]|$)")
#: What came of a call over HTTP: delivery.transports.http, kernel.http.
_CALLED = re.compile(r"https?://\S+ (?:answered (\d{3}): |can't be reached: |did not answer properly: )")

_NO_ADDRESS = gettext_lazy("The address does not exist there.")
_NO_DOMAIN = gettext_lazy("No server takes mail for this address.")
_NO_MAIL = gettext_lazy("This mailbox takes no mail.")
_FULL = gettext_lazy("The mailbox is full.")
_TOO_LARGE = gettext_lazy("The message is too large for the other side.")
_TOO_LATE = gettext_lazy("The other side could not be reached in time.")
_NOT_WANTED = gettext_lazy("The other side does not want mail from us, or takes it for spam.")
_NOT_SIGNED_IN = gettext_lazy("The mail server does not let us in.")
_BUSY = gettext_lazy("The other side can't take it just now.")
_REFUSED = gettext_lazy("The other side refused it.")
_NOTHING_THERE = gettext_lazy("There is nothing at this address any more.")
_NOT_PUBLIC = gettext_lazy("This server is not on the public internet, so it may not be asked.")
_AWAY = gettext_lazy("The mail server does not answer.")
_UNCLEAR = gettext_lazy("It may have arrived; it is not sent twice by itself.")
_UNKNOWN = gettext_lazy("It could not be handed over. What is known stands below.")
#: Said by ourselves, in words that are the reader's already once they are translated.
_OUR_OWN: dict[str, Promise] = {
    "No mail server is set up; the mail waits here until there is one.": gettext_lazy(
        "No mail server is set up; the mail waits here until there is one."
    ),
    outbox.RESTORED: gettext_lazy("Held since a backup was restored: it may have been sent already."),
    outbox.COPIED: gettext_lazy("Held since this database was copied: it may have been sent already."),
}

#: By subject and detail of the status, or by its subject alone.
_BY_STATUS: dict[str, Promise] = {
    "1.0": _NO_ADDRESS, "1.1": _NO_ADDRESS, "1.3": _NO_ADDRESS, "1.6": _NO_ADDRESS, "1.10": _NO_DOMAIN, "1.2": _NO_DOMAIN,
    "2.0": _NO_MAIL, "2.1": _NO_MAIL, "2.2": _FULL, "2.3": _TOO_LARGE, "3.4": _TOO_LARGE, "3.1": _FULL,
    "4.1": _AWAY, "4.4": _NO_DOMAIN, "4.7": _TOO_LATE, "7.8": _NOT_SIGNED_IN, "7.9": _NOT_SIGNED_IN, "7": _NOT_WANTED,
}  # fmt: skip
_BY_CODE: dict[str, Promise] = {
    "535": _NOT_SIGNED_IN,
    "530": _NOT_SIGNED_IN,
    "552": _FULL,
    "554": _NOT_WANTED,
}
_BY_WORDS: tuple[tuple[re.Pattern[str], Promise], ...] = (
    (re.compile(r"not on the public Internet"), _NOT_PUBLIC),
    (re.compile(r"may have (?:left|arrived)", re.IGNORECASE), _UNCLEAR),
    (re.compile(r"given up after", re.IGNORECASE), _TOO_LATE),
    (re.compile(r"timed? ?out|connection ?refused|unreachable|reset by|no route|name or service|getaddrinfo|Errno", re.IGNORECASE), _AWAY),
)  # fmt: skip

_REVIEWS: dict[str, Promise] = {
    enroll.TOO_DEEP: gettext_lazy("Started by more than 10 automatic changes in a row."),
    guards.TOO_OFTEN: gettext_lazy(
        "One record was enrolled 20 times within an hour; it was not enrolled again."
    ),
    guards.BROKEN: gettext_lazy("What enrolls records names something that is no more."),
    guards.SWITCHED_OFF: gettext_lazy(
        "It was switched off: what is to enroll records names something that is no more."
    ),
    guards.UNREADABLE: gettext_lazy(
        "A newer release stored this workflow, and this release can't read it. Its runs wait until the newer one is back."
    ),
    waking.TOO_OFTEN: gettext_lazy(
        "Workflows let one record go on 20 times within an hour, as if they waited for each other. It waits for its time now."
    ),
    hooks.FAILED: gettext_lazy("A call from outside could not be used. Its reason stands with the call."),
    uses.STAGE_GONE: gettext_lazy("Its status was deleted."),
    uses.NAMES_GONE: gettext_lazy("It names a status, a pipeline or a task queue that was deleted."),
    gating.BEYOND: gettext_lazy("The account's plan does not have all that this workflow does."),
    gating.DISCONNECTED: gettext_lazy("A number that this workflow writes from is not connected any more."),
}


def of_delivery(stored: str) -> Trouble:
    """Why a message is not delivered, or a call not taken."""
    if not stored.strip():
        return NOTHING
    ours = _OUR_OWN.get(stored)
    return Trouble(str(ours)) if ours is not None else Trouble(str(_sentence(stored)), stored)


def _sentence(stored: str) -> Promise:
    if called := _CALLED.search(stored):
        return _of_call(called[1])
    if status := _ENHANCED.search(stored):
        found = _BY_STATUS.get(status[1]) or _BY_STATUS.get(status[1].partition(".")[0])
        return found or (_BUSY if status[0].startswith("4") else _REFUSED)
    if code := _CODE.search(stored):
        return _BY_CODE.get(code[1]) or (_BUSY if code[1].startswith("4") else _REFUSED)
    return next((words for pattern, words in _BY_WORDS if pattern.search(stored)), _UNKNOWN)


def _of_call(status: str | None) -> Promise:
    """None: there was no answer."""
    if status is None:
        return _TOO_LATE
    if status in ("404", "410"):
        return _NOTHING_THERE
    return _BUSY if status == "429" or status.startswith("5") else _REFUSED


def of_fence(stored: str) -> Trouble:
    """Why what automations send is held."""
    known = {
        outbox.RESTORED: _("A backup was restored. What automations send is held, because it may have been sent already."),
        outbox.COPIED: _("This database was copied. What automations send is held, because it may have been sent already."),
    }.get(stored)  # fmt: skip
    return Trouble(known) if known else Trouble(_("What automations send is held."), stored)


def of_quarantine(stored: str, *, is_kept: bool) -> Trouble:
    """Why a mail could not be filed."""
    if not is_kept:
        return Trouble(_("Its server does not hand it over; it still lies there."), stored)
    return Trouble(_("It could not be filed. Every byte of it is kept."), stored)


def of_job(stored: str) -> Trouble:
    return Trouble(_("It was tried several times and given up."), stored)


def of_workflow(stored: str) -> Trouble:
    """Why a workflow needs a look."""
    if not stored:
        return NOTHING
    known = _REVIEWS.get(stored)
    if known is not None:
        return Trouble(str(known))
    return Trouble(_("A step could not be done. Change it, or switch the workflow off."), stored)
