"""Calls from outside that enroll records (R-TRIG-21): kept as they come, answered, and read afterwards.

A call's address is its password. Who wants more signs the calls, as Standard Webhooks says.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.automation.engine.definition import Trigger, WhenCalled
from deskhand.automation.enrolling import by_hand, matching
from deskhand.automation.enrolling.guards import HOUR, flag
from deskhand.automation.enrolling.index import Entry, Index, index_of, revisions
from deskhand.automation.enrolling.insert import Wanted
from deskhand.automation.models import CallState, HookCall, Workflow, WorkflowHook
from deskhand.crm.filters.folding import fold
from deskhand.crm.filters.types import MAX_VALUES, Filter, Operator
from deskhand.crm.records import contacts, making, unique
from deskhand.crm.records.tables import table_of
from deskhand.crm.records.unique import NotUnique
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.schema.values import normal
from deskhand.delivery.calls import new_secret, signature
from deskhand.events import log
from deskhand.events.types import Actor, ActorKind, Cause, Event
from deskhand.kernel import clock, crypto
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, attempt
from deskhand.kernel.errors import DeskhandError, Forbidden, Invalid, Limited, NotFound
from deskhand.kernel.text import N_, storable

CALLED = "workflow.called"
FAILED = N_("A call from outside could not be used. Its reason stands with the call.")
MOST_BYTES = 256 * 1024
PER_MINUTE = 600
NOT_GENUINE = N_("The signature is missing, wrong or too old.")
NOT_MADE = N_("No record can be made with a given “%(property)s”: it is set by Deskhand alone.")
TOO_LARGE = N_("The call is larger than 256 kB.")
MOST_REFUSED = 100  # an hour, of each workflow, that are kept
SKEW = timedelta(minutes=5)
_KEY = 200  # characters of an idempotency key
_PURPOSE = "workflow hook"
#: Built-in properties that only one record has; an account's own say so themselves.
UNIQUE = {"ticket": ("hs_ticket_id",), "contact": ("email",), "company": ("domain",)}


# ── the address ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Address:
    """What those need who call: the address ends with `token`; `key` signs, and must where `is_signed`."""

    token: str
    key: str
    is_signed: bool = False


def address_of(workflow: Workflow) -> Address | None:
    hook = WorkflowHook.objects.filter(account_id=workflow.account_id, workflow=workflow).first()
    return _opened(hook) if hook else None


def make_address(workflow: Workflow, *, by: int, is_signed: bool = False) -> Address:
    """Give the workflow an address, or a new one: the old one is nobody's from then on. The signing key is new, too."""
    made = Address(secrets.token_urlsafe(32), new_secret(), is_signed)
    _keep(workflow, made)
    _note(workflow, by, is_signed)
    return made


def demand_signature(workflow: Workflow, is_signed: bool, *, by: int) -> Address:
    """Take signed calls only, or others, too. Raises NotFound without an address."""
    found = address_of(workflow)
    if found is None:
        raise NotFound(_("The workflow has no address yet."))
    made = Address(found.token, found.key, is_signed)
    _keep(workflow, made)
    _note(workflow, by, is_signed)
    return made


def _keep(workflow: Workflow, address: Address) -> None:
    account_id = workflow.account_id
    sealed = crypto.encrypt(json.dumps(vars(address)), account_id=account_id, purpose=_PURPOSE)
    WorkflowHook.objects.update_or_create(
        account_id=account_id, workflow=workflow,
        defaults={"token_hash": crypto.digest(address.token), "secret": sealed.encode()},
        create_defaults={
            "token_hash": crypto.digest(address.token), "secret": sealed.encode(), "created_at": clock.now(),
        },
    )  # fmt: skip


def _opened(hook: WorkflowHook) -> Address:
    text = crypto.decrypt(bytes(hook.secret).decode(), account_id=hook.account_id, purpose=_PURPOSE)
    return Address(**json.loads(text))


def _note(workflow: Workflow, by: int, is_signed: bool) -> None:
    audit.record(
        "workflow.address_made", by=Actor.user(by), target_type="workflow", target_id=workflow.pk,
        after={"name": workflow.name, "signed": is_signed},
    )  # fmt: skip


def unique_properties(object_type: str) -> list[Property]:
    """By which records can be found."""
    built_in = {"hs_object_id", *UNIQUE.get(object_type, ())}
    return [
        p
        for p in properties_of(object_type).values()
        if p.kind in (Kind.TEXT, Kind.NUMBER) and (p.name in built_in or p.is_claimed)
    ]


