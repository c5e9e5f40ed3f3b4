"""Have another system act, as one of the account's integrations says, and wait for what comes of it (R-WFA-3, R-WFA-4)."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.plans import Feature
from deskhand.automation import integrations, secrets, webcalls
from deskhand.automation.actions import giving
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.types import Doing, Done, Group, Output, failed, here, is_trial, waiting
from deskhand.automation.models import CustomAction
from deskhand.automation.webcalls import Caller, Wanted
from deskhand.delivery.types import Reply
from deskhand.kernel.database.scope import current_account_id

WEEK = 7 * 24 * 60  # minutes that a callback may take (R-WFA-4)
LONGEST = 52 * WEEK
PREFIX = "input_"


class Integration(Caller):
    kind = integrations.KIND
    label = gettext_lazy("Use an integration")
    about = gettext_lazy("Another system acts, and answers at once or later.")
    icon, tone, group = "boxes", "violet", Group.OUTSIDE
    feature = Feature.WEBHOOKS

    def is_offered(self, account_id: int) -> bool:
        return bool(_known(account_id))

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        fitting = [
            one
            for one in _known(around.account_id)
            if not one.object_types or around.object_type in one.object_types
        ]
        chosen = next((one for one in fitting if one.name == settings.get("integration")), None)
        return (
            here(around),
            Setting(
                "integration", _("Integration"), Input.CHOICE, required=True, redraws=True, links=((_("Integrations"), "integrations", 0),),
                options=tuple(Option(one.name, one.name) for one in fitting), help=chosen.description if chosen else "",
            ),
            *(_input(one) for one in (chosen.inputs if chosen else ())),
            Setting("expires", _("Wait for its answer at most"), Input.SPAN, default=WEEK, at_least=1),
        )  # fmt: skip

    def summary(self, settings: Mapping[str, Any]) -> str:
        return str(settings.get("integration") or _("An integration"))

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        chosen = next(
            (one for one in _known(current_account_id()) if one.name == settings.get("integration")), None
        )
        yes_no = (("true", _("Yes")), ("false", _("No")))
        return tuple(
            Output(name, name, yes_no if kind == "boolean" else ())
            for name, kind in giving.as_mapping(chosen.outputs if chosen else ()).items()
        )

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        if is_trial.get():
            return self.rehearse(batch)
        answers: list[Done] = []
        wanted: list[Wanted] = []
        keys = self._keys(batch)
        for doing, body in zip(batch, _bodies(batch), strict=True):
            if isinstance(body, str):
                answers.append(failed(body))
                continue
            token = random.token_urlsafe(32)
            one = keys[str(doing.settings["integration"])]
            call = integrations.call_of(one[0], {"callbackId": token, **body}, one[1])
            wanted.append(Wanted(doing, call, _until(doing), token))
            told = _("Asked %(name)s") % {"name": one[0].name}
            answers.append(waiting(_until(doing), told, token=token, sent=1))
        webcalls.place(wanted)
        return answers

    def _keys(self, batch: Sequence[Doing]) -> dict[str, tuple[CustomAction, str]]:
        account_id = batch[0].account_id
        known = {one.name: one for one in _known(account_id)}
        values = secrets.values(account_id, {one.secret for one in known.values() if one.secret})
        return {name: (one, values.get(one.secret, "")) for name, one in known.items()}

    def hear(self, settings: Mapping[str, Any], reply: Reply) -> Done | None:
        said = integrations.heard_reply(
            integrations.named(current_account_id(), str(settings.get("integration") or "")), reply
        )
        if said.is_later:
            return None
        if said.failed:
            return failed(said.failed)
        return Done(message=said.message, outputs=said.outputs)

    def refused(self, reply: Reply | None) -> dict[str, Any]:
        return {}

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        told = Done(message=_("Another system is not asked in a trial; what it answers is empty."))
        return [failed(body) if isinstance(body, str) else told for body in _bodies(batch)]


def _input(field: Mapping[str, str]) -> Setting:
    name = f"{PREFIX}{field['name']}"
    if field["value"] == "boolean":
        return Setting(name, field["name"], Input.CHECK)
    help_text = _("A number, or a token that is one.") if field["value"] == "number" else ""
    return Setting(name, field["name"], takes_tokens=True, help=help_text)


@once
def _known(account_id: int) -> list[CustomAction]:
    return integrations.known(account_id)


def _until(doing: Doing) -> datetime:
    return doing.now + timedelta(minutes=min(int(doing.settings.get("expires") or WEEK), LONGEST))


def _bodies(batch: Sequence[Doing]) -> list[dict[str, Any] | str]:
    """What each call says beside its callback's id, or why it can't be made."""
    known = {one.name: one for one in _known(batch[0].account_id)}
    gone = secrets.missing(batch[0].account_id, {one.secret for one in known.values() if one.secret})
    found: list[dict[str, Any] | str] = []
    for doing in batch:
        one = known.get(str(doing.settings.get("integration") or ""))
        if one is None:
            found.append(_("This integration is not there any more."))
        elif one.secret in gone:
            found.append(_("There is no secret called %(name)s.") % {"name": one.secret})
        else:
            found.append(_body(doing, one))
    return found


def _body(doing: Doing, one: CustomAction) -> dict[str, Any] | str:
    from deskhand.kernel.errors import Invalid

    fields: dict[str, Any] = {}
    for name, kind in giving.as_mapping(one.inputs).items():
        given = doing.settings.get(f"{PREFIX}{name}")
        try:
            fields[name] = bool(given) if kind == "boolean" else doing.fill(given, as_stored=True)
        except Invalid as unfit:
            return unfit.message
        if kind == "number":
            number = _number(fields[name])
            if number is None and fields[name].strip():
                return _("“%(name)s” is “%(value)s”, which is no number.") % {
                    "name": name,
                    "value": fields[name][:40],
                }
            fields[name] = number
    return {
        "origin": {"portalId": doing.account_id, "actionDefinitionId": one.pk},
        "context": {"source": "WORKFLOWS", "workflowId": doing.workflow_id},
        "object": {
            "objectId": doing.record_id,
            "objectType": doing.object_type,
            "properties": giving.filled(doing),
        },
        "inputFields": fields,
    }


def _number(text: str) -> int | float | None:
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return int(number) if number.is_integer() else number
