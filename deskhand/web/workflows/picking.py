"""Finding a record of a kind by its name."""

from __future__ import annotations

from deskhand.accounts.types import Viewer
from deskhand.automation import history
from deskhand.automation.history import Named
from deskhand.crm.records import search

MOST = 20


def found(viewer: Viewer, object_type: str, text: str) -> list[Named]:
    """Records that the viewer may see; for no words the newest ones."""
    match object_type if text else "":
        case "ticket":
            ids = [hit.id for hit in search.tickets(viewer, text, limit=MOST).hits]
        case "contact":
            ids = [hit.id for hit in search.contacts(viewer, text, limit=MOST).hits]
        case "company":
            ids = [hit.id for hit in search.companies(viewer, text, limit=MOST).hits]
        case "deal":
            ids = [hit.id for hit in search.deals(viewer, text, limit=MOST).hits]
        case _:
            return history.candidates(viewer, object_type, text, MOST)
    named = {one.id: one for one in history.within(viewer, object_type, ids)}
    return [named[pk] for pk in ids if pk in named]
