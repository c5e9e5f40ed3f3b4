"""The way into the API: address, token, limits, scope, body; then one transaction for the token's account, its answer as JSON,
and a line in the account's log of requests.

It stands before sessions and everything that is for browsers. What answers with an error has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import orjson
import structlog
from django.core.exceptions import SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, QueryDict, UnreadablePostError
from django.utils import translation
from pydantic import BaseModel, ValidationError

from deskhand.accounts import policy, rates, request_log, tokens
from deskhand.accounts.rates import Standing
from deskhand.accounts.tokens import TokenUse
from deskhand.accounts.types import Permissions, Viewer
from deskhand.api import refusals, resources
from deskhand.api.operations import Answer, Call, OpenCall, Operation, table
from deskhand.api.paths import Folded, fold
from deskhand.api.refusals import JSON, Refusal
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError

log = structlog.get_logger()
Next = Callable[[HttpRequest], HttpResponse]

__all__ = ["api", "resources"]

MOST_BYTES = 16 * 1024 * 1024  # of a body: a hundred records with long texts
MOST_BYTES_OF_ANYBODY = 1024 * 1024  # where no token is asked for
_BEARER = "bearer "
_FORM = "application/x-www-form-urlencoded"
#: The words that clients look for.
_NO_TOKEN = (
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details in the"
    " settings under API tokens."
)


def api(get_response: Next) -> Next:
    """Middleware: answers what is addressed to the API, and lets all else pass."""

    def respond(request: HttpRequest) -> HttpResponse:
        folded = fold(request.path_info)
        return get_response(request) if folded is None else _answered(request, folded)

    return respond


@dataclass
class _Visit:
    """What is known of a call while it is answered."""

    at: datetime
    correlation_id: UUID = field(default_factory=uuid4)
    token: TokenUse | None = None
    standing: Standing | None = None
    category: str = ""  # of the error it ends with

    def refused(self, refusal: Refusal) -> HttpResponse:
        self.category = refusal.category
        return refusals.answer(refusal, str(self.correlation_id))


def _answered(request: HttpRequest, folded: Folded) -> HttpResponse:
    visit, began = _Visit(clock.now()), perf_counter()
    wanted = request.headers.get("Access-Control-Request-Method", "")
    is_question = request.method == "OPTIONS" and wanted != ""  # a browser asks first
    operation, parts, methods = table.find(
        wanted if is_question else request.method or "GET", folded.segments
    )
    with translation.override("en"):
        if operation is None:
            response = visit.refused(_nowhere(methods))
        elif not is_question:
            response = _done_or_refused(request, folded.version, operation, parts, visit)
        elif operation.from_pages:
            response = HttpResponse(status=204)
        else:
            response = visit.refused(_nowhere([operation.method]))
    response.headers["X-HubSpot-Correlation-Id"] = str(visit.correlation_id)
    if operation is not None and operation.from_pages:
        _open_to_pages(response, operation)
    if visit.token is not None:
        _tell_limits(response, visit.token, visit.standing, folded)
        _note(request, response, visit.token, visit, round((perf_counter() - began) * 1000))
    return response


def _open_to_pages(response: HttpResponse, operation: Operation) -> None:
    """Scripts of any site may read it: such an operation knows nobody by cookies."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Methods"] = operation.method
    response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
    response.headers["Access-Control-Max-Age"] = "86400"


def _tell_limits(response: HttpResponse, token: TokenUse, standing: Standing | None, folded: Folded) -> None:
    """Nothing of a token without limits, nor where records are searched (api.md §1.11)."""
    if standing is None or folded.segments[-1] == "search":
        return
    facts: dict[str, int | None] = {
        "Max": token.per_ten_seconds, "Remaining": standing.left, "Interval-Milliseconds": token.per_ten_seconds and 10_000,
        "Daily": token.per_day, "Daily-Remaining": standing.left_today,
    }  # fmt: skip
    for name, fact in facts.items():
        if fact is not None:
            response.headers[f"X-HubSpot-RateLimit-{name}"] = str(fact)


def _note(
    request: HttpRequest, response: HttpResponse, token: TokenUse, visit: _Visit, milliseconds: int
) -> None:
    request_log.note(
        token.account_id, token.token_id, at=visit.at, method=request.method or "", path=request.path_info,
        status=response.status_code, milliseconds=milliseconds, correlation_id=visit.correlation_id, category=visit.category,
        agent=request.headers.get("User-Agent", ""),
    )  # fmt: skip


