"""The audit log: newest first, by person, kind and day; as a file; and whether it is as it was written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from deskhand.accounts import audit, policy, queries
from deskhand.accounts.audit import Asked
from deskhand.accounts.policy import Action
from deskhand.kernel.database.scope import account_scope
from deskhand.web.choices import Choice
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.people import audit_words, reading
from deskhand.web.people.audit_words import KINDS, Names
from deskhand.web.people.rows import AuditPage

SHOWN = 50
AT_ONCE = 500  # lines of the file that are read together
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@require_GET
def log(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.READ_AUDIT)
    account_id, given = request.viewer.account_id, request.GET
    asked = _asked(request)
    found = audit.entries(account_id, asked, before=reading.number(given, "before"), limit=SHOWN + 1)
    names = Names(account_id, found[:SHOWN])
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
    lines = _File(request.viewer.account_id, _asked(request))
    response = StreamingHttpResponse(lines.parts(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


class _File:
    """Reads part after part, each in a transaction of its own: the request's is over when the file travels."""

    def __init__(self, account_id: int, asked: Asked) -> None:
        self._account_id, self._asked = account_id, asked
        self._language, self._zone = translation.get_language() or "en", timezone.get_current_timezone()

    async def parts(self) -> AsyncIterator[bytes]:
        with translation.override(self._language):
            head = [
                _("Number"),
                _("Time"),
                _("Who"),
                _("What happened"),
                _("Action"),
                _("Before"),
                _("After"),
            ]
        yield _csv([head])
        before: int | None = None
        while True:
            part, before = await sync_to_async(self._part)(before)
            if part:
                yield part
            if before is None:
                return

    def _part(self, before: int | None) -> tuple[bytes, int | None]:
        with (
            account_scope(self._account_id),
            translation.override(self._language),
            timezone.override(self._zone),
        ):
            found = audit.entries(self._account_id, self._asked, before=before, limit=AT_ONCE)
            names = Names(self._account_id, found)
            lines = [
                [
                    str(entry.number), timezone.localtime(entry.at).isoformat(timespec="seconds"),
                    audit_words.who(entry, names), audit_words.sentence(entry, names), entry.action,
                    json.dumps(entry.before, ensure_ascii=False), json.dumps(entry.after, ensure_ascii=False),
                ]
                for entry in found
            ]  # fmt: skip
        return _csv(lines), found[-1].number if len(found) == AT_ONCE else None


def _csv(lines: list[list[str]]) -> bytes:
    """A cell that a spreadsheet would take for a formula is made text."""
    written = io.StringIO()
    csv.writer(written).writerows(
        [f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell for cell in line] for line in lines
    )
    return written.getvalue().encode()
