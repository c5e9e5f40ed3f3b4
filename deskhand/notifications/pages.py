"""Where the pages are that mails and the bell lead to.

Written out, because the worker writes such mails: to ask the routes, it would have to load every screen (15 MB).
"""

from __future__ import annotations

SETTINGS = "/settings/notifications"
SYSTEM = "/settings/system"


def ticket(ticket_id: int, task_id: int | None = None) -> str:
    """The ticket; with the task beside it."""
    return f"/inbox/all-open/{ticket_id}" + (f"#task-{task_id}" if task_id else "")


#: Where records that are no tickets have their pages.
FOLDERS = {"contact": "contacts", "company": "companies"}


def record(object_type: str, record_id: int) -> str:
    """The page of a record; "" where its kind has none."""
    if object_type == "ticket":
        return ticket(record_id)
    return f"/{FOLDERS[object_type]}/{record_id}" if object_type in FOLDERS else ""


def workflow(workflow_id: int) -> str:
    return f"/settings/pipelines/workflows/{workflow_id}"


def channel(channel_account_id: int) -> str:
    return f"/settings/channels/{channel_account_id}"