def _done_or_refused(
    request: HttpRequest, version: str, operation: Operation, parts: Mapping[str, str], visit: _Visit
) -> HttpResponse:
    try:
        return _done(request, version, operation, parts, visit)
    except Refusal as refusal:
        return visit.refused(refusal)
    except DeskhandError as error:
        return visit.refused(refusals.of(error))
    except (OperationalError, InterfaceError):
        log.warning("api.database_away", path=operation.path)
        return visit.refused(
            Refusal(503, "SERVICE_UNAVAILABLE", "The database does not answer now.", headers={"Retry-After": "2"})
        )  # fmt: skip
    except (SuspiciousOperation, UnreadablePostError):
        return visit.refused(Refusal(400, "BAD_REQUEST", "The request could not be read."))
    except Exception:
        log.exception("api.failed", path=operation.path, correlation_id=str(visit.correlation_id))
        got_request_exception.send(sender=None, request=request)
        return visit.refused(Refusal(500, "INTERNAL_ERROR", "Something went wrong here. It was noted."))


def _done(
    request: HttpRequest, version: str, operation: Operation, parts: Mapping[str, str], visit: _Visit
) -> HttpResponse:
    if operation.needs is None:
        body = _body(request, operation, MOST_BYTES_OF_ANYBODY)
        given = operation.handler(OpenCall(request=request, version=version, parts=parts, body=body))
        return _response(operation, given)
    token = visit.token = _token(request, operation)
    _count(token, visit)
    _require_scope(operation.needs(parts), token)
    body = _body(request, operation, MOST_BYTES)
    with account_scope(token.account_id):
        viewer, by = _who(token)
        call = Call(
            request=request, version=version, parts=parts, body=body, token=token, viewer=viewer, by=by
        )
        return _response(operation, operation.handler(call))


def _count(token: TokenUse, visit: _Visit) -> None:
    """Note how the token stands with this call. Raises Refusal, in all the words that clients look for (api.md §1.11)."""
    standing = visit.standing = rates.count(token, visit.at)
    if not standing.waits:
        return
    span, policy_name = ("daily", "DAILY") if standing.is_day_over else ("secondly", "TEN_SECONDLY_ROLLING")
    more = {"errorType": "RATE_LIMIT", "policyName": policy_name, "requestId": str(visit.correlation_id)}
    raise Refusal(
        429, "RATE_LIMITS", f"You have reached your {span} limit.", headers={"Retry-After": str(standing.waits)}, more=more
    )  # fmt: skip


def _nowhere(methods: list[str]) -> Refusal:
    if not methods:
        return refusals.missing("There is nothing at this address.")
    allowed = ", ".join(methods)
    return Refusal(
        405,
        "METHOD_NOT_ALLOWED",
        f"This address answers {allowed}.",
        headers={"Allow": allowed},
    )


def _token(request: HttpRequest, operation: Operation) -> TokenUse:
    given = request.headers.get("Authorization", "")
    secret = given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else ""
    if operation.by_key and not secret:
        secret = request.GET.get("hapikey", "")
    found = tokens.recognize(secret) if secret else None
    if found is None:
        raise Refusal(401, "INVALID_AUTHENTICATION", _NO_TOKEN, headers={"WWW-Authenticate": "Bearer"})
    return found


def _require_scope(needed: Collection[str], token: TokenUse) -> None:
    if needed and token.scopes.isdisjoint(needed):
        raise refusals.unscoped(needed)


def _body(request: HttpRequest, operation: Operation, most_bytes: int) -> BaseModel | None:
    if operation.takes is None:
        return None
    raw = request.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise Refusal(413, "PAYLOAD_TOO_LARGE", f"A body has at most {most_bytes // 1024 // 1024} MB.")
    try:
        is_form = operation.takes_form and request.content_type == _FORM
        return operation.takes.model_validate(QueryDict(raw).dict() if is_form else orjson.loads(raw))
    except orjson.JSONDecodeError as problem:
        raise refusals.bad(
            f"Invalid input JSON on line {problem.lineno}, column {problem.colno}: {problem.msg}"
        ) from None
    except ValidationError as problem:
        raise refusals.of_body(problem) from None


def _who(token: TokenUse) -> tuple[Viewer, Actor]:
    """In whose name a call is made: a user's, whom the rules of pipelines bind, or the account's, which passes every wall
    of its people (R-RULE-3, R-RULE-4)."""
    if token.user_id is not None:
        return policy.viewer_for(token.account_id, token.user_id), Actor.user(token.user_id)
    everything = Viewer(token.account_id, 0, is_super_admin=True, has_seat=True, permissions=Permissions())
    return everything, Actor(ActorKind.INTEGRATION, token.token_id)


def _response(operation: Operation, given: Any) -> HttpResponse:
    status = operation.status
    if isinstance(given, Answer):
        given, status = given.content, given.status
    if given is None:
        return HttpResponse(status=204)
    return HttpResponse(orjson.dumps(given), status=status, content_type=JSON)
