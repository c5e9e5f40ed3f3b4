"""What did it: a person, a rule of the pipeline or channel, or the step of a workflow, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.automation.models import Workflow
from deskhand.crm.records.models import PropertyChange
from deskhand.crm.schema.tags import tags
from deskhand.events import queries as events
from deskhand.web.choices import joined


def of_workflows(account_id: int, changes: Sequence[PropertyChange]) -> dict[int, str]:
    """{event id: the workflow that made it, with its step}."""
    return of_events(account_id, [c.event_id for c in changes if c.event_id and c.actor_kind == "workflow"])


def of_events(account_id: int, event_ids: Sequence[int]) -> dict[int, str]:
    """The same for events that workflows caused."""
    causes = events.causes_of(account_id, event_ids)
    names = workflow_names(account_id, (cause.get("workflow_id") for cause in causes.values()))
    return {event_id: _said(cause, names) for event_id, cause in causes.items()}


def workflow_names(account_id: int, ids: Iterable[int | None]) -> dict[int, str]:
    """{workflow: its name}, of those that there are. One query, none for none."""
    found = Workflow.objects.filter(account_id=account_id, pk__in={one for one in ids if one})
    return dict(found.values_list("pk", "name"))


def _said(cause: Mapping[str, Any], names: Mapping[int, str]) -> str:
    name = names.get(cause.get("workflow_id") or 0)
    if name is None:
        return _("a workflow")
    step = cause.get("step_id")
    words = {"name": name, "step": step}
    return _("workflow “%(name)s”, step %(step)s") % words if step else _("workflow “%(name)s”") % words


def of_tags(change: PropertyChange) -> str:
    """The rules that put tags on in this change, or took them off (R-BOARD-3)."""
    moved = set(change.old or ()) ^ set(change.new or ())
    names = [_("“%(name)s”") % {"name": one.label} for one in tags() if one.value in moved]
    if not names:
        return _("the rule of a tag")
    text = ngettext("the rule of the tag %(names)s", "the rules of the tags %(names)s", len(names))
    return text % {"names": joined(names)}
