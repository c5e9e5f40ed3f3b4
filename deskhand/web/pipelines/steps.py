"""A lane's steps in forms: actions as they describe themselves, and delays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import lanes, templates
from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.reading import Typed
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import MailTemplate
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.kernel.database.scope import current_account_id
from deskhand.web.automation.fields import Field, fields_of

#: Name, icon, tone and what it does, by kind of step.
LOOKS = {
    **{kind: (action.label, action.icon, action.tone, action.about) for kind, action in ACTIONS.items()},
    lanes.DELAY: (gettext_lazy("Delay"), "hourglass", "amber", gettext_lazy("Wait before the next step.")),
    lanes.BRANCH: (gettext_lazy("Branch"), "git-branch", "violet", gettext_lazy("Split the records by conditions.")),
    lanes.FORK: (gettext_lazy("Branch"), "git-branch", "violet", gettext_lazy("The way forks here.")),
}  # fmt: skip


def around(pipeline: PipelineValue) -> Around:
    return reading.around(pipeline.object_type, pipeline.id)


def form(kind: str, typed: Typed, around: Around) -> tuple[Setting, ...]:
    if kind == lanes.DELAY:
        return (Setting("minutes", _("How long"), Input.SPAN),)
    return reading.form_of(ACTIONS[kind], around, typed)


def fields(kind: str, typed: Typed, pipeline: PipelineValue) -> tuple[Field, ...]:
    where = around(pipeline)
    return fields_of(form(kind, typed, where), typed, where)


def typed_of(kind: str, settings: Mapping[str, Any], pipeline: PipelineValue) -> dict[str, list[str]]:
    """Settings as they would be typed."""
    where = around(pipeline)
    if kind == lanes.DELAY:
        return reading.typed_of(form(kind, {}, where), settings)
    return reading.settings_typed(ACTIONS[kind], where, settings)


def read(kind: str, typed: Typed, pipeline: PipelineValue) -> dict[str, Any]:
    """Settings out of what was typed. Raises Invalid, naming the field."""
    return reading.read(form(kind, typed, around(pipeline)), typed)


def mails_of_account(object_type: str) -> list[MailTemplate]:
    """Those to choose from for such records."""
    return templates.offered(current_account_id(), object_type)