def check(object_type: str, trigger: Trigger) -> None:
    """Raises Invalid when the trigger's property does not tell records apart."""
    if not isinstance(trigger, WhenCalled):
        return
    prop = _unique(object_type, trigger.property)
    if prop is None:
        raise Invalid(
            _("Records can't be told apart by this property."), field="trigger", value=trigger.property,
            hint=_("Choose one that only one record can have, such as an email address or a number."),
        )  # fmt: skip
    if trigger.may_create and not can_be_made(prop):
        raise Invalid(
            _(NOT_MADE) % {"property": _(prop.label)}, field="may_create", value=trigger.property,
            hint=_("Choose another property, or do not let calls make records."),
        )  # fmt: skip


def finding_by(account_id: int, object_type: str, name: str) -> list[Workflow]:
    """The workflows whose calls find records by this property."""
    found = list(
        Workflow.objects.filter(account_id=account_id, object_type=object_type, archived_at=None).order_by("name", "id")
    )  # fmt: skip
    newest = revisions(account_id, {(one.pk, one.revision_number) for one in found})
    triggers = {row.workflow_id: row.definition["trigger"] for row in newest}
    return [
        one for one in found
        if (trigger := triggers.get(one.pk)) and trigger["type"] == "when_called" and trigger["property"] == name
    ]  # fmt: skip


def can_be_made(prop: Property) -> bool:
    """Whether a record can be made that is found by this property afterwards; else each call would make another."""
    return not (prop.read_only or prop.is_computed)


def _unique(object_type: str, name: str) -> Property | None:
    return next((one for one in unique_properties(object_type) if one.name == name), None)


# ── taking calls ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Call:
    """A call as it came. `headers` by small names."""

    body: bytes
    headers: Mapping[str, str]


def receive(token: str, call: Call) -> bool:
    """Keep a call; False where one of its key is kept already. Works without an account scope.

    Raises NotFound for no such address, Limited for too many, Forbidden for a missing or wrong signature.
    """
    hook = WorkflowHook.objects.filter(token_hash=crypto.digest(token)).first()
    if hook is None:
        raise NotFound(_("There is nothing at this address."))
    now = clock.now()
    with account_scope(hook.account_id):
        workflow = Workflow.objects.filter(account_id=hook.account_id, pk=hook.workflow_id, archived_at=None)
        if not workflow.exists():
            raise NotFound(_("There is nothing at this address."))
        _limit(hook, now)
        address = _opened(hook)
        if not address.is_signed or _is_genuine(address.key, call, now):
            return _store(hook, call, now)
        _note_refused(hook, call, NOT_GENUINE, now)
    raise Forbidden(_(NOT_GENUINE))


def refuse_large(token: str, headers: Mapping[str, str]) -> None:
    """Note that a call was larger than MOST_BYTES; its body is not kept. Works without an account scope."""
    hook = WorkflowHook.objects.filter(token_hash=crypto.digest(token)).first()
    if hook is not None:
        with account_scope(hook.account_id):
            _note_refused(hook, Call(b"", headers), TOO_LARGE, clock.now())


def _note_refused(hook: WorkflowHook, call: Call, why: str, now: datetime) -> None:
    """Under a key of its own: the same call may come again, and be taken."""
    refused = HookCall.objects.filter(
        account_id=hook.account_id,
        workflow_id=hook.workflow_id,
        state=CallState.REFUSED,
        received_at__gt=now - HOUR,
    )
    if refused[:MOST_REFUSED].count() < MOST_REFUSED:
        HookCall.objects.create(
            account_id=hook.account_id, workflow_id=hook.workflow_id, key=f"refused {secrets.token_urlsafe(16)}", received_at=now,
            content_type=storable(call.headers.get("content-type", ""))[:200], body=call.body, state=CallState.REFUSED, error=why,
        )  # fmt: skip


def _limit(hook: WorkflowHook, now: datetime) -> None:
    taken = HookCall.objects.filter(account_id=hook.account_id, workflow_id=hook.workflow_id)
    latest = taken.exclude(state=CallState.REFUSED).order_by("-id")
    nth = latest.values_list("received_at", flat=True)[PER_MINUTE - 1 : PER_MINUTE].first()
    if nth is not None and nth > now - timedelta(minutes=1):
        raise Limited(_("Too many calls within a minute."), retry_after=60)


