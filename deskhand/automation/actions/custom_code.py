"""Run Python code that the account's people wrote, walled in, and tell later steps what it returns (R-WFA-12).

The run waits at the step. What the code is given is stored with the batch, a worker of its own runs it (`coderuns.py`), and
its answer lets the run go on: once, however often the code had to be begun.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action as PolicyAction
from deskhand.automation import coderuns, secrets
from deskhand.automation.actions import choices, giving
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.types import (
    Action,
    Doing,
    Done,
    Group,
    Output,
    failed,
    here,
    is_trial,
    waiting,
)
from deskhand.automation.coderuns import NewRun
from deskhand.kernel import sandbox
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid

PATIENCE = timedelta(days=1)  # with workers that are busy, or away
LONGEST = 20_000  # characters of code (R-WFA-12)
BEGINNING = """def main(event):
    given = event["inputFields"]
    return {"outputFields": {"count": len(given)}}
"""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class CustomCode(Action):
    kind = "custom_code"
    label = gettext_lazy("Run code")
    about = gettext_lazy("Python of your own, walled in; later steps use what it returns.")
    icon, tone, group = "code-xml", "violet", Group.OUTSIDE
    feature = Feature.CUSTOM_CODE
    permission = PolicyAction.EDIT_CUSTOM_CODE
    is_pure = True  # it reaches nothing but what it is given

    def is_offered(self, account_id: int) -> bool:
        return bool(django_settings.CUSTOM_CODE)

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        keys = choices.secret_names(around.account_id)
        types = tuple(Option(value, str(label)) for value, label in coderuns.TYPES.items())
        return (
            here(around),
            Setting(
                "code", _("Python code"), Input.CODE, required=True, default=BEGINNING, at_most=LONGEST,
                help=_("It defines main(event). event[\"inputFields\"] has what you choose below, os.environ the secrets. It reaches no network and no files, and has %(seconds)s seconds.")
                % {"seconds": sandbox.SECONDS},
            ),
            Setting("properties", _("Properties it is given"), Input.MANY, options=giving.offered(around.object_type), default=["subject"] if around.object_type == "ticket" else []),
            Setting("inputs", _("More values it is given"), Input.PAIRS, takes_tokens=True, help=_("A name, and a text with tokens.")),
            Setting("secrets", _("Secrets"), Input.MANY, options=keys, links=((_("Secrets"), secrets.PAGE, 0),)),
            Setting(
                "outputs", _("What it returns"), Input.PAIRS, options=types, default=[{"name": "count", "value": "number"}],
                help=_("The names in outputFields that later steps may use."),
            ),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = [*_shut(current_account_id()), *super().problems(settings)]
        code = str(settings.get("code") or "")
        if code and (wrong := problem_of(code)):
            found.append(("code", wrong))
        for field in ("inputs", "outputs"):
            names = [str(one.get("name")) for one in settings.get(field) or ()]
            found += [
                (field, _("“%(name)s” is no name: letters, digits and underscores, a letter first.") % {"name": name})
                for name in names
                if not _NAME.fullmatch(name)
            ]  # fmt: skip
            if len(set(names)) < len(names):
                found.append((field, _("Each name may stand here once.")))
        return found

    def summary(self, settings: Mapping[str, Any]) -> str:
        names = giving.as_mapping(settings.get("outputs") or ())
        return _("Works out %(names)s") % {"names": ", ".join(names)} if names else _("Python code")

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        yes_no = (("true", _("Yes")), ("false", _("No")))
        return tuple(
            Output(name, name, yes_no if kind == "boolean" else ())
            for name, kind in giving.as_mapping(settings.get("outputs") or ()).items()
        )

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        if is_trial.get():
            return self.rehearse(batch)
        events = _events(batch)
        coderuns.place(
            [
                NewRun(
                    doing.enrollment_id, doing.workflow_id, doing.revision, doing.step_id, doing.key, event
                )
                for doing, event in zip(batch, events, strict=True)
                if not isinstance(event, str)
            ],
            batch[0].now,
        )
        return [
            failed(event) if isinstance(event, str) else waiting(doing.now + PATIENCE, _("Waits for its code."))
            for doing, event in zip(batch, events, strict=True)
        ]  # fmt: skip

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        """Code is not run: what it would do can't be known, nor its answer."""
        told = Done(message=_("The code is not run in a trial; what it returns is empty."))
        return [failed(event) if isinstance(event, str) else told for event in _events(batch)]


def problem_of(code: str) -> str:
    """What Python says of code that it can't read, with the line; "" for good code."""
    try:
        tree = compile(code, "code", "exec", flags=_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as wrong:
        line = getattr(wrong, "lineno", None) or 1
        said = getattr(wrong, "msg", None) or str(wrong) or type(wrong).__name__
        return _("Line %(line)s: %(message)s") % {"line": line, "message": said}
    if not any(getattr(one, "name", "") == "main" for one in tree.body):
        return _("It must define a function main(event).")
    return ""


_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST: read, never run


@once
def _shut(account_id: int) -> list[tuple[str, str]]:
    why = coderuns.why_not(account_id)
    return [("code", why)] if why else []


def _events(batch: Sequence[Doing]) -> list[dict[str, Any] | str]:
    """What main(event) is given for each record, or why it can't be."""
    closed = coderuns.why_not(batch[0].account_id)
    found: list[dict[str, Any] | str] = []
    for doing in batch:
        try:
            found.append(closed or _event(doing))
        except Invalid as unfit:
            found.append(unfit.message)
    return found


def _event(doing: Doing) -> dict[str, Any]:
    """In the shape that code for other systems is written for, too."""
    named = giving.as_mapping(doing.settings.get("inputs") or ())
    given = giving.values(doing, doing.settings.get("properties") or ())
    return {
        "callbackId": doing.key,
        "origin": {"portalId": doing.account_id, "workflowId": doing.workflow_id},
        "object": {"objectId": doing.record_id, "objectType": doing.object_type},
        "inputFields": given | {name: doing.fill(text) for name, text in named.items()},
    }
