"""What documents name."""

from __future__ import annotations

from enum import StrEnum


class Thing(StrEnum):
    """What is named, and by what."""

    USER = "user"  # e-mail address
    TEAM = "team"  # name
    STAGE = "status"  # id of the API; its label in brackets is for the reader
    PIPELINE = "pipeline"  # likewise
    MAIL = "mail"  # key of a built-in one, name of another
    WORKFLOW = "workflow"  # name; a lane is named by its status
    CHANNEL = "channel"  # address
    INBOX = "inbox"  # name
    SEGMENT = "segment"  # name
    SUBSCRIPTION = "kind of mail"  # name
    QUEUE = "task queue"  # name
    LABEL = (
        "label"  # the kinds of records that it leads from and to, and its name: "contact/company/reseller"
    )
    SECRET = "secret"  # name
    SKILL = "skill"  # its category and its name: "Languages/German"
    SKILL_RULES = "set of skill rules"  # name
