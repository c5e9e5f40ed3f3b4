"""Call another system over HTTP, signed if wanted, with what is known of the record (R-WFA-11)."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.plans import Feature
from deskhand.automation import secrets, templates, webcalls
from deskhand.automation.actions import choices, giving
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import Doing, Done, Group, Output, failed, waiting
from deskhand.automation.webcalls import Caller, Filler, Fillers, Wanted
from deskhand.delivery.calls import Call
from deskhand.delivery.types import Reply
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import one_line

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")
WITH_BODY = ("POST", "PUT", "PATCH")
OUR_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection", "idempotency-key"})
MOST_BODY = 256 * 1024  # bytes

_OUTPUT = re.compile(r"(?!status$)[A-Za-z][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class SendWebhook(Caller):
    kind = "send_webhook"
    label = gettext_lazy("Send webhook")
    about = gettext_lazy("Call another system over the web.")
    icon, tone, group = "webhook", "violet", Group.OUTSIDE
    feature = Feature.WEBHOOKS

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        keys = choices.secret_names(around.account_id)
        place = ((_("Secrets"), secrets.PAGE, 0),)
        with_body = ("method", WITH_BODY)
        return (
            Setting(
                "method", _("Method"), Input.CHOICE, required=True, default="POST", redraws=True,
                options=tuple(Option(method, method) for method in METHODS),
            ),
            Setting(
                "url", _("Web address"), required=True, takes_tokens=True, links=place,
                help=_("What is filled in is quoted. Where the whole address is secret, keep it as a secret and write {{ secret.NAME }}."),
            ),
            Setting(
                "auth", _("How the other system knows that it is you"), Input.CHOICE, default="none", redraws=True,
                options=(
                    Option("none", _("Not at all")), Option("bearer", _("A secret in the Authorization header")),
                    Option("signed", _("A signature made with a secret")),
                ),
            ),
            Setting(
                "secret", _("Secret"), Input.CHOICE, options=keys, only_if=("auth", ("bearer", "signed")), links=place,
                help=_("Secrets are kept in the settings, encrypted. Nobody can read them again."),
            ),
            Setting(
                "headers", _("Headers"), Input.PAIRS, takes_tokens=True,
                help=_("A value may use a secret: {{ secret.NAME }}"),
            ),
            Setting(
                "body", _("What is sent"), Input.CHOICE, default="properties", redraws=True, only_if=with_body,
                options=(
                    Option("properties", _("Properties of the record")), Option("written", _("JSON that you write")),
                    Option("nothing", _("Nothing")),
                ),
            ),
            Setting(
                "properties", _("Properties"), Input.MANY, options=giving.offered(around.object_type), only_if=("body", ("properties",)),
                help=_("None chosen: all that have a value."),
            ),
            Setting(
                "json", _("JSON"), Input.CODE, takes_tokens=True, only_if=("body", ("written",)),
                help=_("What is filled in is written so that it fits between quotes."),
            ),
            Setting(
                "waits", _("Wait for the answer before the next step"), Input.CHECK, default=False, redraws=True,
                help=_("What cannot be reached is tried again for three days."),
            ),
            Setting(
                "answers", _("Values to take from the answer"), Input.PAIRS, only_if=("waits", ("1",)),
                help=_("A name for later steps, and where the value stands in the JSON: order.items[0].id"),
            ),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = webcalls.problems_of_url(str(settings.get("url") or "").strip())
        if settings.get("method", "POST") not in METHODS:
            found.append(("method", _("Choose a method.")))
        if settings.get("auth") in ("bearer", "signed") and not settings.get("secret"):
            found.append(("secret", _("Choose a secret.")))
        for pair in settings.get("headers") or ():
            found += _problems_of_header(str(pair.get("name") or ""), str(pair.get("value") or ""))
        if settings.get("body") == "written":
            found += templates.problems(settings, "json")
            if not str(settings.get("json") or "").strip():
                found.append(("json", _("Write what is to be sent.")))
        for pair in settings.get("answers") or ():
            if not _OUTPUT.fullmatch(str(pair.get("name") or "")) or not pair.get("value"):
                found.append(
                    (
                        "answers",
                        _("Give each value a name of letters, digits and underscores, and its place."),
                    )
                )
        named = "secret" if settings.get("secret") else "headers"
        return found + webcalls.problems_of_secrets(current_account_id(), settings, named)

    def summary(self, settings: Mapping[str, Any]) -> str:
        url = str(settings.get("url") or "")
        place = Call("", url).place if url.startswith("http") else _("a secret address")
        return f"{settings.get('method') or 'POST'} {place}"

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        if not settings.get("waits"):
            return ()
        named = [str(one.get("name")) for one in settings.get("answers") or () if one.get("name")]
        return (Output("status", _("Status of the answer")), *(Output(name, name) for name in named))

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        made = _calls(batch)
        webcalls.place(
            [
                Wanted(doing, call, _until(doing))
                for doing, call in zip(batch, made, strict=True)
                if isinstance(call, Call)
            ]
        )
        return [_told(call, _until(doing)) for doing, call in zip(batch, made, strict=True)]

    def hear(self, settings: Mapping[str, Any], reply: Reply) -> Done:
        outputs = {"status": reply.status, **webcalls.picked(reply.body, settings.get("answers") or ())}
        return Done(message=_("Answered %(status)s") % {"status": reply.status}, outputs=outputs)

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        return [_told(call) for call in _calls(batch)]


def _until(doing: Doing) -> datetime | None:
    return doing.now + webcalls.PATIENCE if doing.settings.get("waits") else None


def _told(call: Call | str, until: datetime | None = None) -> Done:
    if isinstance(call, str):
        return failed(call)
    words = _("%(method)s to %(place)s") % {"method": call.method, "place": call.place}
    return waiting(until, words, sent=1) if until else Done(message=words, sent=1)


def _calls(batch: Sequence[Doing]) -> list[Call | str]:
    """Each call, or why it can't be made."""
    fillers = Fillers(batch)
    found: list[Call | str] = []
    for doing in batch:
        try:
            found.append(_call(doing, fillers.of(doing), fillers))
        except Invalid as unfit:
            found.append(unfit.message)
    return found


