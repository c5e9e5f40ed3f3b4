"""Statuses and priorities in the words and tones of the screens."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.pipelines.types import StageValue
from deskhand.crm.schema import tags as schema_tags
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


def tags(values: Collection[str]) -> tuple[Label, ...]:
    """Those of the account's tags, in their order (R-BOARD-3)."""
    if not values:
        return ()
    return tuple(
        Label(one.label, one.tone or None)  # type: ignore[arg-type]
        for one in schema_tags.tags() if one.value in values
    )  # fmt: skip
