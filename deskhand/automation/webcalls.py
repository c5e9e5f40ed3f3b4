"""Calls over HTTP for steps: filled, and put into the outbox with the run's batch; how their answers are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from deskhand.automation import secrets, templates, tokens
from deskhand.automation.actions.types import Action, Doing, Done, Then
from deskhand.automation.models import StepCall
from deskhand.delivery import calls, outbox
from deskhand.delivery.calls import Call
from deskhand.delivery.types import Reply
from deskhand.kernel.errors import Invalid

REFERENCE = "automation.call"
#: The state of a call whose answer its run waits for, and then has (calls.py), and of others: out, taken, refused.
WAITING, ANSWERED, OUT, DONE, FAILED = "WAITING", "ANSWERED", "OUT", "DONE", "FAILED"
PATIENCE = timedelta(days=4)  # with a call that is tried again for three (R-WFA-11)
SHOWN = 2_000  # characters of a picked value

#: The part of an address that says whom it goes to: nothing that a customer wrote may stand in it.
_FIXED = re.compile(r"https?://[^/?#{\s]+([/?#]|$)|\{\{\s*secret\.[A-Za-z][A-Za-z0-9_]*\s*\}\}")
_PART = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True)
class Wanted:
    """A call of one record at one step. `until`: its run waits for the answer; `token` names it to who calls back."""

    doing: Doing
    call: Call
    until: datetime | None = None
    token: str = ""


class Caller(Action):
    """An action that calls another system, and may wait for what that says. A call counts once, however often it is tried."""

    costs = True

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        return Done(sent=1), {}

    def hear(self, settings: Mapping[str, Any], reply: Reply) -> Done | None:
        """What a yes comes to; None when the other side will call back later."""
        return Done(outputs={"status": reply.status})

    def refused(self, reply: Reply | None) -> dict[str, Any]:
        """What later steps may know of a no."""
        return {"status": reply.status if reply else 0}


def place(wanted: Sequence[Wanted]) -> None:
    """Put all into the outbox with two statements. Safe to repeat: the same step's effect is one call for ever."""
    if not wanted:
        return
    rows = [
        StepCall(
            account_id=one.doing.account_id, enrollment_id=one.doing.enrollment_id, step_id=one.doing.step_id, key=one.doing.key,
            token=one.token, created_at=one.doing.now, expires_at=one.until, state=WAITING if one.until else OUT,
        )
        for one in wanted
    ]  # fmt: skip
    StepCall.objects.bulk_create(rows, ignore_conflicts=True)
    account_id = wanted[0].doing.account_id
    made = StepCall.objects.filter(account_id=account_id, key__in=[one.doing.key for one in wanted])
    ids = dict(made.values_list("key", "id"))
    outbox.enqueue(
        [
            calls.new_send(
                one.call, account_id=account_id, key=one.doing.key, reference_type=REFERENCE, reference_id=ids[one.doing.key]
            )
            for one in wanted
        ]
    )  # fmt: skip


# ── filling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def problems_of_url(url: str) -> list[tuple[str, str]]:
    if not _FIXED.match(url):
        return [
            ("url", _("Enter a web address. It begins with https:// and a host, or is a secret: {{ secret.NAME }}"))
        ]  # fmt: skip
    return templates.problems({"url": url}, "url")


def problems_of_secrets(account_id: int, settings: Mapping[str, Any], field: str) -> list[tuple[str, str]]:
    gone = secrets.missing(account_id, secrets.named_in(settings))
    return [(field, _("There is no secret called %(name)s.") % {"name": name}) for name in gone]


@dataclass(frozen=True)
class Filler:
    """Fills a step's texts with a record's tokens, and with secrets; each kind of text as it must be written."""

    tokens: Mapping[str, Any]
    secrets: Mapping[str, str]

    def text(self, source: str) -> str:
        return self._fill(source, self.tokens)

    def url(self, source: str) -> str:
        """Tokens are quoted, so that what a customer wrote changes no path; secrets stand as they are."""
        return self._fill(source, _Changed(self.tokens, lambda text: quote(text, safe=""))).strip()

    def json(self, source: str) -> str:
        """Tokens are written as inside a JSON text. Raises Invalid when what comes out is no JSON."""
        filled = self._fill(source, _Changed(self.tokens, lambda text: json.dumps(text)[1:-1]))
        try:
            json.loads(filled)
        except ValueError as failure:
            raise Invalid(
                _("The body is no JSON: %(failure)s") % {"failure": failure}, field="body"
            ) from failure
        return filled

    def _fill(self, source: str, named: Mapping[str, Any]) -> str:
        if not templates.has_tokens(source):
            return source
        return templates.fill_with(source, {**named, "secret": self.secrets})


class _Changed(Mapping[str, Any]):
    """Tokens with each text changed as it is asked for; days and moments are texts here."""

    def __init__(self, named: Mapping[str, Any], change: Callable[[str], str]) -> None:
        self.named, self.change = named, change

    def __getitem__(self, name: str) -> Any:
        return _change(self.named[name], self.change)

    def __iter__(self) -> Iterator[str]:
        return iter(self.named)

    def __len__(self) -> int:
        return len(self.named)


def _change(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str | date):
        return change(str(value))
    if isinstance(value, Mapping):
        return _Changed(value, change)
    return [_change(inner, change) for inner in value] if isinstance(value, list | tuple) else value


class Fillers:
    """For a whole batch: every secret that its steps name, with one query. What can't be filled raises Invalid."""

    def __init__(self, batch: Sequence[Doing]) -> None:
        self._named = {id(doing.settings): secrets.named_in(doing.settings) for doing in batch}
        every = {name for names in self._named.values() for name in names}
        self._values = secrets.values(batch[0].account_id, every)

    def of(self, doing: Doing) -> Filler:
        gone = sorted(self._named[id(doing.settings)] - self._values.keys())
        if gone:
            raise Invalid(_("There is no secret called %(name)s.") % {"name": gone[0]})
        return Filler(tokens.values(doing.record, doing.outputs), self._values)

    def secret(self, name: str) -> str:
        return self._values.get(name, "")


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def picked(body: str, paths: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What stands at each path of a JSON answer, by name; what is not there is None.

    A path is written as in `order.items[0].id`, with or without "$." in front.
    """
    try:
        whole = json.loads(body) if paths else None
    except ValueError:
        whole = None
    return {str(one["name"]): _plain(_at(whole, str(one["value"]))) for one in paths}


def _at(value: Any, path: str) -> Any:
    for part in _PART.findall(path.strip().removeprefix("$")):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _plain(value: Any) -> Any:
    """What outputs hold: a text, a number, yes or no; anything larger as JSON."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:SHOWN]
