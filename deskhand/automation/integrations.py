"""Actions that other systems perform (R-WFA-3): what they are asked, what they may answer, and their callbacks (R-WFA-4).

Workflows know an integration by its name, so that a configuration can be carried elsewhere; the name stays.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from django.utils import translation
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.accounts.models import Account
from deskhand.automation import calls, coderuns, secrets, uses
from deskhand.automation.actions.giving import as_mapping
from deskhand.automation.calls import Answer
from deskhand.automation.engine.definition import Action
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import find_definition
from deskhand.automation.models import CustomAction, Enrollment, StepCall
from deskhand.crm.schema import object_types
from deskhand.crm.segments.segments import Use
from deskhand.delivery import calls as delivery_calls
from deskhand.delivery.calls import Call
from deskhand.delivery.types import Reply
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, attempt
from deskhand.kernel.errors import Conflict, DeskhandError, Invalid, NotFound
from deskhand.kernel.text import one_line, plain, storable

KIND = "custom_action"
LONGEST_NAME = 60
FIELDS = ("description", "url", "secret", "object_types", "inputs", "outputs", "messages")
MOST_CALLBACKS = 100
FAILED_STATES = ("FAIL_CONTINUE", "FAIL")
LATER_STATES = ("BLOCK", "ASYNC")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_URL = re.compile(r"https?://[^\s/?#{}]+[^\s{}]*")


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def known(account_id: int, *, archived: bool = False) -> list[CustomAction]:
    found = CustomAction.objects.filter(account_id=account_id)
    return list((found if archived else found.filter(archived_at=None)).order_by("name"))


def named(account_id: int, name: str) -> CustomAction | None:
    return CustomAction.objects.filter(account_id=account_id, name=name).first()


def add(account_id: int, name: str, values: Mapping[str, Any], *, by: Actor) -> CustomAction:
    """Make one. Raises Invalid, naming the field."""
    name = one_line(name)
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(
            _("A name has 1 to %(num)s characters.") % {"num": LONGEST_NAME}, field="name", value=name[:80]
        )
    given = _checked(account_id, values)
    try:
        with attempt():
            made = CustomAction.objects.create(
                account_id=account_id, name=name, updated_at=clock.now(), **given
            )
    except IntegrityError as taken:
        raise Invalid(
            _("There is an integration of this name already."), field="name", value=name, hint=_("Use another name.")
        ) from taken  # fmt: skip
    audit.record(
        "integration.created", by=by, target_type="integration", target_id=made.pk, after=_facts(made)
    )
    return made


def change(account_id: int, integration_id: int, values: Mapping[str, Any], *, by: Actor) -> CustomAction:
    """Change what it is asked and answers, from the next call on. Raises NotFound, or Invalid, naming the field."""
    found = get(account_id, integration_id, lock=True)
    before = _facts(found)
    for field, value in _checked(account_id, values).items():
        setattr(found, field, value)
    if _facts(found) != before:
        found.updated_at = clock.now()
        found.save(update_fields=[*FIELDS, "updated_at"])
        audit.record(
            "integration.updated", by=by, target_type="integration", target_id=found.pk, before=before, after=_facts(found)
        )  # fmt: skip
    return found


def set_archived(account_id: int, integration_id: int, on: bool, *, by: Actor) -> CustomAction:
    """Put it away, or back. Raises Conflict while a workflow uses it, and while it is for a kind of record that was deleted."""
    found = get(account_id, integration_id, lock=True)
    if on and used_in(account_id).get(found.name):
        raise Conflict(_("A workflow uses this integration. Take it out there first."))
    if not on and (lost := [kind for kind in found.object_types if kind in object_types.deleted()]):
        raise Conflict(
            _("“%(name)s” is for “%(kind)s”, which was deleted. Say what it is for now, and save it; then it can come back.")
            % {"name": found.name, "kind": object_types.deleted()[lost[0]].plural}
        )  # fmt: skip
    if on != (found.archived_at is not None):
        found.archived_at = clock.now() if on else None
        found.save(update_fields=["archived_at"])
        what = "integration.archived" if on else "integration.restored"
        audit.record(what, by=by, target_type="integration", target_id=found.pk, after={"name": found.name})
    return found


def get(account_id: int, integration_id: int, *, lock: bool = False) -> CustomAction:
    rows = CustomAction.objects.filter(account_id=account_id, pk=integration_id)
    found = (rows.select_for_update() if lock else rows).first()
    if found is None:
        raise NotFound(_("There is no such integration."))
    return found


def asking_for_kind(account_id: int, object_type: str) -> list[Use]:
    """The integrations that are for such records. One query."""
    found = CustomAction.objects.filter(
        account_id=account_id, archived_at=None, object_types__contains=[object_type]
    )
    return [Use("integration", pk, name) for pk, name in found.order_by("name").values_list("pk", "name")]


def used_in(account_id: int) -> dict[str, list[int]]:
    """{name: the workflows that use it}, drafts included. One query."""
    found: dict[str, list[int]] = defaultdict(list)
    for name, workflow_id in sql.rows(_USED, {"account": account_id, "kind": KIND}):
        found[name].append(workflow_id)
    return dict(found)


def _facts(one: CustomAction) -> dict[str, Any]:
    return {field: getattr(one, field) for field in ("name", *FIELDS)}


def _checked(account_id: int, values: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {
        field: values.get(field) or ([] if field in ("object_types", "inputs", "outputs", "messages") else "")
        for field in FIELDS
    }
    if not _URL.fullmatch(str(given["url"])):
        raise Invalid(
            _("Enter a web address. It begins with https:// and a host."), field="url", value=given["url"]
        )
    if given["secret"] and secrets.missing(account_id, [given["secret"]]):
        raise Invalid(_("There is no secret called %(name)s.") % {"name": given["secret"]}, field="secret")
    for field in ("inputs", "outputs"):
        names = [str(one.get("name")) for one in given[field]]
        for name in names:
            if not _NAME.fullmatch(name):
                words = _("“%(name)s” is no name: letters, digits and underscores, a letter first.")
                raise Invalid(words % {"name": name}, field=field, value=name)
        if len(set(names)) < len(names):
            raise Invalid(_("Each name may stand here once."), field=field)
        for one in given[field]:
            if one.get("value") not in coderuns.TYPES:
                raise Invalid(_("Choose what it is."), field=field, value=one.get("value"))
    for one in given["messages"]:
        if not all(str(one.get("name") or "").partition("=")[::2]) or not one.get("value"):
            raise Invalid(
                _("Write when it is said as name=value, and then the sentence."),
                field="messages",
                value=one.get("name"),
            )
    return given


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def call_of(one: CustomAction, body: Mapping[str, Any], secret: str) -> Call:
    headers = {"content-type": "application/json"}
    return Call("POST", one.url, headers, json.dumps(body, ensure_ascii=False), secret)


@dataclass(frozen=True)
class Heard:
    """What an answer says. `is_later`: the other system will call back."""

    outputs: Mapping[str, Any]
    failed: str = ""
    message: str = ""
    is_later: bool = False


def heard(one: CustomAction | None, given: Any) -> Heard:
    """Read {"outputFields": {…}}: the declared outputs, and what the execution-rule messages say of them."""
    fields = given.get("outputFields", {}) if isinstance(given, Mapping) else None
    if not isinstance(fields, Mapping):
        return Heard({}, failed=_("The answer is no JSON with outputFields."))
    state = str(fields.get("hs_execution_state") or "SUCCESS")
    if state in LATER_STATES:
        return Heard({}, is_later=True)
    said = "" if one is None else _said(one, fields)
    if state in FAILED_STATES:
        return Heard({}, failed=said or _("The other system says that it failed."))
    outputs, wrong = coderuns.outputs_of(dict(fields), as_mapping(one.outputs) if one else {})
    return Heard(outputs, failed=wrong, message=said or _("Done by the other system."))


def heard_reply(one: CustomAction | None, reply: Reply) -> Heard:
    try:
        return heard(one, json.loads(reply.body or "{}"))
    except (ValueError, RecursionError):
        return heard(one, None)


def _said(one: CustomAction, fields: Mapping[str, Any]) -> str:
    for message in one.messages:
        name, _equals, value = str(message["name"]).partition("=")
        if name.strip() in fields and plain(fields[name.strip()]) == value.strip():
            return str(message["value"])
    return ""


def try_out(one: CustomAction) -> str:
    """Call it now with an example; what came back, for people. Raises what the call breaks with."""
    from deskhand.kernel import http  # late: 2 MB

    examples: dict[str, Any] = {"string": "Example", "number": 1, "boolean": True}
    body = {
        "callbackId": "test", "origin": {"portalId": one.account_id}, "context": {"source": "TEST"},
        "object": {"objectId": 0, "objectType": (one.object_types or ["ticket"])[0], "properties": {}},
        "inputFields": {str(field["name"]): examples[field["value"]] for field in one.inputs},
    }  # fmt: skip
    secret = secrets.values(one.account_id, [one.secret]).get(one.secret, "") if one.secret else ""
    call = call_of(one, body, secret)
    headers = delivery_calls.signed_headers(call, f"test:{one.pk}", clock.now())
    answer = http.fetch(
        "POST",
        call.url,
        headers=headers,
        body=call.body.encode(),
        seconds=10.0,
        at_most=2000,
        cut=True,
        redirects=0,
    )
    text = " ".join(storable(answer.body.decode("utf-8", "replace")).split())[:300]
    return _("Answered %(status)s: %(text)s") % {"status": answer.status, "text": text or "–"}


# ── callbacks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def complete(told: Mapping[str, Mapping[str, Any]]) -> None:
    """Callbacks by their ids: whoever waits goes on. An id answered before is fine, so that a call may be repeated.

    Raises NotFound for an id that nobody waits for; then nothing of it counts.
    """
    possible = [token for token in told if token and token == storable(token)]
    found = {call.token: call for call in StepCall.objects.filter(token__in=possible)}
    for token in told:
        if token not in found or found[token].state == "EXPIRED":
            raise NotFound(_("Nobody waits for this callback."))
    of_account: dict[int, list[StepCall]] = defaultdict(list)
    for call in found.values():
        of_account[call.account_id].append(call)
    for account_id, waiting in sorted(of_account.items()):
        locale = Account.objects.values_list("locale", flat=True).get(pk=account_id)
        with account_scope(account_id), translation.override(locale):
            answers = [_answer(account_id, call, told[call.token]) for call in waiting]
            calls.answered_many(account_id, [one for one in answers if one is not None])


def _answer(account_id: int, call: StepCall, given: Mapping[str, Any]) -> Answer | None:
    """None: it says once more that it will call back."""
    run = Enrollment.objects.filter(account_id=account_id, pk=call.enrollment_id).first()
    definition = find_definition(account_id, run.workflow_id, run.revision_number) if run else None
    if run and definition is None:  # it is heard when somebody can read what waits for it
        calls.keep_unheard(account_id, {call.key: {"given": dict(given)}}, clock.now())
        guards.flag(account_id, {run.workflow_id: guards.UNREADABLE})
        return None
    step = definition.by_id.get(call.step_id) if definition else None
    name = str(step.settings.get("integration") or "") if isinstance(step, Action) else ""
    return answer_of(account_id, call, name, given)


def answer_of(account_id: int, call: StepCall, name: str, given: Mapping[str, Any]) -> Answer | None:
    """What a callback tells the run whose step has this integration; None: it says once more that it will call back."""
    said = heard(named(account_id, name), given)
    return None if said.is_later else Answer(call.key, said.outputs, said.failed, said.message)


def reached(failure: DeskhandError) -> str:
    """Why a test call came to nothing."""
    return _("It could not be called: %(why)s") % {
        "why": failure.message if isinstance(failure, Invalid) else str(failure)
    }


_USED = f"""{uses.DEFINITIONS}
select distinct x.step -> 'settings' ->> 'integration', s.id from definitions s
cross join lateral jsonb_path_query(s.definition, '$.**') x (step)
where jsonb_typeof(x.step) = 'object' and x.step ->> 'kind' = %(kind)s and x.step -> 'settings' ->> 'integration' <> ''
order by 1, 2
"""
