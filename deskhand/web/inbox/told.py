"""What the history of a ticket says of what is no property: its tasks, its links, what was split off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext_lazy

from deskhand.crm.records import history
from deskhand.crm.records.labeling import RELABELED
from deskhand.web.choices import joined

_TASK: Mapping[str, str | Promise] = {
    "created": gettext_lazy("Task added: %(title)s"),
    "edited": gettext_lazy("Task edited: %(title)s"),
    "done": gettext_lazy("Task done: %(title)s"),
    "reopened": gettext_lazy("Task opened again: %(title)s"),
    "deleted": gettext_lazy("Task deleted: %(title)s"),
    "restored": gettext_lazy("Task restored: %(title)s"),
}
_LINKED: Mapping[str, Mapping[str, str | Promise]] = {
    "linked": {
        "contact": gettext_lazy("Linked to the contact %(title)s"),
        "company": gettext_lazy("Linked to the company %(title)s"),
        "ticket": gettext_lazy("Linked to the ticket %(title)s"),
        "deal": gettext_lazy("Linked to the deal %(title)s"),
        "record": gettext_lazy("Linked to %(title)s"),
        "": gettext_lazy("Linked to another record"),
    },
    "unlinked": {
        "contact": gettext_lazy("No longer linked to the contact %(title)s"),
        "company": gettext_lazy("No longer linked to the company %(title)s"),
        "ticket": gettext_lazy("No longer linked to the ticket %(title)s"),
        "deal": gettext_lazy("No longer linked to the deal %(title)s"),
        "record": gettext_lazy("No longer linked to %(title)s"),
        "": gettext_lazy("No longer linked to another record"),
    },
}
#: What became of the labels of a link: with the name of the other record, and without.
_LABELS: Mapping[str, tuple[str | Promise, str | Promise]] = {
    "added": (
        gettext_lazy("Label of the link to %(title)s added: %(labels)s"),
        gettext_lazy("Label of a link added: %(labels)s"),
    ),
    "removed": (
        gettext_lazy("Label of the link to %(title)s removed: %(labels)s"),
        gettext_lazy("Label of a link removed: %(labels)s"),
    ),
}
_SPLIT: Mapping[str, Any] = {
    "moved": ngettext_lazy("%(count)s message moved to #%(number)s", "%(count)s messages moved to #%(number)s", "count"),
    "copied": ngettext_lazy("%(count)s message copied to #%(number)s", "%(count)s messages copied to #%(number)s", "count"),
    "moved_from": ngettext_lazy("Made of %(count)s message of #%(number)s", "Made of %(count)s messages of #%(number)s", "count"),
    "copied_from": ngettext_lazy("Made of a copy of %(count)s message of #%(number)s", "Made of a copy of %(count)s messages of #%(number)s", "count"),
    "back": gettext_lazy("Taken back: #%(number)s"),
}  # fmt: skip


def sentence(about: str, what: Mapping[str, Any], titles: Mapping[tuple[str, int], str]) -> str:
    """In words what `history.Line` keeps; `titles` are those of the records that the viewer may see."""
    did = str(what.get("did"))
    if about == history.TASK:
        return str(_TASK.get(did, "%(title)s")) % what
    if about == history.LINK:
        title = titles.get((what["type"], what["id"]), "")
        if did == RELABELED:
            return " · ".join(
                str(_LABELS[name][0 if title else 1]) % {"title": title, "labels": joined(what[name])}
                for name in _LABELS
                if what[name]
            )
        known = _LINKED[did]
        kind = what["type"] if what["type"] in known else "record"
        return str(known[kind if title else ""]) % {"title": title}
    if about == history.SPLIT:
        return str(_SPLIT[did] % what)
    return ""
