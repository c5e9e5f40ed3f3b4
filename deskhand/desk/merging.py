"""Two tickets become one, and for a while two again.

The primary survives with its id, number, owner and status (R-MERGE-8, R-MERGE-7); its values stand, it is as old as the
older one (R-MERGE-2). Threads move, so that later mail to either lands in it (R-MERGE-6). The other one is archived and
leads to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.records import associations, tickets
from deskhand.crm.records.models import Association, Task, Ticket
from deskhand.crm.records.store import Change
from deskhand.desk.models import Draft, Follower, LaterReply, Mention, Merge, Message, Snooze, Thread
from deskhand.events import log
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound

MERGED, UNMERGED = "ticket.merged", "ticket.unmerged"
MOST = 250  # R-MERGE-3
PARTED_WITHIN = timedelta(days=30)  # R-MERGE-8
#: What goes along by its ticket's id, and comes back.
_MOVING: dict[str, Any] = {"threads": Thread, "messages": Message, "mentions": Mention, "later": LaterReply}


def merge(primary_id: int, other_id: int, *, by: Actor, at: datetime | None = None) -> Merge:
    """Let the other ticket go into the primary one. Raises NotFound, and Invalid for the same one or too many."""
    at, account_id = at or clock.now(), current_account_id()
    if primary_id == other_id:
        raise Invalid(_("Choose two different tickets."), field="other", value=other_id)
    primary, other = _locked(primary_id, other_id)
    if _count(account_id, [primary_id, other_id]) >= MOST:
        raise Invalid(_("These tickets were merged too often already."), field="other", value=other_id)
    moved = _move(account_id, primary_id, other_id)
    moved["before"] = {"created_at": primary.created_at.isoformat()}
    moved |= _unite(account_id, primary_id, other_id, at)
    tickets.change_many([_joined(primary, other)], by=by, at=at, source="MERGE")
    Snooze.objects.filter(account_id=account_id, ticket_id=other_id).delete()
    tickets.archive([other_id], by=by, at=at)
    Ticket.objects.filter(account_id=account_id, pk=other_id).update(merged_into_id=primary_id)
    Ticket.objects.filter(account_id=account_id, merged_into_id=other_id).update(merged_into_id=primary_id)
    made = Merge.objects.create(
        account_id=account_id, survivor_id=primary_id, merged_id=other_id, merged_at=at, merged_by=by.id or 0, moved=moved
    )  # fmt: skip
    _tell(MERGED, primary_id, {"ticket_id": primary_id, "merged_id": other_id}, by, at)
    return made


def _locked(*ticket_ids: int) -> tuple[Ticket, Ticket]:
    found = Ticket.objects.filter(account_id=current_account_id(), pk__in=ticket_ids, archived_at=None)
    by_id = {ticket.pk: ticket for ticket in found.order_by("id").select_for_update(no_key=True)}
    if len(by_id) < 2:
        raise NotFound(_("There is no such ticket."))
    return by_id[ticket_ids[0]], by_id[ticket_ids[1]]


def _count(account_id: int, ticket_ids: Sequence[int]) -> int:
    return Merge.objects.filter(account_id=account_id, survivor_id__in=ticket_ids, undone_at=None).count()


def _move(account_id: int, primary_id: int, other_id: int) -> dict[str, Any]:
    moved: dict[str, Any] = {}
    for name, model in _MOVING.items():
        found = model.objects.filter(account_id=account_id, ticket_id=other_id)
        moved[name] = sorted(found.values_list("pk", flat=True))
        found.update(ticket_id=primary_id)
    tasks = Task.objects.filter(account_id=account_id, object_type="ticket", record_id=other_id)
    moved["tasks"] = sorted(tasks.values_list("pk", flat=True))
    tasks.update(record_id=primary_id)
    have = Draft.objects.filter(account_id=account_id, ticket_id=primary_id).values_list("user_id", "mode")
    taken = set(have)
    drafts = Draft.objects.filter(account_id=account_id, ticket_id=other_id)
    moved["drafts"] = [
        pk for pk, *key in drafts.values_list("pk", "user_id", "mode") if tuple(key) not in taken
    ]
    drafts.filter(pk__in=moved["drafts"]).update(ticket_id=primary_id)
    return moved


def _unite(account_id: int, primary_id: int, other_id: int, at: datetime) -> dict[str, Any]:
    """The followers and links of both (R-MERGE-7); returns which of them are new to the primary."""
    known = Follower.objects.filter(account_id=account_id, ticket_id=primary_id).values_list(
        "user_id", flat=True
    )
    coming = Follower.objects.filter(account_id=account_id, ticket_id=other_id, follows=True)
    new = sorted(set(coming.values_list("user_id", flat=True)) - set(known))
    Follower.objects.bulk_create(
        [Follower(account_id=account_id, ticket_id=primary_id, user_id=user_id) for user_id in new]
    )
    mine = set(_links(account_id, primary_id))
    links = [
        link for link in _links(account_id, other_id) if link not in mine and link != ("ticket", primary_id)
    ]
    associations.link_many([("ticket", primary_id, to_type, to_id) for to_type, to_id in links], at)
    return {"followers": new, "links": [list(link) for link in links]}


def _links(account_id: int, ticket_id: int) -> list[tuple[str, int]]:
    found = Association.objects.filter(account_id=account_id, from_type="ticket", from_id=ticket_id)
    return list(dict.fromkeys(found.order_by("id").values_list("to_type", "to_id")))


def _joined(primary: Ticket, other: Ticket) -> Change:
    values: dict[str, Any] = {
        "hs_merged_object_ids": sorted({*primary.properties.get("hs_merged_object_ids", []), other.pk})
    }
    for name in ("hs_tag_ids",):
        tags = sorted({*primary.properties.get(name, []), *other.properties.get(name, [])})
        if tags:
            values[name] = tags
    latest = max((primary, other), key=lambda ticket: ticket.sort_at)
    facts = {
        "created_at": min(primary.created_at, other.created_at), "sort_at": latest.sort_at, "preview": latest.preview,
        "message_count": primary.message_count + other.message_count,
        "last_message_from_visitor": latest.last_message_from_visitor,
        "last_received_at": _latest(primary.last_received_at, other.last_received_at),
        "last_sent_at": _latest(primary.last_sent_at, other.last_sent_at),
    }  # fmt: skip
    return Change(primary.pk, values, facts)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


# ── and back ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def unmerge(merge_id: int, *, by: Actor, at: datetime | None = None) -> int:
    """Part them again, with what was said in each one's threads since; returns the id of the ticket that came back.

    Raises NotFound, and Conflict after 30 days, or while the survivor is itself merged into another one.
    """
    at, account_id = at or clock.now(), current_account_id()
    made = (
        Merge.objects.select_for_update().filter(account_id=account_id, pk=merge_id, undone_at=None).first()
    )
    if made is None:
        raise NotFound(_("There is no such merge."))
    if at > made.merged_at + PARTED_WITHIN:
        raise Conflict(_("Tickets can be parted for 30 days after they were merged."))
    survivor = Ticket.objects.select_for_update(no_key=True).get(account_id=account_id, pk=made.survivor_id)
    if survivor.archived_at is not None:
        raise Conflict(_("The ticket is archived or merged into another one. Bring it back first."))
    tickets.restore([made.merged_id], by=by)
    Ticket.objects.filter(account_id=account_id, pk=made.merged_id).update(merged_into_id=None)
    _move_back(account_id, made)
    _count_again(account_id, made, survivor, by, at)
    made.undone_at = at
    made.save(update_fields=["undone_at"])
    _tell(UNMERGED, made.survivor_id, {"ticket_id": made.survivor_id, "merged_id": made.merged_id}, by, at)
    return made.merged_id


def _move_back(account_id: int, made: Merge) -> None:
    to, moved = made.merged_id, made.moved
    Message.objects.filter(account_id=account_id, thread_id__in=moved["threads"]).update(ticket_id=to)
    for name, model in (*_MOVING.items(), ("drafts", Draft)):
        model.objects.filter(account_id=account_id, pk__in=moved[name]).update(ticket_id=to)
    Task.objects.filter(account_id=account_id, pk__in=moved["tasks"]).update(record_id=to)
    followers = Follower.objects.filter(account_id=account_id, ticket_id=made.survivor_id)
    followers.filter(user_id__in=moved["followers"]).delete()
    for to_type, to_id in moved["links"]:
        there = {"from_type": "ticket", "from_id": made.survivor_id, "to_type": to_type, "to_id": to_id}
        back = {"from_type": to_type, "from_id": to_id, "to_type": "ticket", "to_id": made.survivor_id}
        for side in (there, back):
            Association.objects.filter(account_id=account_id, **side).delete()


def _count_again(account_id: int, made: Merge, survivor: Ticket, by: Actor, at: datetime) -> None:
    said = {
        pk: Message.objects.filter(account_id=account_id, ticket_id=pk, kind="MESSAGE").count()
        for pk in (made.survivor_id, made.merged_id)
    }
    rest = [pk for pk in survivor.properties.get("hs_merged_object_ids", []) if pk != made.merged_id]
    created_at = datetime.fromisoformat(made.moved["before"]["created_at"])
    changes = [
        Change(
            made.survivor_id,
            {"hs_merged_object_ids": rest or None},
            {"message_count": said[made.survivor_id], "created_at": created_at},
        ),
        Change(made.merged_id, {}, {"message_count": said[made.merged_id]}),
    ]
    tickets.change_many(changes, by=by, at=at, source="MERGE")


def survivor_of(ticket_id: int) -> int | None:
    """Where a merged ticket went (R-MERGE-6); None for one that was not merged."""
    found = Ticket.objects.filter(account_id=current_account_id(), pk=ticket_id)
    row = found.values_list("merged_into_id").first()
    return row[0] if row else None


def of(ticket_id: int, now: datetime) -> list[Merge]:
    """What went into a ticket and can be parted from it, latest first."""
    found = Merge.objects.filter(account_id=current_account_id(), survivor_id=ticket_id, undone_at=None)
    return list(found.filter(merged_at__gt=now - PARTED_WITHIN).order_by("-id"))


def _tell(kind: str, ticket_id: int, data: dict[str, Any], by: Actor, at: datetime) -> None:
    version = Ticket.objects.values_list("version", flat=True).get(
        account_id=current_account_id(), pk=ticket_id
    )
    log.record(kind, object_type="ticket", object_id=ticket_id, version=version, by=by, data=data, at=at)
