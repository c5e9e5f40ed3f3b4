"""What pages offer to choose from, as their templates show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from deskhand.accounts import accounts
from deskhand.accounts import queries as people
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.text import whole


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    chosen: bool = False
    reason: str = ""  # why it can't be chosen


@dataclass(frozen=True)
class ChoiceGroup:
    """Choices under a heading; without a label they stand alone."""

    label: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Tab:
    label: str
    url: str
    current: bool = False
    count_text: str = ""


def offered(labels: Mapping[str, object] | Iterable[tuple[str, str]], *chosen: str) -> tuple[Choice, ...]:
    """Choices of values with their labels."""
    pairs = labels.items() if isinstance(labels, Mapping) else labels
    return tuple(Choice(value, str(label), value in chosen) for value, label in pairs)


def gone_said(name: str, value: str) -> str:
    """What is chosen and can be chosen no more: by its name, if that is known still."""
    return _("%(value)s (not there any more)") % {
        "value": name or (f"#{value}" if value.isdigit() else value)
    }


def with_kept(there: Mapping[str, str], chosen: Iterable[str], names: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:  # fmt: skip
    """What may be chosen, and behind it what is chosen and may be no more, marked so: saved unchanged, it stays. `names`
    are those that are known still."""
    lost = [value for value in dict.fromkeys(chosen) if value not in there and whole(value) is not None]
    return {**there, **{value: gone_said(names.get(value, ""), value) for value in lost}}


def colleagues(*chosen: str) -> dict[str, str]:
    """Who is there, and behind them who is chosen and left."""
    everybody = people.members(current_account_id(), active_only=False)
    names = {str(one.user_id): one.name for one in everybody}
    return with_kept({str(one.user_id): one.name for one in everybody if one.is_active}, chosen, names)


def joined(parts: Iterable[str]) -> str:
    """As a list in a sentence."""
    return pgettext("between the parts of a list", ", ").join(parts)


_in_full: ContextVar[bool] = ContextVar("in_full", default=False)


@contextmanager
def in_full() -> Iterator[None]:
    """Within it nothing is said in short: for whoever compares."""
    token = _in_full.set(True)
    try:
        yield
    finally:
        _in_full.reset(token)


def in_short(parts: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    shown = list(parts) if _in_full.get() else list(parts[:3])
    if len(parts) > len(shown):
        shown.append(_("%(count)s more") % {"count": len(parts) - len(shown)})
    return joined(shown)


def statuses(
    pipeline: PipelineValue, *chosen: str, reasons: Mapping[int, str] = MappingProxyType({})
) -> tuple[Choice, ...]:
    """`reasons` say of which status why it can't be chosen."""
    return tuple(
        Choice(str(stage.id), _(stage.label), str(stage.id) in chosen, reasons.get(stage.id, ""))
        for stage in pipeline.stages
    )


def all_statuses(
    *chosen: str, of: str = "ticket", reasons: Mapping[int, str] = MappingProxyType({})
) -> tuple[ChoiceGroup, ...]:
    """Of the pipelines of this kind of record: one of them is chosen by a status in it (R-PIPE-11)."""
    return tuple(
        ChoiceGroup(_(one.label), statuses(one, *chosen, reasons=reasons))
        for one in pipelines_of(of).pipelines
    )


def zones(chosen: str) -> tuple[Choice, ...]:
    """Who has an old name of a zone keeps it."""
    known = accounts.zones()
    if chosen not in known and accounts.is_zone(chosen):
        known = [chosen, *known]
    return offered(((one, one.replace("_", " ")) for one in known), chosen)


def languages(chosen: str) -> tuple[Choice, ...]:
    return offered(settings.LANGUAGES, chosen)
