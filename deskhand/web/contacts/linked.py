"""What a contact or a company is linked to besides each other and tickets: people among themselves, deals, projects."""

from __future__ import annotations

from deskhand.accounts.types import Viewer
from deskhand.web.contacts.words import Kind
from deskhand.web.inbox import links
from deskhand.web.inbox.panel_rows import LinkGroup


def kinds(kind: Kind) -> dict[str, links.Kind]:
    """What is linked here: the other kind and tickets have parts of their own."""
    return {key: one for key, one in links.kinds().items() if key not in ("ticket", kind.other)}


def linked_ids(kind: Kind, record_id: int, account_id: int) -> dict[str, list[int]]:
    """{kind: ids in the order of linking}, of every kind that is linked here."""
    known = kinds(kind)
    ids = links.linked_ids(account_id, kind.key, record_id, known)
    return {key: ids.get(key, []) for key in known}


def groups(viewer: Viewer, kind: Kind, record_id: int) -> tuple[LinkGroup, ...]:
    ids = linked_ids(kind, record_id, viewer.account_id)
    return links.groups(kind.key, record_id, links.lines_of(viewer, ids))
