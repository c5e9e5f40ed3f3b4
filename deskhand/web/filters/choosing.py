"""Filters in an address that choose records for something that is kept: a segment, a tag's rule, who is meant by the portal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.crm.filters.types import Condition
from deskhand.crm.records import selecting
from deskhand.crm.records.selecting import CAP, Selection
from deskhand.kernel.errors import Invalid
from deskhand.web.filters import editing
from deskhand.web.filters.bar import BarOf
from deskhand.web.filters.words import Words
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of


@dataclass(frozen=True)
class Count:
    """How many records of the viewer's reach meet filters. None without filters, and where `why_not` says why."""

    number: int | None = None  # from CAP on it is not told further
    why_not: str = ""

    @property
    def words(self) -> str:
        if self.number is None:
            return self.why_not
        if self.number >= CAP:
            return _("999+ records match now")
        said = ngettext("%(num)s record matches now", "%(num)s records match now", self.number)
        return said % {"num": self.number}


class Choosing:
    """Each kept thing adds its page. `parts` are the addresses of the form of a filter and of the count.

    Raises Invalid for filters that can't be read or may not be asked.
    """

    def __init__(
        self, request: AccountRequest, given: QueryDict, object_type: str, path: str, parts: Mapping[str, str]
    ) -> None:
        self.request, self.object_type = request, object_type
        self.bar = BarOf(Words(request.viewer, object_type), given, path, parts)

    def condition(self) -> Condition:
        return editing.condition(self.bar.groups, self.object_type)

    def field(self) -> tuple[str, str]:
        """With which the form that saves them carries them along."""
        return "f", editing.write(self.bar.groups, self.object_type)

    def count(self) -> Count:
        return self._count(self.bar.groups)

    def typed_count(self) -> Count:
        """With what stands in the form of a filter."""
        try:
            return self._count(self.bar.applied())
        except Invalid as refusal:
            return Count(why_not=words_of(refusal))

    def _count(self, groups: editing.Groups) -> Count:
        if not groups:
            return Count()
        asked = Selection(
            self.object_type,
            ZoneInfo(self.request.account.zone),
            condition=editing.condition(groups, self.object_type),
        )
        try:
            return Count(selecting.count(self.request.viewer, asked))
        except Invalid as refusal:
            return Count(why_not=words_of(refusal))


def saved(condition: Condition, object_type: str) -> dict[str, str]:
    """What an address begins with: nothing for a condition that was made elsewhere, in a way that the bar can't show."""
    try:
        written = editing.write(editing.groups_of(condition, object_type), object_type)
    except Invalid:
        return {}
    return {"f": written} if written else {}
