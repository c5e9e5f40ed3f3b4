"""The audit log: newest first, by person, kind and day; as a file; and whether it is as it was written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from deskhand.accounts import audit, policy, queries
from deskhand.accounts.audit import Asked
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.web.choices import Choice
from deskhand.web.csv_file import CsvFile, moment
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.people import audit_words, reading
from deskhand.web.people.audit_tables import KINDS
from deskhand.web.people.audit_values import Names
from deskhand.web.people.rows import AuditPage

SHOWN = 50
AT_ONCE = 500  # lines of the file that are read together


@require_GET
def log(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.READ_AUDIT)
    account_id, given = request.viewer.account_id, request.GET
    asked = _asked(request)
    found = audit.entries(account_id, asked, before=reading.number(given, "before"), limit=SHOWN + 1)
    names = Names(request.viewer, found[:SHOWN])
    kept = {name: given[name] for name in ("person", "kind", "since", "until") if given.get(name)}
    page = AuditPage(
        lines=tuple(audit_words.line(entry, names) for entry in found[:SHOWN]),
        people=_people(account_id, asked),
        kinds=(
            Choice("", _("Everything"), not asked.kind),
            *(Choice(kind, str(label), kind == asked.kind) for kind, label in KINDS.items()),
        ),
        since=_date_text(given.get("since", "")),
        until=_date_text(given.get("until", "")),
        is_filtered=asked != Asked(),
        csv_url=_address("audit-file", kept),
        check_url=_address("audit", {**kept, "check": "1"}),
        more_url=_address("audit", {**kept, "before": str(found[SHOWN - 1].number)})
        if len(found) > SHOWN
        else "",
    )
    if given.get("check") == "1":
        page = _checked(account_id, page)
    return framed(request, "audit", "people/audit.html", {"page": page})


def _asked(request: AccountRequest) -> Asked:
    """What can't be read is not asked for. Days are those of the reader's time zone."""
    given = request.GET
    kind = given.get("kind", "")
    return Asked(
        actor_id=reading.number(given, "person"),
        kind=kind if kind in KINDS else "",
        since=_start_of(given.get("since", "")),
        until=_start_of(given.get("until", ""), days=1),
    )


def _start_of(text: str, days: int = 0) -> datetime | None:
    day = _day(text)
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min))


def _day(text: str) -> date | None:
    """A day as browsers write it, or nothing."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day and 1970 < day.year < 3000 else None


def _date_text(text: str) -> str:
    day = _day(text)
    return day.isoformat() if day else ""


def _people(account_id: int, asked: Asked) -> tuple[Choice, ...]:
    found = [one for one in queries.members(account_id, active_only=False) if not one.is_invited]
    return (
        Choice("", _("Everybody"), asked.actor_id is None),
        *(Choice(str(one.user_id), one.name, one.user_id == asked.actor_id) for one in found),
    )


def _address(name: str, asked: dict[str, str]) -> str:
    return f"{reverse(name)}?{urlencode(asked)}" if asked else reverse(name)


def _checked(account_id: int, page: AuditPage) -> AuditPage:
    broken, number = audit.first_broken(account_id), audit.how_many(account_id)
    if broken is not None:
        said = _("Entry %(num)s is not as it was written, or the one before it is missing.") % {"num": broken}
        return replace(page, whole=False, said=said)
    said = ngettext(
        "The one entry is as it was written.", "All %(num)s entries are as they were written.", number
    ) % {"num": number}
    return replace(page, whole=True, said=said)


# ── as a file ────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def file(request: AccountRequest) -> StreamingHttpResponse:
    """All that is asked for, oldest memory of the account included: written as it is read, never held whole."""
    policy.require(request.viewer, Action.READ_AUDIT)
    return _File(request.viewer, _asked(request)).response("audit.csv")


class _File(CsvFile):
    def __init__(self, viewer: Viewer, asked: Asked) -> None:
        super().__init__(viewer.account_id)
        self._viewer, self._asked = viewer, asked

    def head(self) -> list[str]:
        return [
            _("Number"),
            _("Time"),
            _("Who"),
            _("What happened"),
            _("Action"),
            _("Before"),
            _("After"),
        ]

    def lines(self, before: int | None) -> tuple[list[list[str]], int | None]:
        found = audit.entries(self.account_id, self._asked, before=before, limit=AT_ONCE)
        names = Names(self._viewer, found)
        lines = [
            [
                str(entry.number), moment(entry.at), audit_words.who(entry, names), audit_words.sentence(entry, names), entry.action,
                json.dumps(entry.before, ensure_ascii=False), json.dumps(entry.after, ensure_ascii=False),
            ]
            for entry in found
        ]  # fmt: skip
        return lines, found[-1].number if len(found) == AT_ONCE else None