def _is_genuine(key: str, call: Call, now: datetime) -> bool:
    headers = call.headers
    name, stamp, given = (headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        return False
    if abs(now.timestamp() - int(stamp)) > SKEW.total_seconds():
        return False
    try:
        made = signature(key, name, datetime.fromtimestamp(int(stamp), UTC), call.body.decode())
    except (UnicodeDecodeError, ValueError):
        return False
    return any(crypto.same(made, one) for one in given.split())


def _store(hook: WorkflowHook, call: Call, now: datetime) -> bool:
    """What has no key is a call of its own, also when it says the same as another."""
    key = call.headers.get("idempotency-key") or call.headers.get("webhook-id") or ""
    key = storable(key)[:_KEY] or secrets.token_urlsafe(16)
    found = sql.row(
        "insert into automation_hookcall (account_id, workflow_id, key, received_at, content_type, body, state, error)"
        " values (%s, %s, %s, %s, %s, %s, 'RECEIVED', '') on conflict (account_id, workflow_id, key) do nothing returning id",
        [hook.account_id, hook.workflow_id, key, now, storable(call.headers.get("content-type", ""))[:200], call.body],
    )  # fmt: skip
    if found is None:
        return False
    WorkflowHook.objects.filter(pk=hook.pk).update(last_called_at=now)
    _tell(hook.workflow_id, [found[0]])
    return True


def _tell(workflow_id: int, call_ids: Sequence[int], by: Actor | None = None) -> None:
    log.record(
        CALLED, object_type="workflow", object_id=workflow_id, version=0, by=by or Actor(ActorKind.INTEGRATION),
        data={"calls": list(call_ids)},
    )  # fmt: skip


def repeat(workflow: Workflow, call_ids: Collection[int] | None = None, *, by: int) -> int:
    """Read calls again: these that could not be used or were refused, or the next MOST_AGAIN that could not be used. Who
    sent a refused one is not known, so nobody takes those unseen. Returns how many."""
    failed = unused(workflow).exclude(body=b"")
    failed = failed.filter(state=CallState.FAILED) if call_ids is None else failed.filter(pk__in=call_ids)
    # What somebody else lets be read again at the same time is left to them.
    held = failed.select_for_update().order_by("id")
    ids = list(held.values_list("pk", flat=True)[:MOST_AGAIN])
    HookCall.objects.filter(account_id=workflow.account_id, pk__in=ids).update(
        state=CallState.RECEIVED, error=""
    )
    if ids:
        _tell(workflow.pk, ids, Actor.user(by))
    return len(ids)


# ── showing them ─────────────────────────────────────────────────────────────────────────────────────────────────────

MOST_AGAIN = 500
SHOWN = 4_000  # characters of a body
MASK = "•••"
_SECRET = re.compile(r"pass(?:wor[dt]|wd|phrase)?|secret|token|api[-_ ]?key|authorization|credential|cookie|signature|\bpin\b|iban|card", re.IGNORECASE)  # fmt: skip
_SECRET_IN_TEXT = re.compile(
    rf"((?:{_SECRET.pattern})[\w-]{{0,100}}[\"']?\s*[:=]\s*)"
    r"(\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)|[^\s,&;]+)",
    re.IGNORECASE | re.DOTALL,
)


def unused(workflow: Workflow) -> QuerySet[HookCall]:
    """Calls that could not be used, and those that were refused."""
    return HookCall.objects.filter(
        account_id=workflow.account_id, workflow=workflow, state__in=(CallState.FAILED, CallState.REFUSED)
    )


def calls_of(
    workflow: Workflow, *, only_unused: bool = False, before: int | None = None, limit: int = 30
) -> list[HookCall]:
    """The newest first, as long as the log is kept (R-LOG-3)."""
    found = HookCall.objects.filter(account_id=workflow.account_id, workflow=workflow)
    found = unused(workflow) if only_unused else found
    found = found.filter(pk__lt=before) if before is not None else found
    return list(found.order_by("-id")[:limit])


def is_called(workflow: Workflow) -> bool:
    """Whether it has an address, or was called when it had one."""
    return WorkflowHook.objects.filter(account_id=workflow.account_id, workflow=workflow).exists()


def body_of(call: HookCall) -> str:
    """What it said, to read: at most SHOWN characters, with what is named like a secret hidden. "" for what is no text."""
    raw = bytes(call.body)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    rest = ""
    try:
        found = _hidden(_said(text, call.content_type))
        shown = _beginning(json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(found))
    except (ValueError, RecursionError):
        text, rest = text[: 2 * SHOWN], text[2 * SHOWN :]
        shown = _SECRET_IN_TEXT.sub(rf"\1{MASK}", text)
    return f"{storable(shown[:SHOWN])} …" if rest or len(shown) > SHOWN else storable(shown)


def _beginning(pieces: Iterable[str]) -> str:
    """All of a text, or a little more of it than is shown: written with its indents it may be long without end."""
    found, size = [], 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size > SHOWN:
            break
    return "".join(found)


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: MASK if _SECRET.search(str(name)) and inner not in (None, "") else _hidden(inner)
            for name, inner in value.items()
        }
    return [_hidden(one) for one in value] if isinstance(value, list) else value


