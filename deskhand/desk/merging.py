"""Two or more tickets become one, and for a while each its own again.

The primary survives with its id, number, owner and status (R-MERGE-8, R-MERGE-7); its values stand, it is as old as the
older one (R-MERGE-2). Threads move, so that later mail to either lands in it (R-MERGE-6). The other one is archived and
leads to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.records import associations, directory, joining, labeling, tasks, tickets
from deskhand.crm.records.models import Association, Ticket
from deskhand.crm.records.store import Change
from deskhand.desk.models import Draft, Follower, LaterReply, Mention, Merge, Message, Snooze, Thread
from deskhand.desk.splitting import facts_of, said_in
from deskhand.events import log
from deskhand.events.types import Actor, NewEvent
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
    return merge_many(primary_id, [other_id], by=by, at=at)[0]


def merge_many(
    primary_id: int, other_ids: Sequence[int], *, by: Actor, at: datetime | None = None
) -> list[Merge]:
    """Let several tickets go into the primary one; each of them can be parted again. Raises as `merge`."""
    at, account_id = at or clock.now(), current_account_id()
    others = sorted(set(other_ids))
    if not others or primary_id in others:
        raise Invalid(_("Choose two different tickets."), field="other", value=primary_id)
    primary, gone = _locked(primary_id, others)
    if _count(account_id, [primary_id, *others]) + len(others) > MOST:
        raise Invalid(_("These tickets were merged too often already."), field="other", value=len(others))
    moved = _move(account_id, primary_id, others)
    _unite(account_id, primary_id, moved, at)
    for one in moved.values():
        one["before"] = {"created_at": primary.created_at.isoformat()}
    tickets.change_many([_joined(primary, gone)], by=by, at=at, source="MERGE")
    Snooze.objects.filter(account_id=account_id, ticket_id__in=others).delete()
    tickets.archive(others, by=by, at=at)
    away = Ticket.objects.filter(account_id=account_id)
    away.filter(pk__in=others).update(merged_into_id=primary_id)
    away.filter(merged_into_id__in=others).update(merged_into_id=primary_id)
    made = Merge.objects.bulk_create(
        Merge(account_id=account_id, survivor_id=primary_id, merged_id=pk, merged_at=at, merged_by=by.id or 0, moved=moved[pk])
        for pk in others
    )  # fmt: skip
    _tell(MERGED, primary_id, others, by, at)
    return made


def _locked(primary_id: int, other_ids: Sequence[int]) -> tuple[Ticket, list[Ticket]]:
    wanted = [primary_id, *other_ids]
    found = Ticket.objects.filter(account_id=current_account_id(), pk__in=wanted, archived_at=None)
    by_id = {ticket.pk: ticket for ticket in found.order_by("id").select_for_update(no_key=True)}
    if len(by_id) < len(wanted):
        raise NotFound(_("There is no such ticket."))
    return by_id[primary_id], [by_id[pk] for pk in other_ids]


def _count(account_id: int, ticket_ids: Sequence[int]) -> int:
    return Merge.objects.filter(account_id=account_id, survivor_id__in=ticket_ids, undone_at=None).count()


Moved = dict[int, dict[str, Any]]  # by the ticket that goes away


def _move(account_id: int, primary_id: int, other_ids: Sequence[int]) -> Moved:
    moved: Moved = {pk: {"drafts": [], "followers": [], "links": [], "labels": []} for pk in other_ids}
    for name, model in _MOVING.items():
        found = model.objects.filter(account_id=account_id, ticket_id__in=other_ids)
        for one in moved.values():
            one[name] = []
        for pk, ticket_id in found.order_by("pk").values_list("pk", "ticket_id"):
            moved[ticket_id][name].append(pk)
        found.update(ticket_id=primary_id)
    for ticket_id, of_tasks in tasks.hand_over("ticket", other_ids, primary_id).items():
        moved[ticket_id] |= of_tasks
    _move_drafts(account_id, primary_id, moved)
    return moved


def _move_drafts(account_id: int, primary_id: int, moved: Moved) -> None:
    """Of each person one of each kind; the primary's own goes first."""
    mine = Draft.objects.filter(account_id=account_id)
    taken = set(mine.filter(ticket_id=primary_id).values_list("user_id", "mode"))
    going = []
    coming = mine.filter(ticket_id__in=moved).order_by("pk").values_list("pk", "ticket_id", "user_id", "mode")
    for pk, ticket_id, user_id, mode in coming:
        if (user_id, mode) not in taken:
            taken.add((user_id, mode))
            moved[ticket_id]["drafts"].append(pk)
            going.append(pk)
    mine.filter(pk__in=going).update(ticket_id=primary_id)


