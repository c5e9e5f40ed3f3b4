"""What a step that sends a mail stores, and how that becomes words when the mail is sent.

It stores which revision of the template is sent and the values of the tokens that it names, as they are at that moment.
Neither changes any more, so the words are the same whenever they are made: before the mail is first sent, or earlier
for somebody who reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import structlog
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from deskhand.automation import records, templates, tokens
from deskhand.automation.models import MailRevision, MailTemplate
from deskhand.automation.troubles import Troubles
from deskhand.desk.unwritten import Filling, Unwritable, Words
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import storable
from deskhand.kernel.written import markup_of

log = structlog.get_logger()

#: What a message tells of the revision that it was written with.
REVISION = "mail_revision"


# ── stored ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def filling_of(
    template: MailTemplate, object_type: str, record_id: int, record: Mapping[str, Any]
) -> Filling:
    """All that it takes to write this mail later: nothing but its revision is read then.

    Raises Invalid when the template can't be read.
    """
    named = templates.tokens_in(template.subject, template.body)
    return {
        "template": template.pk, "revision": template.revision, "record": [object_type, record_id], "locale": get_language(),
        "tokens": _kept(named, tokens.values(record)),
    }  # fmt: skip


def with_way_out(filling: Filling, unsubscribe: str) -> Filling:
    """With the address, if any, where its reader says what they want; it is named under the text."""
    return {**filling, "unsubscribe": unsubscribe} if unsubscribe else filling


def subject_of(template: MailTemplate, record: Mapping[str, Any]) -> str:
    """The subject as it will be, for the conversation that the mail begins. Raises Invalid when it can't be filled."""
    return storable(templates.subject_of(template.subject, tokens.values(record)))


def _kept(named: Mapping[str, Collection[str] | None], values: Mapping[str, Any]) -> dict[str, Any]:
    """What of the values may be asked for, as JSON."""
    return {root: _of(values[root], names) for root, names in named.items() if root in values}


def _of(value: Any, names: Collection[str] | None) -> Any:
    if not isinstance(value, Mapping):
        return _as_json(value)
    found = {}
    for name in tokens.names_of(value) if names is None else names:
        try:
            found[name] = _as_json(value[name])
        except KeyError:
            continue  # empty, as whatever nobody knows
    return found


def _as_json(value: Any) -> Any:
    """Texts, whole numbers and yes or no as they are; what JSON does not know in a list of its kind and text."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return ["moment", value.isoformat(), tokens.zone()]
    if isinstance(value, date):
        return ["day", value.isoformat()]
    if isinstance(value, Decimal | float):
        return [type(value).__name__, str(value)]
    if isinstance(value, list | tuple):
        return ["list", *map(_as_json, value)]
    return str(value)


# ── written ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Source:
    number: int
    subject: str
    body: str


def write(filling: Filling) -> Words:
    """The words of a mail, by the revision it was stored with; by the newest one where that is gone or can't be filled,

    so that a mail which could not be written goes out once its template is set right. Raises Invalid, saying why not.
    """
    template_id, number = filling["template"], filling["revision"]
    with translation.override(filling["locale"]):
        stored = _revision(current_account_id(), template_id, number)
        try:
            if stored is None:
                raise Invalid(_("There is no such mail any more."), field="template")
            return _words(filling, stored, _back(filling["tokens"]))
        except Invalid:
            newest = _newest(template_id)
            if newest is None or newest.number == number:
                raise
            return _words(filling, newest, {**_back(_as_it_is(filling, newest)), **_back(filling["tokens"])})


def _words(filling: Filling, source: _Source, named: Mapping[str, Any]) -> Words:
    try:
        rendered = templates.render(source.subject, source.body, named)
    except Invalid:
        raise
    except Exception as failure:  # the edge: a template is people's own text, and its filters are many
        log.exception("a mail can't be filled", template=filling["template"], revision=source.number)
        raise Invalid(
            _("The mail could not be filled: %(failure)s") % {"failure": repr(failure)}, field="body"
        ) from failure
    text = storable(rendered.text + _foot(filling.get("unsubscribe", "")))
    return Words(
        storable(rendered.subject), text, markup_of(text), {REVISION: [filling["template"], source.number]}
    )


def _foot(url: str) -> str:
    return "\n\n-- \n" + _("You choose here what mail you get from us: %(url)s") % {"url": url} if url else ""


def _revision(account_id: int, template_id: int, number: int) -> _Source | None:
    try:
        return _read_once(account_id, template_id, number)
    except MailRevision.DoesNotExist:
        return None


@lru_cache(maxsize=256)
def _read_once(account_id: int, template_id: int, number: int) -> _Source:
    """Revisions never change. Raises DoesNotExist, which is asked again."""
    found = MailRevision.objects.get(account_id=account_id, template_id=template_id, number=number)
    return _Source(found.number, found.subject, found.body)


def _newest(template_id: int) -> _Source | None:
    found = MailTemplate.objects.filter(account_id=current_account_id(), pk=template_id).first()
    return _Source(found.revision, found.subject, found.body) if found else None


def _as_it_is(filling: Filling, source: _Source) -> dict[str, Any]:
    """What another revision names, of the record as it is now."""
    object_type, record_id = filling["record"]
    rows = records.load(object_type, [record_id])
    if record_id not in rows:
        return {}
    records.add_people(object_type, rows.values())
    return _kept(templates.tokens_in(source.subject, source.body), tokens.values(rows[record_id]))


class _Known(dict[str, Any]):
    """What was kept of a record. The record itself is no text."""

    def __str__(self) -> str:
        return ""


def _back(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {
        root: _Known((name, _from_json(value)) for name, value in values.items())
        if isinstance(values, Mapping)
        else _from_json(values)
        for root, values in kept.items()
    }


def _from_json(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, *rest = value
    match kind:
        case "moment":
            return tokens.moment_of(*rest)
        case "day":
            return tokens.day_of(*rest)
        case "Decimal":
            return Decimal(rest[0])
        case "float":
            return float(rest[0])
    return [_from_json(one) for one in rest]


# ── what could not be written ────────────────────────────────────────────────────────────────────────────────────────


def tell_unwritten(unwritten: Collection[Unwritable]) -> None:
    """The workflows that sent them ask for a look (R-LOG-7); the mails themselves wait where the sender keeps what failed."""
    troubles = Troubles()
    for one in unwritten:
        if one.cause.get("workflow_id"):
            troubles.add(one.cause["workflow_id"], one.why)
    troubles.tell(current_account_id(), clock.now())
