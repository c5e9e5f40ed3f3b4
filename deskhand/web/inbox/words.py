"""Statuses and priorities in the words and tones of the screens."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.pipelines.types import StageValue
from deskhand.crm.schema.defaults import PRIORITIES
from deskhand.web.inbox.rows import Label

TONES = ("blue", "amber", "violet", "green", "red", "teal", "lime", "pink")
PRIORITY_TONES: dict[str, Any] = {"LOW": "teal", "MEDIUM": "blue", "HIGH": "amber", "URGENT": "red"}


def tone(stage: StageValue) -> Any:
    return stage.tone if stage.tone in TONES else "blue"


def status(stage: StageValue) -> Label:
    return Label(_(stage.label), tone(stage))


def priority(value: str | None) -> Label | None:
    found = next((option for option in PRIORITIES if option.value == value), None)
    return Label(_(found.label), PRIORITY_TONES.get(found.value)) if found else None