def _unite(account_id: int, primary_id: int, moved: Moved, at: datetime) -> None:
    """The followers and links of all (R-MERGE-7); notes with each ticket which of them it brought."""
    mine = Follower.objects.filter(account_id=account_id)
    known = set(mine.filter(ticket_id=primary_id).values_list("user_id", flat=True))
    coming = mine.filter(ticket_id__in=moved, follows=True).order_by("ticket_id", "user_id")
    for ticket_id, user_id in coming.values_list("ticket_id", "user_id"):
        if user_id not in known:
            known.add(user_id)
            moved[ticket_id]["followers"].append(user_id)
    new = [user_id for one in moved.values() for user_id in one["followers"]]
    Follower.objects.bulk_create(
        Follower(account_id=account_id, ticket_id=primary_id, user_id=pk) for pk in new
    )
    links = _links(account_id, [primary_id, *moved])
    have = {("ticket", primary_id), *(("ticket", pk) for pk in moved), *links.get(primary_id, ())}
    for ticket_id, one in moved.items():
        one["links"] = [list(link) for link in links.get(ticket_id, ()) if link not in have]
        have.update(links.get(ticket_id, ()))
    made = [
        ("ticket", primary_id, to_type, to_id) for one in moved.values() for to_type, to_id in one["links"]
    ]
    associations.link_many(made, at)
    labels = labeling.copy_labels("ticket", list(moved), primary_id, at)
    for ticket_id, one in moved.items():
        one["labels"] = [list(label) for label in labels.get(ticket_id, ())]


