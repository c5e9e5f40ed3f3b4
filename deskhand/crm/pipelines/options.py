"""What a ticket pipeline does beyond its switches: with closed tickets and with other channels than e-mail. All pure.

Options are checked when they are written (R-REOPEN-2, R-STAT-13, R-STAT-21) and read without ever failing: mail is filed
whatever is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

from django.utils.translation import gettext as _

from deskhand.kernel.errors import Invalid


class Mode(StrEnum):
    """What an answer to a closed ticket does; where it does not reopen it, a new ticket follows it up."""

    ALWAYS = "always"
    WITHIN_DAYS = "within_days"
    NEVER = "never"


DAYS, MOST_DAYS = 14, 3650
FLAGS = (
    "all_channels",
    "stay_closed_on_sent",
    "reopen_then_apply_reply_target",
    "ignore_acknowledgements",
)
_REOPEN = ("mode", "days", "stage_id")


@dataclass(frozen=True)
class Options:
    mode: Mode = Mode.ALWAYS
    days: int = DAYS  # since it was closed
    reopen_stage_id: int | None = None  # None: the first open one
    all_channels: bool = False
    stay_closed_on_sent: bool = False
    reopen_then_apply_reply_target: bool = False
    ignore_acknowledgements: bool = False  # who only says thanks reopens nothing


def parse(stored: object) -> Options:
    """Never raises: what can't be read is as if it were not there."""
    options = stored if isinstance(stored, Mapping) else {}
    reopen = options.get("reopen")
    reopen = reopen if isinstance(reopen, Mapping) else {}
    mode, days, stage_id = (reopen.get(name) for name in _REOPEN)
    return Options(
        Mode(mode) if isinstance(mode, str) and mode in list(Mode) else Mode.ALWAYS,
        days if _is_whole(days) and 1 <= days <= MOST_DAYS else DAYS,
        stage_id if _is_whole(stage_id) else None,
        **{name: options.get(name) is True for name in FLAGS},
    )


def as_json(options: Options) -> dict[str, Any]:
    """All of them, as they are kept."""
    reopen: dict[str, Any] = {"mode": options.mode.value, "days": options.days}
    if options.reopen_stage_id is not None:
        reopen["stage_id"] = options.reopen_stage_id
    return {"reopen": reopen, **{name: getattr(options, name) for name in FLAGS}}


def checked(given: object, is_open: Mapping[int, bool]) -> dict[str, Any]:
    """The options as they are kept. `is_open` tells of each status of the pipeline whether it is.

    Raises Invalid, naming the field and the way out.
    """
    options = _named(given, "options", ("reopen", *FLAGS))
    for name in FLAGS:
        if name in options and not isinstance(options[name], bool):
            raise Invalid(
                _("%(name)s is true or false.") % {"name": name},
                field=f"options.{name}", value=options[name], hint=_("Write true or false."),
            )  # fmt: skip
    if "reopen" in options:
        options["reopen"] = _reopen(_named(options["reopen"], "options.reopen", _REOPEN), is_open)
    return options


def _reopen(reopen: dict[str, Any], is_open: Mapping[int, bool]) -> dict[str, Any]:
    if "mode" in reopen and reopen["mode"] not in list(Mode):
        raise Invalid(
            _("There is no such answer to what happens to closed tickets."),
            field="options.reopen.mode", value=reopen["mode"], hint=_("One of: %(names)s.") % {"names": ", ".join(Mode)},
        )  # fmt: skip
    if "days" in reopen and not (_is_whole(reopen["days"]) and 1 <= reopen["days"] <= MOST_DAYS):
        raise Invalid(
            _("That is no number of days after which a ticket is not reopened any more."),
            field="options.reopen.days", value=reopen["days"],
            hint=_("Write a whole number from 1 to %(most)s.") % {"most": MOST_DAYS},
        )  # fmt: skip
    stage_id = reopen.get("stage_id")
    if stage_id is not None and not (_is_whole(stage_id) and is_open.get(stage_id)):
        raise Invalid(
            _("Tickets can't be reopened to that status."),
            field="options.reopen.stage_id", value=stage_id, hint=_("Choose one of the pipeline's open statuses."),
        )  # fmt: skip
    return {name: value for name, value in reopen.items() if value is not None}


def _named(given: object, field: str, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not set(given) <= set(names):
        strange = (
            next((name for name in given if name not in names), "") if isinstance(given, Mapping) else given
        )
        raise Invalid(
            _("A pipeline has no such option."),
            field=field, value=strange, hint=_("One of: %(names)s.") % {"names": ", ".join(names)},
        )  # fmt: skip
    return dict(given)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
