"""What stands in a thread: what was said, who got it, and how its status changed, as one list by time (api.md §2.6).

Numbers of what was said are plain; changes of its ticket begin with c, changes of the thread itself with e.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from deskhand.accounts.types import Viewer
from deskhand.api.conversations import naming
from deskhand.api.conversations.reading import Row
from deskhand.api.shapes import moment, without_nothing
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import listing
from deskhand.crm.records.models import PropertyChange
from deskhand.desk import conversations
from deskhand.desk.models import Attachment, Delivery, Direction, Message, MessageKind
from deskhand.events import queries as events
from deskhand.events.types import ActorKind
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.text import whole

SAID, CHANGED, HAPPENED = 0, 1, 2
_MARKS = {SAID: "", CHANGED: "c", HAPPENED: "e"}
_OWNER, _STAGE = "hubspot_owner_id", "hs_pipeline_stage"


class Place(NamedTuple):
    """Where something stands in the list."""

    at: datetime
    kind: int
    id: int

    @property
    def name(self) -> str:
        return f"{_MARKS[self.kind]}{self.id}"


def named(text: str) -> tuple[int, int] | None:
    """Which kind a message's id is of, and its number."""
    kind = next((kind for kind, mark in _MARKS.items() if mark and text[:1] == mark), SAID)
    number = whole(text[1:] if kind else text)
    return None if number is None else (kind, number)


def places(
    row: Row, limit: int, *, descending: bool = True, after: Place | None = None, only: tuple[int, int] | None = None
) -> list[Place]:  # fmt: skip
    """Of a thread; those behind one, or only this one. One query."""
    closed = [
        stage.id
        for pipeline in pipelines_of("ticket").pipelines
        for stage in pipeline.stages
        if not stage.is_open
    ]
    where, params = "true", []
    if after is not None:
        where, params = f"(x.at, x.kind, x.id) {'<' if descending else '>'} (%s, %s, %s)", list(after)
    if only is not None:
        where, params = "x.kind = %s and x.id = %s", list(only)
    order = "desc" if descending else "asc"
    found = sql.rows(
        f"select x.at, x.kind, x.id from ({_PLACES}) x where {where}"
        f" order by x.at {order}, x.kind {order}, x.id {order} limit {int(limit)}",
        [
            current_account_id(), row.id, current_account_id(), row.ticket_id, _OWNER, _STAGE, closed, closed,
            current_account_id(), row.id, conversations.ASSIGNED, conversations.UPDATED, *params,
        ],
    )  # fmt: skip
    return [Place(*one) for one in found]


_PLACES = """
select created_at as at, 0 as kind, id from desk_message
where account_id = %s and thread_id = %s and kind in ('MESSAGE', 'COMMENT')
union all
select changed_at, 1, id from crm_propertychange
where account_id = %s and object_type = 'ticket' and record_id = %s
  and (property = %s or property = %s and ((old #>> '{}')::bigint = any(%s::bigint[])) <> ((new #>> '{}')::bigint = any(%s::bigint[])))
union all
select occurred_at, 2, id from events_event
where account_id = %s and object_type = 'thread' and object_id = %s
  and (kind = %s or kind = %s and data #> '{changes,is_open}' is not null)
"""


def shown(viewer: Viewer, row: Row, asked: Sequence[Place]) -> list[dict[str, Any]]:
    """As the contract writes them, in this order; as many queries for many as for one."""
    made = _said(viewer, row, [one.id for one in asked if one.kind == SAID])
    made |= _changed(row, [one.id for one in asked if one.kind == CHANGED])
    made |= _happened(row, [one.id for one in asked if one.kind == HAPPENED])
    return [made[one.kind, one.id] for one in asked if (one.kind, one.id) in made]


# ── what was said ────────────────────────────────────────────────────────────────────────────────────────────────────


def _said(viewer: Viewer, row: Row, ids: Collection[int]) -> dict[tuple[int, int], dict[str, Any]]:
    found = list(Message.objects.filter(account_id=current_account_id(), pk__in=ids)) if ids else []
    files: dict[int, list[Attachment]] = {}
    for file in Attachment.objects.filter(account_id=current_account_id(), message_id__in=ids).order_by(
        "position", "id"
    ):
        files.setdefault(file.message_id, []).append(file)
    answered = _answered(row, {one.in_reply_to for one in found if one.in_reply_to})
    writers = {one.actor_id for one in found if one.actor_kind == ActorKind.VISITOR and one.actor_id}
    seen = {one.pk for one in listing.reached(viewer, "contact", writers)} if writers else set()
    return {
        (SAID, one.pk): _message(row, one, files.get(one.pk, ()), answered.get(one.in_reply_to), seen)
        for one in found
    }


def _answered(row: Row, external_ids: Collection[str]) -> dict[str, int]:
    """{Message-ID: the message of this thread}."""
    found = Message.objects.filter(
        account_id=current_account_id(), thread_id=row.id, external_id__in=external_ids
    )
    return dict(found.values_list("external_id", "pk")) if external_ids else {}


