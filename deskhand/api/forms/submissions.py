"""What people send in by forms (api.md §2.7): from pages without a token, from programs with one, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from deskhand.api import pages, refusals
from deskhand.api.forms import definitions, shapes
from deskhand.api.forms.shapes import Submissions, Thanks
from deskhand.api.operations import Call, OpenCall, operation
from deskhand.api.refusals import Refusal
from deskhand.api.shapes import without_nothing
from deskhand.channels.forms import forms, submitting
from deskhand.channels.forms.checking import Sent, Value
from deskhand.channels.forms.models import Form, Submission
from deskhand.channels.forms.submitting import Rejected
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.text import whole

log = structlog.get_logger()

_PLACE = "{portalId}/{formGuid}"
_NOT_VALID = "The request is not valid"
MOST = 50  # submissions of a page


@operation(
    "POST", f"/submissions/integration/submit/{_PLACE}", needs=None, takes=shapes.Submission, gives={200: Thanks},
    from_pages=True,
)  # fmt: skip
def submit(call: OpenCall) -> Any:
    """Send in a form from a page, without a token."""
    account_id = whole(call.parts["portalId"])
    if account_id is None:
        raise _no_form()
    with account_scope(account_id):
        form = _form(call)
        kept = _kept(call, form, is_public=True)
    try:  # it is on disk: what fails from here on is tried again
        submitting.file(account_id, kept)
    except Exception:
        log.exception("form.not_filed_yet", account=account_id, submission=kept)
    return _thanks(form)


@operation(
    "POST", f"/submissions/integration/secure/submit/{_PLACE}", needs=definitions.needs, takes=shapes.Submission,
    gives={200: Thanks},
)  # fmt: skip
def submit_with_token(call: Call) -> Any:
    """Send in a form as a program: without the limit that pages have."""
    if whole(call.parts["portalId"]) != call.viewer.account_id:
        raise _no_form()
    form = _form(call)
    submitting.file(call.viewer.account_id, _kept(call, form, is_public=False))
    return _thanks(form)


@operation(
    "GET", "/form-integrations/submissions/forms/{formGuid}", needs=definitions.needs, gives={200: Submissions},
    asks=("after", "limit"),
)  # fmt: skip
def listed(call: Call) -> Any:
    """What was sent in by a form, the newest first."""
    definitions.require(call)
    form = forms.find(call.parts["formGuid"]) or definitions.found(call, "formGuid", archived=True)
    limit, after = pages.limit(call, default=MOST, most=MOST), pages.after(call)
    found = Submission.objects.filter(account_id=call.viewer.account_id, form=form)
    rows = list((found.filter(pk__lt=after) if after else found).order_by("-pk")[: limit + 1])
    last = rows[limit - 1].pk if len(rows) > limit else None
    return without_nothing(results=[_shown(row) for row in rows[:limit]], paging=pages.following(call, last))


def _form(call: OpenCall) -> Form:
    """Raises Refusal: an archived form, or one whose channel was disconnected, is not there."""
    form = forms.find(call.parts["formGuid"])
    if form is None or not forms.takes_any(form):
        raise _no_form()
    return form


def _no_form() -> Refusal:
    return refusals.missing("There is no such form.")


def _kept(call: OpenCall, form: Form, *, is_public: bool) -> int:
    body: shapes.Submission = call.body
    sent = Sent(
        values=[Value(one.name, one.value, one.object_type_id) for one in body.fields],
        context=body.context.model_dump(by_alias=True) if body.context else {},
        legal=body.legal_consent_options.model_dump(by_alias=True) if body.legal_consent_options else None,
        skips_validation=body.skip_validation,
    )
    try:
        return submitting.keep(form, sent, submitted_at=_moment(body.submitted_at), is_public=is_public)
    except Rejected as rejected:
        raise _refused(
            [{"message": one.message, "errorType": one.kind} for one in rejected.problems]
        ) from None


def _refused(errors: list[Mapping[str, Any]]) -> Refusal:
    return Refusal(400, "VALIDATION_ERROR", _NOT_VALID, errors=errors)


def _moment(text: str | None) -> datetime | None:
    """Milliseconds since 1970. Raises Refusal."""
    if not text:
        return None
    number = whole(text)
    try:
        if number is not None:
            return datetime.fromtimestamp(number / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    said = f"'submittedAt' is {text[:80]!r}; it must be milliseconds since 1970."
    raise _refused([{"message": said, "errorType": "INVALID_METADATA"}])


def _thanks(form: Form) -> dict[str, str]:
    action = form.definition["configuration"]["postSubmitAction"]
    return {"redirectUri" if action["type"] == "redirect_url" else "inlineMessage": action["value"]}


def _shown(row: Submission) -> dict[str, Any]:
    return {
        "submittedAt": int(row.submitted_at.timestamp() * 1000),
        "pageUrl": row.page_url,
        "values": row.values,
    }
