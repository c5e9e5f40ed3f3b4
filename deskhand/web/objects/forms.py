"""Reading what the forms of these pages send: rows in the order of the page, each with its own fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _

from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole

_KEY = re.compile(r"[a-z0-9]{1,20}")
ROWS_LIMIT = 1000
#: The row that stands ready where scripts are off; empty, it is none.
SPARE = "spare"


@dataclass(frozen=True)
class Row:
    key: str
    fields: Mapping[str, str]

    @property
    def id(self) -> int | None:
        """Of what is there already; new rows have words for keys."""
        return whole(self.key)


def rows(form: QueryDict, names: Sequence[str], *, first: str) -> list[Row]:
    """The rows of a form; a spare one counts when its field `first` is filled in. Raises Invalid for what is none."""
    keys = form.getlist("row")
    if len(keys) > ROWS_LIMIT or len(set(keys)) < len(keys) or not all(map(_KEY.fullmatch, keys)):
        raise Invalid(_("The form is out of date."), field="row", hint=_("Load the page again."))
    found = [Row(key, {name: form.get(f"{name}-{key}", "").strip() for name in names}) for key in keys]
    return [row for row in found if not row.key.startswith(SPARE) or row.fields[first]]


def moved(found: Sequence[Row], wish: str) -> list[Row]:
    """The rows after a press of a button "up:<key>" or "down:<key>"."""
    after = list(found)
    direction, _colon, key = wish.partition(":")
    places = {row.key: place for place, row in enumerate(after)}
    if key in places and direction in ("up", "down"):
        place = places[key]
        other = place + (1 if direction == "down" else -1)
        if 0 <= other < len(after):
            after[place], after[other] = after[other], after[place]
    return after
