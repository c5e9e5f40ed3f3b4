"""How a long conversation is laid out: where the unread part starts, and what is folded away. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.utils.translation import pgettext

from deskhand.web.inbox.rows import Divider, Earlier, Happened, Item, Said

KEPT = 12  # at the end; what came first is shown, too
STEP = 10  # so that the fold does not move with every new message


def laid_out(items: Sequence[Said | Happened], unread: Collection[int]) -> tuple[Item, ...]:
    """The conversation with a line before the first of the `unread` messages, and the middle of a long one folded."""
    new = next((n for n, item in enumerate(items) if getattr(item, "id", None) in unread), len(items))
    end = min((len(items) - KEPT) // STEP * STEP, new)
    earlier, rest = (items[1:end], items[end:]) if end > STEP // 2 else ((), items[1:])
    shown: list[Item] = [*items[:1]]
    if earlier:
        shown.append(Earlier(tuple(earlier)))
    for item in rest:
        if new < len(items) and item is items[new]:
            shown.append(Divider("new", pgettext("unread messages", "New")))
        shown.append(item)
    return tuple(shown)
