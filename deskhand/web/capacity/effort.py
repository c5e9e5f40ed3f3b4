"""What counts how much: what is left out of limits, what a ticket is worth, and how newcomers begin (R-CAP-9)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import TicketType
from deskhand.crm.schema.defaults import PRIORITIES
from deskhand.desk import inboxes
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.routing import capacity
from deskhand.routing.capacity import Settings
from deskhand.web.capacity.pages import show
from deskhand.web.choices import Choice, ChoiceGroup
from deskhand.web.holding import TYPES
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.routing.tabs import require

KEY = "effort"
_Key = TypeVar("_Key")
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")


@dataclass(frozen=True)
class Number:
    """A field for one; `placeholder` is what counts while it is empty."""

    name: str
    label: str
    value: str
    placeholder: str


@dataclass(frozen=True)
class EffortForm:
    stages: tuple[ChoiceGroup, ...]
    excluded_after_days: str
    excludes_from_load: bool
    weighs: bool
    types: tuple[Number, ...]
    channels: tuple[Number, ...]
    priorities: tuple[Number, ...]
    ramp_days: str
    ramp_from: str
    example: str
    errors: Mapping[str, str] = field(default_factory=dict)


@require_GET
def page(request: AccountRequest) -> HttpResponse:
    require(request, KEY)
    asked = capacity.asked_for(request.account.pk)
    settings = asked or capacity.settings_of(request.account.pk)
    return show(
        request, KEY, form=_form(request, settings, _texts_of(settings)), is_counting=asked is not None
    )


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    require(request, KEY)
    typed = {name: text[:20] for name, text in request.POST.items() if isinstance(text, str)}
    asked = capacity.asked_for(request.account.pk)
    before = asked or capacity.settings_of(request.account.pk)
    try:
        settings = _read(request, request.POST, before)
        is_done = capacity.ask_for_settings(request.account.pk, settings, by=request.user.pk)
    except Invalid as refusal:
        form = _form(
            request, before, typed, request.POST.getlist("stages"), {refusal.field: words_of(refusal)}
        )
        return show(request, KEY, 422, form=form, is_counting=asked is not None)
    if is_done:
        messages.success(request, _("Saved. Everything is counted by it from now on."))
    return redirect("effort")


# ── what is typed ────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(request: AccountRequest, given: QueryDict, before: Settings) -> Settings:
    """Raises Invalid by the names of the fields. A channel or status that is not offered stays as it was."""
    stages = {choice.value for group in _stages(()) for choice in group.choices}
    channels = [pk for pk, _name in inboxes.channel_names(request.account.pk)]
    most = capacity.MOST_POINTS
    return Settings(
        (
            *(pk for pk in before.excluded_stage_ids if str(pk) not in stages),
            *(int(one) for one in dict.fromkeys(given.getlist("stages")) if one in stages),
        ),
        _number(given, "excluded_after_days", 3_650, least=1),
        "excludes_from_load" in given,
        "weighs" in given,
        _kept((kind, _number(given, f"type-{kind}", most)) for kind in TYPES),
        {pk: number for pk, number in before.channels.items() if pk not in channels}
        | _kept((pk, _number(given, f"channel-{pk}", most)) for pk in channels),
        _kept((one.value, _number(given, f"priority-{one.value}", most, least=-most)) for one in PRIORITIES),
        _number(given, "ramp_days", 365) or 0,
        _number(given, "ramp_from", 100, least=1) or Settings.ramp_from,
    )


def _number(given: QueryDict, name: str, most: int, *, least: int = 0) -> int | None:
    text = given.get(name, "").strip()
    if text and not _NUMBER.fullmatch(text):
        raise Invalid(_("Give a whole number, or leave it empty."), field=name, value=text[:20])
    number = int(text) if text else None
    capacity.check(name, number, most, least=least)
    return number


def _kept(numbers: Iterable[tuple[_Key, int | None]]) -> dict[_Key, int]:
    return {key: number for key, number in numbers if number is not None}


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────────


def _texts_of(settings: Settings) -> dict[str, str]:
    points = {f"type-{kind}": number for kind, number in settings.types.items()}
    points |= {f"channel-{pk}": number for pk, number in settings.channels.items()}
    points |= {f"priority-{value}": number for value, number in settings.priorities.items()}
    days = "" if settings.excluded_after_days is None else str(settings.excluded_after_days)
    texts = {
        "excluded_after_days": days,
        "ramp_days": str(settings.ramp_days or ""),
        "ramp_from": str(settings.ramp_from),
    }
    texts |= {name: "on" for name in ("excludes_from_load", "weighs") if getattr(settings, name)}
    return texts | {name: str(number) for name, number in points.items()}


def _form(
    request: AccountRequest,
    settings: Settings,
    texts: Mapping[str, str],
    stages: Iterable[str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> EffortForm:
    """The fields with what they hold; the example is of what is saved."""

    def number(name: str, label: object, placeholder: str) -> Number:
        return Number(name, str(label), texts.get(name, ""), placeholder)

    channels = inboxes.channel_names(request.account.pk)
    chosen = settings.excluded_stage_ids if stages is None else [whole(one) for one in stages]
    return EffortForm(
        _stages(chosen), texts.get("excluded_after_days", ""), "excludes_from_load" in texts, "weighs" in texts,
        tuple(number(f"type-{kind}", label, "1") for kind, label in TYPES.items()),
        tuple(number(f"channel-{pk}", name, "–") for pk, name in channels),
        tuple(number(f"priority-{one.value}", _(one.label), "0") for one in reversed(PRIORITIES)),
        texts.get("ramp_days", ""), texts.get("ramp_from", ""), _example(settings, channels), errors or {},
    )  # fmt: skip


def _stages(chosen: Iterable[int | None]) -> tuple[ChoiceGroup, ...]:
    """The open statuses: closed tickets count for nothing anyway."""
    ticked = set(chosen)
    return tuple(
        ChoiceGroup(_(pipeline.label), tuple(Choice(str(s.id), _(s.label), s.id in ticked) for s in pipeline.stages if s.is_open))
        for pipeline in pipelines_of("ticket").pipelines
    )  # fmt: skip


def _example(settings: Settings, channels: list[tuple[int, str]]) -> str:
    """One that has points of its own, if there is one."""
    if not settings.weighs:
        return ""
    channel = next(
        (one for one in channels if one[0] in settings.channels), channels[0] if channels else (None, "")
    )
    value = next((one for one in reversed(PRIORITIES) if settings.priorities.get(one.value)), PRIORITIES[-1])
    kind = TicketType.EMAIL_OTHER
    own, worth = (settings.points(kind, channel[0], priority) for priority in (None, value.value))
    more = settings.priorities.get(value.value, 0)
    return _("For example, a ticket with the priority %(priority)s from %(channel)s is worth %(own)s %(sign)s %(more)s = %(worth)s.") % {
        "priority": _(value.label), "channel": channel[1] or str(TYPES[kind]), "own": own, "sign": "−" if more < 0 else "+",
        "more": abs(more), "worth": worth,
    }  # fmt: skip
