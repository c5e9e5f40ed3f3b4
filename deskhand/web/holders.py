"""Why a value was refused that only one record may have: with the way to that record, for who may see it."""

from __future__ import annotations

from django.utils.html import format_html

from deskhand.accounts.types import Viewer
from deskhand.automation.history import named
from deskhand.crm.records.unique import NotUnique
from deskhand.kernel.errors import DeskhandError, Invalid
from deskhand.web.records.kinds import record_url
from deskhand.web.refusals import by_field, words_of


def words_for(viewer: Viewer, refusal: DeskhandError) -> str:
    """As `words_of`; safe as HTML where it holds the link, so that templates show it as it is."""
    words = words_of(refusal)
    if not isinstance(refusal, NotUnique) or refusal.holder_id is None:
        return words
    record = (refusal.object_type, refusal.holder_id)
    holder = named(viewer, [record]).get(record)
    if holder is None or holder.is_gone:
        return words
    title = holder.title or f"#{holder.id}"
    return format_html('{} <a class="link" href="{}">{}</a>', words, record_url(*record), title)


def by_field_for(viewer: Viewer, refusal: Invalid | None) -> dict[str, str]:
    """As `by_field`."""
    if isinstance(refusal, NotUnique):
        return {refusal.field: words_for(viewer, refusal)}
    return by_field(refusal)
