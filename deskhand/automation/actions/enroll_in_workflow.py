"""Enroll the record in another workflow of its kind, and stay in this one or go over to that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.types import Action, Doing, Done, Group, Then, failed, skipped
from deskhand.automation.engine.loops import Touches
from deskhand.automation.enrolling import by_hand
from deskhand.automation.enrolling.by_hand import OFF, Sent
from deskhand.automation.models import Workflow
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.text import whole

STAY, GO = "stay", "go"
WENT = "went_on"  # why a run ended that went over


class EnrollInWorkflow(Action):
    kind = "enroll_in_workflow"
    label = gettext_lazy("Enroll in another workflow")
    about = gettext_lazy("The record enters another workflow, whatever starts that one.")
    icon, tone, group = "workflow", "violet", Group.AUDIENCE
    enrolls = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        found = Workflow.objects.filter(
            account_id=around.account_id, object_type=around.object_type, archived_at=None
        ).order_by("name", "id")[:1000]
        then = (Option(STAY, _("Goes on here, too")), Option(GO, _("Leaves this workflow")))
        return (
            Setting(
                "workflow", _("Workflow"), Input.CHOICE, required=True,
                options=tuple(Option(str(one.pk), one.name) for one in found),
                help=_("Only workflows for the same kind of records can be chosen. A workflow that is off takes nobody in."),
            ),
            Setting("then", _("Afterwards the record"), Input.CHOICE, options=then, default=STAY),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        workflow_id = _workflow_id(settings)
        if workflow_id is None:
            return [("workflow", _("Choose a workflow."))]
        if settings.get("then", STAY) not in (STAY, GO):
            return [("then", _("Choose what becomes of the record here."))]
        return (
            []
            if _names(current_account_id()).get(workflow_id, ("", True))[1] is None
            else [("workflow", _("The workflow is not there any more."))]
        )

    def summary(self, settings: Mapping[str, Any]) -> str:
        name = _names(current_account_id()).get(_workflow_id(settings) or 0, ("", None))[0] or _(
            "no workflow"
        )
        if settings.get("then") == GO:
            return _("Go over to “%(workflow)s”") % {"workflow": name}
        return _("Enroll in “%(workflow)s”") % {"workflow": name}

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        workflow_id = _workflow_id(settings)
        return Touches(enrolls=frozenset({workflow_id} if workflow_id is not None else ()))

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return False

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers: dict[int, Done] = {}
        groups: dict[int | None, list[Doing]] = defaultdict(list)
        for doing in batch:
            groups[_workflow_id(doing.settings)].append(doing)
        targets = Workflow.objects.filter(account_id=batch[0].account_id, pk__in=[pk for pk in groups if pk])
        known = {one.pk: one for one in targets.filter(archived_at=None)}
        for workflow_id, group in groups.items():
            target = known.get(workflow_id or 0)
            if target is None:
                answers |= {d.enrollment_id: failed(_("The workflow is not there any more.")) for d in group}
            else:
                answers |= self._send(target, group)
        return [answers[doing.enrollment_id] for doing in batch]

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        """As if that workflow let the record in."""
        _name, archived_at = _names(doing.account_id).get(_workflow_id(doing.settings) or 0, ("", doing.now))
        if archived_at is not None:
            return failed(_("The workflow is not there any more.")), {}
        return Done(ends=WENT if doing.settings.get("then") == GO else ""), {}

    def _send(self, target: Workflow, group: Sequence[Doing]) -> dict[int, Done]:
        """A record that two runs send at the same time goes with the first."""
        fits = [doing for doing in group if doing.object_type == target.object_type]
        first = {doing.record_id: doing for doing in reversed(fits)}
        sent = [
            Sent(d.record_id, d.workflow_id, d.enrollment_id, d.step_id, d.depth + 1) for d in first.values()
        ]
        outcome = by_hand.enroll_from_workflow(group[0].account_id, target.pk, sent, group[0].now)
        answers = {}
        for doing in group:
            if doing not in fits:
                answers[doing.enrollment_id] = failed(_("“%(workflow)s” is for another kind of records.") % {"workflow": target.name})  # fmt: skip
            elif first[doing.record_id] is doing and doing.record_id in outcome.enrolled:
                answers[doing.enrollment_id] = Done(
                    message=self._told(doing, target), ends=WENT if doing.settings.get("then") == GO else ""
                )
            else:
                why = outcome.sentence(doing.record_id) or str(by_hand.SENTENCES[by_hand.INSIDE])
                is_off = outcome.refused.get(doing.record_id) == OFF
                answers[doing.enrollment_id] = failed(why) if is_off else skipped(why)
        return answers

    def _told(self, doing: Doing, target: Workflow) -> str:
        if doing.settings.get("then") == GO:
            return _("Went over to “%(workflow)s”.") % {"workflow": target.name}
        return _("Enrolled in “%(workflow)s”.") % {"workflow": target.name}


@once
def _names(account_id: int) -> dict[int, tuple[str, Any]]:
    """Names by id, and when each was archived."""
    rows = Workflow.objects.filter(account_id=account_id).values_list("pk", "name", "archived_at")
    return {pk: (name, archived_at) for pk, name, archived_at in rows}


def _workflow_id(settings: Mapping[str, Any]) -> int | None:
    return whole(str(settings.get("workflow") or ""))
