"""Where the pages are that mails and the bell lead to.

Written out, because the worker writes such mails: to ask the routes, it would have to load every screen (15 MB).
"""

from __future__ import annotations

SETTINGS = "/settings/notifications"
SYSTEM = "/settings/system"
AVAILABILITY = "/settings/availability"


def ticket(ticket_id: int, task_id: int | None = None) -> str:
    """The ticket; with the task beside it."""
    return f"/inbox/all-open/{ticket_id}" + (f"#task-{task_id}" if task_id else "")


#: Where records that are no tickets have their pages.
FOLDERS = {
    "contact": "contacts", "company": "companies", "deal": "records/deals", "project": "records/projects",
}  # fmt: skip


def record(object_type: str, record_id: int) -> str:
    """The page of a record."""
    if object_type == "ticket":
        return ticket(record_id)
    folder = FOLDERS.get(object_type) or f"records/{object_type}"
    return f"/{folder}/{record_id}"


def workflow(workflow_id: int) -> str:
    return f"/settings/pipelines/workflows/{workflow_id}"


def step_comment(workflow_id: int, comment_id: int | None = None) -> str:
    """The comments with this one; without it with the one that called the reader last."""
    return f"{workflow(workflow_id)}?comment={comment_id or 'last'}"


def channel(channel_account_id: int) -> str:
    return f"/settings/channels/{channel_account_id}"