def _links(account_id: int, ticket_ids: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    """{ticket: what it is linked to, once each}."""
    links: dict[int, list[tuple[str, int]]] = {}
    found = Association.objects.filter(account_id=account_id, from_type="ticket", from_id__in=ticket_ids)
    for from_id, to_type, to_id in found.order_by("id").values_list("from_id", "to_type", "to_id"):
        of_ticket = links.setdefault(from_id, [])
        if (to_type, to_id) not in of_ticket:
            of_ticket.append((to_type, to_id))
    return links


def _joined(primary: Ticket, others: Sequence[Ticket]) -> Change:
    everyone = [primary, *others]
    ids = {*primary.properties.get("hs_merged_object_ids", []), *(ticket.pk for ticket in others)}
    values: dict[str, Any] = {"hs_merged_object_ids": sorted(ids)}
    tags = sorted({tag for ticket in everyone for tag in ticket.properties.get("hs_tag_ids", [])})
    if tags:
        values["hs_tag_ids"] = tags
    latest = max(everyone, key=lambda ticket: ticket.sort_at)
    facts = {
        "created_at": min(ticket.created_at for ticket in everyone), "sort_at": latest.sort_at, "preview": latest.preview,
        "message_count": sum(ticket.message_count for ticket in everyone),
        "last_message_from_visitor": latest.last_message_from_visitor,
        "last_received_at": _latest(ticket.last_received_at for ticket in everyone),
        "last_sent_at": _latest(ticket.last_sent_at for ticket in everyone),
    }  # fmt: skip
    return Change(primary.pk, values, facts)


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
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
    Ticket.objects.filter(account_id=account_id, pk=made.merged_id).update(merged_into_id=None)
    joining.bring_values_back("ticket", made.merged_id, by, at)
    tickets.restore([made.merged_id], by=by)
    _move_back(account_id, made)
    _count_again(account_id, made, survivor, by, at)
    made.undone_at = at
    made.save(update_fields=["undone_at"])
    _tell(UNMERGED, made.survivor_id, [made.merged_id], by, at)
    return made.merged_id


def _move_back(account_id: int, made: Merge) -> None:
    to, moved = made.merged_id, made.moved
    Message.objects.filter(account_id=account_id, thread_id__in=moved["threads"]).update(ticket_id=to)
    for name, model in (*_MOVING.items(), ("drafts", Draft)):
        model.objects.filter(account_id=account_id, pk__in=moved[name]).update(ticket_id=to)
    tasks.hand_back("ticket", made.survivor_id, to, moved)
    followers = Follower.objects.filter(account_id=account_id, ticket_id=made.survivor_id)
    followers.filter(user_id__in=moved["followers"]).delete()
    associations.unlink_many(
        [("ticket", made.survivor_id, to_type, to_id) for to_type, to_id in moved["links"]]
    )
    labeling.take_labels(
        "ticket", made.survivor_id, [(to_type, to_id, label) for to_type, to_id, label in moved["labels"]]
    )


def _count_again(account_id: int, made: Merge, survivor: Ticket, by: Actor, at: datetime) -> None:
    """Each knows again of what was said in it, and of nothing else: how much, what last, and when (R-MERGE-8)."""
    said = said_in(account_id, [made.survivor_id, made.merged_id])
    rest = [pk for pk in survivor.properties.get("hs_merged_object_ids", []) if pk != made.merged_id]
    changes = [
        Change(
            made.survivor_id,
            {"hs_merged_object_ids": rest or None},
            {**facts_of(said[made.survivor_id]), "created_at": _age(account_id, made)},
        ),
        Change(made.merged_id, {}, facts_of(said[made.merged_id])),
    ]
    tickets.change_many(changes, by=by, at=at, source="MERGE")


def _age(account_id: int, parted: Merge) -> datetime:
    """When the survivor was made without this one: its own date, or that of what else is part of it (R-MERGE-2)."""
    all_of_it = Merge.objects.filter(account_id=account_id, survivor_id=parted.survivor_id).order_by("id")
    own = all_of_it.values_list("moved__before__created_at", flat=True)[0]
    rest = all_of_it.filter(undone_at=None).exclude(pk=parted.pk).values_list("merged_id", flat=True)
    others = Ticket.objects.filter(account_id=account_id, pk__in=list(rest)).values_list(
        "created_at", flat=True
    )
    return min([datetime.fromisoformat(own), *others])


def survivor_of(ticket_id: int) -> int | None:
    """What a merged ticket is part of now (R-MERGE-6); None for one that was not merged."""
    return directory.survivors("ticket", [ticket_id]).get(ticket_id)


def of(ticket_id: int, now: datetime) -> list[Merge]:
    """What went into a ticket and can be parted from it, latest first."""
    found = Merge.objects.filter(account_id=current_account_id(), survivor_id=ticket_id, undone_at=None)
    return list(found.filter(merged_at__gt=now - PARTED_WITHIN).order_by("-id"))


def _tell(kind: str, ticket_id: int, merged_ids: Sequence[int], by: Actor, at: datetime) -> None:
    version = Ticket.objects.values_list("version", flat=True).get(
        account_id=current_account_id(), pk=ticket_id
    )
    log.record_many(
        [
            NewEvent(
                kind, "ticket", ticket_id, version, by, at, {"ticket_id": ticket_id, "merged_id": merged_id}
            )
            for merged_id in merged_ids
        ]
    )
