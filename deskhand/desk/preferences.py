"""How somebody wants the inbox; nobody else's matter, and no event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines.types import StageValue
from deskhand.desk.models import Preferences
from deskhand.kernel.database.scope import current_scope

MOST = 40  # pinned properties, and folded sections


def of(viewer: Viewer) -> Preferences:
    """What the viewer chose, or the standing choice, which is not stored."""
    notes, key = current_scope().notes, _key(viewer)
    found = notes.get(key)
    if not isinstance(found, Preferences):
        mine = {"account_id": viewer.account_id, "user_id": viewer.user_id}
        found = notes[key] = Preferences.objects.filter(**mine).first() or Preferences(**mine)
    return found


def set_compact(viewer: Viewer, on: bool) -> None:
    _set(viewer, is_compact=on)


def set_rich(viewer: Viewer, on: bool) -> None:
    """Whether what the viewer writes begins in the editor with formatting."""
    _set(viewer, writes_rich=on)


def pin(viewer: Viewer, name: str, on: bool) -> None:
    """Keep a property of the ticket at the top of the panel, or no longer. Safe to repeat."""
    _set(viewer, pinned=_with(of(viewer).pinned, name, on))


def fold(viewer: Viewer, section: str, on: bool) -> None:
    """Remember that a section of the panel is folded, or open again. Safe to repeat."""
    _set(viewer, folded=_with(of(viewer).folded, section, on))


def set_columns(viewer: Viewer, table: str, names: Sequence[str]) -> None:
    """Remember the columns of a table. Safe to repeat."""
    _set(viewer, columns=of(viewer).columns | {table: list(names)[:MOST]})


def collapse(viewer: Viewer, stage_id: int, on: bool) -> None:
    """Remember that the column of a status is collapsed on its board, or open (R-BOARD-4). Safe to repeat."""
    _set(viewer, collapsed=of(viewer).collapsed | {str(stage_id): on})


def is_collapsed(viewer: Viewer, stage: StageValue) -> bool:
    """As the viewer left it; at first those of closed statuses are (R-BOARD-4)."""
    return bool(of(viewer).collapsed.get(str(stage.id), not stage.is_open))


def set_view_order(viewer: Viewer, view_ids: Sequence[int]) -> None:
    """Remember the order of custom views. Safe to repeat."""
    _set(viewer, view_order=list(view_ids))


def _with(words: list[str], word: str, on: bool) -> list[str]:
    rest = [one for one in words if one != word]
    return [*rest, word][-MOST:] if on else rest


def _set(viewer: Viewer, **values: Any) -> None:
    Preferences.objects.update_or_create(
        account_id=viewer.account_id, user_id=viewer.user_id, defaults=values
    )
    current_scope().notes.pop(_key(viewer), None)


def _key(viewer: Viewer) -> str:
    return f"desk.preferences.{viewer.user_id}"
