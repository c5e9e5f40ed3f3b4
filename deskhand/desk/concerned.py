"""Whom messages and tickets concern: who was mentioned, and who follows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from deskhand.desk.models import Follower, Mention


def mentioned(account_id: int, message_ids: Collection[int]) -> dict[int, list[int]]:
    """{message: users}; one query, none for no messages."""
    found: dict[int, list[int]] = defaultdict(list)
    if message_ids:
        rows = Mention.objects.filter(account_id=account_id, message_id__in=message_ids)
        for message_id, user_id in rows.values_list("message_id", "user_id").order_by("id"):
            found[message_id].append(user_id)
    return found


def followers(account_id: int, ticket_ids: Collection[int]) -> dict[int, list[int]]:
    """{ticket: users}; one query, none for no tickets."""
    found: dict[int, list[int]] = defaultdict(list)
    if ticket_ids:
        rows = Follower.objects.filter(account_id=account_id, ticket_id__in=ticket_ids, follows=True)
        for ticket_id, user_id in rows.values_list("ticket_id", "user_id").order_by("id"):
            found[ticket_id].append(user_id)
    return found
