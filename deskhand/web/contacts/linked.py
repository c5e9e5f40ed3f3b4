"""What a contact or a company is linked to besides each other and tickets: people among themselves, deals, projects."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, islice

from deskhand.accounts.types import Viewer
from deskhand.crm.records.models import Association
from deskhand.web.contacts.rows import LinkGroup
from deskhand.web.contacts.words import Kind
from deskhand.web.inbox import links


def kinds(kind: Kind) -> dict[str, links.Kind]:
    """What is linked here: the other kind and tickets have parts of their own."""
    return {key: one for key, one in links.kinds().items() if key not in ("ticket", kind.other)}


def linked_ids(kind: Kind, record_id: int, account_id: int) -> dict[str, list[int]]:
    """{kind: ids in the order of linking}"""
    ids: dict[str, list[int]] = defaultdict(list)
    found = Association.objects.filter(
        account_id=account_id,
        from_type=kind.key,
        from_id=record_id,
        to_type__in=kinds(kind),
        label_type_id=None,
    )
    for to_type, to_id in found.order_by("id").values_list("to_type", "to_id"):
        ids[to_type].append(to_id)
    return ids


def groups(viewer: Viewer, kind: Kind, record_id: int) -> tuple[LinkGroup, ...]:
    """Those that the viewer may see, with what they are to the record."""
    ids = linked_ids(kind, record_id, viewer.account_id)
    lines = [(one, links.lines(viewer, one, ids[key])) for key, one in kinds(kind).items() if ids.get(key)]
    every = iter(links.labeled(kind.key, record_id, chain.from_iterable(found for _one, found in lines)))
    return tuple(
        LinkGroup(str(one.title), one.icon, tuple(islice(every, len(found)))) for one, found in lines if found
    )