def _message(
    row: Row, one: Message, files: Sequence[Attachment], answers: int | None, seen: Collection[int]
) -> dict[str, Any]:
    writer = _writer(one, seen)
    common = {
        **_common(row, str(one.pk), one.created_at, writer, _client(one.actor_kind, one.actor_id)),
        **without_nothing(text=one.text, richText=one.html or None),
        "attachments": [_attachment(file) for file in files],
    }
    if one.kind == MessageKind.COMMENT:
        return common | {
            "type": "COMMENT",
            "senders": [without_nothing(actorId=writer, name=one.sender_name or None)],
        }
    is_ours = one.direction == Direction.OUT
    address = row.address if is_ours else one.sender_address
    return common | without_nothing(
        type="MESSAGE",
        senders=[
            without_nothing(
                actorId=writer,
                name=one.sender_name or None,
                senderField="FROM",
                deliveryIdentifier=naming.identifier(row.channel, address) if address else None,
            )
        ],
        recipients=_recipients(row, one),
        subject=one.subject or row.subject,
        direction="OUTGOING" if is_ours else "INCOMING",
        channelId=naming.channel_id(row.channel),
        channelAccountId=str(row.channel_account_id),
        inReplyToId=str(answers) if answers else None,
        truncationStatus="TRUNCATED_TO_MOST_RECENT_REPLY" if one.quoted else "NOT_TRUNCATED",
        status=_status(one),
    )


def _writer(one: Message, seen: Collection[int]) -> str:
    """A contact that the viewer may not see is only an address."""
    if one.actor_kind == ActorKind.VISITOR and one.actor_id not in seen:
        return f"{naming.ADDRESS}-{one.sender_address}" if one.sender_address else naming.PRODUCT
    if one.actor_kind == ActorKind.USER and one.actor_id is None:  # a colleague by mail
        return f"{naming.ADDRESS}-{one.sender_address}"
    return naming.actor(one.actor_kind, one.actor_id)


def _recipients(row: Row, one: Message) -> list[dict[str, Any]]:
    return [
        without_nothing(
            actorId=f"{naming.ADDRESS}-{box['email']}",
            name=box.get("name") or None,
            recipientField=line.upper(),
            deliveryIdentifier=naming.identifier(row.channel, box["email"]),
        )
        for line in ("to", "cc", "bcc")
        for box in one.recipients.get(line, ())
    ]


def _status(one: Message) -> dict[str, Any]:
    if one.direction == Direction.IN:
        return {"statusType": "RECEIVED"}
    if one.delivery in (Delivery.FAILED, Delivery.BOUNCED):
        return {"statusType": "FAILED", "failureDetails": {"errorMessage": one.delivery_error}}
    return {"statusType": "SENT"}  # what waits in the outbox, too: the contract has no word for it


def _attachment(file: Attachment) -> dict[str, Any]:
    kind = file.content_type.partition("/")[0].upper()
    return {
        "type": "FILE",
        "fileId": file_id(file.pk),
        "name": file.name,
        "fileUsageType": kind if kind in ("IMAGE", "AUDIO") else "OTHER",
    }


def file_id(attachment_id: int) -> str:
    """Of what came or left with a message, to tell it from files that were uploaded on their own."""
    return f"attachment-{attachment_id}"


# ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────────


def _changed(row: Row, ids: Collection[int]) -> dict[tuple[int, int], dict[str, Any]]:
    """Of its ticket."""
    found = PropertyChange.objects.filter(account_id=current_account_id(), pk__in=ids) if ids else ()
    made = {}
    for one in found:
        place = Place(one.changed_at, CHANGED, one.pk)
        is_owner = one.property == _OWNER
        more = _assignment(one.old, one.new) if is_owner else _status_change(_is_open(one.new))
        made[CHANGED, one.pk] = _event(row, place, one.actor_kind, one.actor_id, more)
    return made


def _is_open(stage_id: Any) -> bool:
    stage = pipelines_of("ticket").find(stage_id)
    return stage is None or stage.is_open


def _happened(row: Row, ids: Collection[int]) -> dict[tuple[int, int], dict[str, Any]]:
    """Of itself, while it belongs to no ticket."""
    made = {}
    for one in events.of_ids(current_account_id(), ids) if ids else ():
        changes = one.data["changes"]
        if one.kind == conversations.ASSIGNED:
            more = _assignment(*changes["assignee_id"])
        else:
            more = _status_change(changes["is_open"][1])
        place, by = Place(one.at, HAPPENED, one.id), one.by
        made[HAPPENED, one.id] = _event(row, place, by.kind, by.id, more)
    return made


def _assignment(before: int | None, after: int | None) -> dict[str, Any]:
    return {
        "type": "ASSIGNMENT",
        **without_nothing(
            assignedFrom=naming.agent(before) if before else None,
            assignedTo=naming.agent(after) if after else None,
        ),
    }


def _status_change(is_open: bool) -> dict[str, Any]:
    return {"type": "THREAD_STATUS_CHANGE", "newStatus": "OPEN" if is_open else "CLOSED"}


def _event(
    row: Row, place: Place, actor_kind: str, actor_id: int | None, more: dict[str, Any]
) -> dict[str, Any]:
    by = naming.actor(actor_kind, actor_id)
    return _common(row, place.name, place.at, by, _client(actor_kind, actor_id)) | more


def _common(row: Row, pk: str, at: datetime, by: str, client: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": pk, "conversationsThreadId": str(row.id), "createdAt": moment(at), "createdBy": by, "client": client,
        "senders": [{"actorId": by}], "recipients": [], "archived": row.archived_at is not None,
    }  # fmt: skip


def _client(actor_kind: str, actor_id: int | None) -> dict[str, Any]:
    if actor_kind == ActorKind.INTEGRATION:
        return {"clientType": "INTEGRATION", **without_nothing(integrationAppId=actor_id)}
    return {"clientType": "HUBSPOT" if actor_kind == ActorKind.USER else "SYSTEM"}