# ── reading them ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Read:
    """A call on its way. `error` may stand with a record, too: why that one was not enrolled."""

    row: HookCall
    said: Mapping[str, Any]
    value: str = ""
    record_id: int | None = None
    error: str = ""
    has_failed: bool = False

    def fail(self, why: str) -> None:
        self.error, self.has_failed = why, True


def hear(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: read what was called, and enroll. Safe to repeat."""
    ids = [pk for event in events if event.kind == CALLED for pk in event.data["calls"]]
    if not ids:
        return
    held = HookCall.objects.select_for_update().filter(
        account_id=account_id, pk__in=ids, state=CallState.RECEIVED
    )
    of_workflow: dict[int, list[HookCall]] = defaultdict(list)
    for row in held.order_by("id"):
        of_workflow[row.workflow_id].append(row)
    index = index_of(account_id)
    for workflow_id, rows in of_workflow.items():
        _read(account_id, index, index.entries.get(workflow_id) if index else None, rows)


def _read(account_id: int, index: Index | None, entry: Entry | None, rows: Sequence[HookCall]) -> None:
    calls = [_Read(row, {}) for row in rows]
    if index is None or entry is None or not isinstance(entry.trigger, WhenCalled):
        for call in calls:
            call.fail(_("The workflow is off, or does not begin with a call."))
    else:
        for call in calls:
            _open(call, entry.trigger)
        _find(account_id, index, entry, entry.trigger, [call for call in calls if not call.has_failed])
        _let_in(account_id, index, entry, [call for call in calls if call.record_id is not None])
    for call in calls:
        call.row.state = CallState.FAILED if call.has_failed else CallState.DONE
        call.row.error, call.row.record_id = storable(call.error), call.record_id
    HookCall.objects.bulk_update([call.row for call in calls], ["state", "error", "record_id"])
    if any(call.has_failed for call in calls):
        flag(account_id, {rows[0].workflow_id: FAILED})


def _open(call: _Read, trigger: WhenCalled) -> None:
    try:
        call.said = _parsed(bytes(call.row.body), call.row.content_type)
    except (ValueError, RecursionError):
        call.fail(_("The call holds neither a JSON object nor the fields of a form."))
        return
    found: Any = call.said
    for name in trigger.field.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if trigger.field in call.said:
        found = call.said[trigger.field]
    if isinstance(found, bool) or not isinstance(found, str | int | float) or not str(found).strip():
        call.fail(_("The call has no “%(field)s”.") % {"field": trigger.field})
    else:
        call.value = storable(str(found)).strip()


def _parsed(body: bytes, content_type: str) -> Mapping[str, Any]:
    found = _said(body.decode(), content_type)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _said(text: str, content_type: str) -> dict[str, Any] | list[Any]:
    """Raises ValueError for what says neither fields nor a list."""
    if "form-urlencoded" in content_type:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=1000))
    found = json.loads(text)
    if not isinstance(found, dict | list):
        raise ValueError("a single value")
    return found


def _find(account_id: int, index: Index, entry: Entry, trigger: WhenCalled, calls: Sequence[_Read]) -> None:
    """Say whose record each call means; make it where that is wanted."""
    prop = _unique(entry.object_type, trigger.property)
    if prop is None:
        for call in calls:
            call.fail(_("Records can't be told apart by this property."))
        return
    if trigger.may_create and not _is_kept_apart(entry.object_type, prop):
        # Who reads calls at the same time waits here, and finds what is made now.
        lock = "select pg_advisory_xact_lock(hashtextextended('made by calls ' || %s, %s))"
        sql.execute(lock, [entry.object_type, account_id])
    known = _ids_of(account_id, index, entry, prop, {call.value for call in calls})
    for call in calls:
        found = known.get(_same(prop, call.value), [])
        if len(found) == 1:
            call.record_id = found[0]
        elif found:
            call.fail(_("Several records have this value: %(value)s") % {"value": call.value[:200]})
        elif not trigger.may_create:
            call.fail(_("No record has this value: %(value)s") % {"value": call.value[:200]})
        elif not can_be_made(prop):
            call.fail(_(NOT_MADE) % {"property": _(prop.label)})
        else:
            _make(entry, prop, call)
            if call.record_id is not None:
                known[_same(prop, call.value)] = [call.record_id]


def _is_kept_apart(object_type: str, prop: Property) -> bool:
    """Whether records with the same value can't be made, whoever tries."""
    return prop.is_claimed or (object_type, prop.name) == ("contact", "email")


def _same(prop: Property, value: str) -> str:
    """Two values that mean the same give the same text."""
    if prop.is_claimed:
        try:
            return unique.key_of(prop, normal(prop, value))
        except Invalid:
            return ""
    if prop.kind is not Kind.NUMBER:
        return fold(value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        return ""
    return format(number.normalize(), "f") if number.is_finite() and -50 < number.adjusted() < 50 else ""


def _ids_of(
    account_id: int, index: Index, entry: Entry, prop: Property, values: Collection[str]
) -> dict[str, list[int]]:
    """{value: the records that have it}. One query."""
    found: dict[str, list[int]] = defaultdict(list)
    wanted = {_same(prop, value) for value in values} - {""}
    if not wanted:
        return found
    if (entry.object_type, prop.name) == ("contact", "email"):
        return {
            email: [pk] for email, pk in contacts.ids_of(sorted(value.lower() for value in wanted)).items()
        }
    if prop.is_claimed:
        return {key: [pk] for key, pk in unique.holders(prop, wanted).items()}
    compared = [Decimal(value) if prop.kind is Kind.NUMBER else value for value in sorted(wanted)]
    asked = Filter(prop.name, prop.kind, Operator.ANY_OF, tuple(compared[:MAX_VALUES]))
    test = matching.where(account_id, entry.object_type, asked, clock.now(), index.zone)
    value, given = (f"t.{prop.column}::text", []) if prop.column else ("t.properties ->> %s", [prop.name])
    query = f"select t.id, {value} from {table_of(entry.object_type)} t where {test.text} order by t.id limit 5000"
    for record_id, stored in sql.rows(query, [*given, *test.params]):
        found[_same(prop, stored)].append(record_id)
    return found


def _make(entry: Entry, prop: Property, call: _Read) -> None:
    """A record of the call's fields that are named as properties are; those in "properties" count, too."""
    inner = call.said.get("properties")
    given = {**call.said, **(inner if isinstance(inner, Mapping) else {}), prop.name: call.value}
    known = properties_of(entry.object_type)
    values = {
        name: given[name] for name in given.keys() & known.keys() if _may_be_given(known[name], given[name])
    }
    by, cause = Actor(ActorKind.WORKFLOW, entry.workflow_id), Cause(workflow_id=entry.workflow_id)
    try:
        with attempt():
            [call.record_id] = making.make_many(
                entry.object_type, [making.New(values)], by=by, cause=cause, depth=1
            )
    except DeskhandError as refusal:
        call.record_id = _made_meanwhile(prop, refusal)
        if call.record_id is None:
            why = getattr(refusal, "message", str(refusal))
            call.fail(_("No record could be made: %(why)s") % {"why": why})


def _made_meanwhile(prop: Property, refusal: DeskhandError) -> int | None:
    """The record that another call made this moment by the same property."""
    if isinstance(refusal, NotUnique) and refusal.field == prop.name:
        return refusal.holder_id
    if isinstance(refusal, contacts.Taken) and prop.name == "email":
        return refusal.contact_id
    return None


def _may_be_given(prop: Property, value: object) -> bool:
    return not (prop.read_only or prop.is_computed or isinstance(value, Mapping))


def _let_in(account_id: int, index: Index, entry: Entry, calls: Sequence[_Read]) -> None:
    """Of several calls for one record the first counts, or each (`takes_each`)."""
    each = entry.definition.reenrollment.takes_each
    counted: dict[tuple[int, int], _Read] = {}
    for call in calls:
        assert call.record_id is not None
        counted.setdefault((call.record_id, call.row.pk if each else 0), call)
    wanted = [
        Wanted(entry, record_id, {"by": "call", "call": call.row.pk}, is_again=entry.is_again)
        for (record_id, _pk), call in counted.items()
    ]
    done = by_hand.let_in(account_id, wanted, clock.now(), index)
    for call in calls:
        assert call.record_id is not None
        call.error = done.sentence(call.record_id)
        if call not in counted.values() and not call.error:
            call.error = str(by_hand.SENTENCES[by_hand.INSIDE])
