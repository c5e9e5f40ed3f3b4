"""From the log of events to requests in the outbox, in the transaction that takes the events off the queue."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.store import SOURCES
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.events.types import ActorKind, Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.webhooks import deliveries, types
from deskhand.webhooks.models import Subscription
from deskhand.webhooks.types import CONVERSATION, NAMED, NUMBERS, OBJECT, Happening

AT_ONCE = 100  # events of one request
_SAFE = 2**53 - 1  # what receivers' numbers hold


def hear(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: put in what apps asked to be told of these. The queries don't grow with the events."""
    told = [event for event in events if types.is_told(event)]
    wanted = _wanted(account_id) if told else {}
    if not wanted:
        return
    texts = _Texts()
    items: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for happening in _happenings(told):
        for subscription in _asking_for(wanted, happening):
            items[subscription.app_id].append(_item(subscription, happening, texts))
    batches = [
        (app_id, one[start : start + AT_ONCE])
        for app_id, one in items.items() for start in range(0, len(one), AT_ONCE)
    ]  # fmt: skip
    deliveries.put_in(account_id, batches)


def _wanted(account_id: int) -> dict[str, list[Subscription]]:
    """{type of event: who asks for it}; nobody whose app is revoked, paused or has no address. One query."""
    rows = Subscription.objects.raw(_ACTIVE, [account_id])
    found: dict[str, list[Subscription]] = defaultdict(list)
    for one in rows:
        found[one.event_type].append(one)
    return found


_ACTIVE = """
select s.* from webhooks_subscription s
join webhooks_target t on t.account_id = s.account_id and t.app_id = s.app_id and t.paused_at is null
join accounts_app a on a.account_id = s.account_id and a.id = s.app_id and a.revoked_at is null
where s.account_id = %s and s.active order by s.id
"""


def _happenings(events: Sequence[Event]) -> Iterator[Happening]:
    threads = types.maybe_first(events)
    first = dict(sql.rows(_FIRST, [events[0].account_id, sorted(threads)])) if threads else {}
    for event in events:
        yield from types.happenings(event, first)


_FIRST = "select thread_id, min(id) from desk_message where account_id = %s and thread_id = any(%s) group by thread_id"


def _asking_for(wanted: Mapping[str, Sequence[Subscription]], happening: Happening) -> Iterator[Subscription]:
    kind = happening.object_type
    asked = [*wanted.get(f"{kind}.{happening.what}", ())] if kind in (*NAMED, CONVERSATION) else []
    asked += [one for one in wanted.get(f"{OBJECT}.{happening.what}", ()) if one.object_type == kind]
    return (one for one in asked if one.property_name == happening.property_name)


def _item(subscription: Subscription, happening: Happening, texts: _Texts) -> dict[str, Any]:
    event = happening.event
    item = {
        "eventId": _number(subscription, happening),
        "subscriptionId": subscription.pk,
        "portalId": event.account_id,
        "appId": subscription.app_id,
        "occurredAt": milliseconds(event.at),
        "subscriptionType": subscription.event_type,
        "objectId": happening.object_id,
        "changeSource": SOURCES[event.by.kind],
        **happening.facts,
    }
    if subscription.object_type:
        item["objectTypeId"] = NUMBERS.get(subscription.object_type, subscription.object_type)
    if happening.property_name:
        value = texts.of(happening.object_type, happening.property_name, happening.value)
        item |= {"propertyName": happening.property_name, "propertyValue": value}
    if event.by.kind is ActorKind.USER:
        item["sourceId"] = f"userId:{event.by.id}"
    return item


def _moment(text: str) -> str:
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text
    return f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _number(subscription: Subscription, happening: Happening) -> int:
    """The same for ever for what happened, and another for each part of it."""
    parts = (
        happening.event.account_id,
        happening.event.id,
        subscription.event_type,
        happening.property_name,
        happening.object_id,
    )
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) & _SAFE or 1


class _Texts:
    """Values as the API writes them (api.md §1.4)."""

    def of(self, object_type: str, name: str, value: Any) -> str:
        if value is None or value == "" or value == []:
            return ""
        prop = properties_of(object_type).get(name) if object_type != CONVERSATION else None
        if prop is not None and prop.is_place:
            return self._place(object_type, prop.column, value)
        if prop is not None and prop.kind is Kind.DATETIME and isinstance(value, str):
            return _moment(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return ";".join(map(str, value))
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    def _place(self, object_type: str, column: str, value: Any) -> str:
        """Pipelines and statuses by their ids of the API (R-DM-5)."""
        for pipeline in pipelines_of(object_type).pipelines:
            for one in [pipeline] if column == "pipeline_id" else pipeline.stages:
                if one.id == value:
                    return one.key
        return str(value)


def example(account_id: int, app_id: int) -> dict[str, Any]:
    """What a test sends: a change of nothing that is there."""
    return {
        "eventId": 1, "subscriptionId": 0, "portalId": account_id, "appId": app_id, "occurredAt": milliseconds(clock.now()),
        "subscriptionType": "ticket.propertyChange", "objectId": 0, "propertyName": "subject", "propertyValue": "Test",
        "changeSource": "TEST",
    }  # fmt: skip