def _call(doing: Doing, filler: Filler, fillers: Fillers) -> Call:
    s = doing.settings
    method, auth = str(s.get("method") or "POST"), s.get("auth")
    secret = fillers.secret(str(s.get("secret") or ""))
    headers = (
        {"content-type": "application/json"} if method in WITH_BODY and s.get("body") != "nothing" else {}
    )
    for pair in s.get("headers") or ():
        headers[str(pair["name"]).lower()] = _in_header(filler.text(str(pair["value"])))
    if auth == "bearer":
        headers["authorization"] = f"Bearer {_in_header(secret)}"
    body = _body(doing, filler) if method in WITH_BODY else ""
    if len(body.encode()) > MOST_BODY:
        raise Invalid(_("What is to be sent is too large."), field="json")
    return Call(method, filler.url(str(s["url"])), headers, body, secret if auth == "signed" else "")


def _body(doing: Doing, filler: Filler) -> str:
    match doing.settings.get("body") or "properties":
        case "nothing":
            return ""
        case "written":
            return filler.json(str(doing.settings["json"]))
    names = doing.settings.get("properties") or ()
    whole = {
        "workflow_id": doing.workflow_id, "enrollment_id": doing.enrollment_id, "object_type": doing.object_type,
        "record_id": doing.record_id, "properties": giving.values(doing, names) if names else giving.filled(doing),
    }  # fmt: skip
    return json.dumps(whole, ensure_ascii=False)


def _in_header(text: str) -> str:
    """One line of ASCII: what is beyond is percent-encoded."""
    return quote(one_line(text), safe=string.printable)


def _problems_of_header(name: str, value: str) -> list[tuple[str, str]]:
    if not _HEADER.fullmatch(name) or name.lower() in OUR_OWN or name.lower().startswith("webhook-"):
        return [("headers", _("“%(name)s” can't be the name of a header.") % {"name": name})]
    return templates.problems({"headers": value}, "headers")
