"""What the history of a ticket says of what is no property: its tasks, its links, what was split off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from deskhand.crm.records import history

_TASK: Mapping[str, str | Promise] = {
    "created": gettext_lazy("Task added: %(title)s"),
    "edited": gettext_lazy("Task edited: %(title)s"),
    "done": gettext_lazy("Task done: %(title)s"),
    "reopened": gettext_lazy("Task opened again: %(title)s"),
    "deleted": gettext_lazy("Task deleted: %(title)s"),
    "restored": gettext_lazy("Task restored: %(title)s"),
}
_SENTENCES = {history.TASK: _TASK}


def sentence(about: str, what: Mapping[str, Any]) -> str:
    """In words what `history.Line` keeps; "" for what is none of ours."""
    found = _SENTENCES.get(about, {}).get(str(what.get("did")), "")
    return str(found) % what if found else ""
