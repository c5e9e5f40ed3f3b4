"""Errors as the contract writes them (api.md §1.10): a status, a category, a sentence, and what it is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

import orjson
from django.http import HttpResponse
from pydantic import ValidationError

from deskhand.kernel.errors import Conflict, DeskhandError, Forbidden, Invalid, Limited, NotFound

JSON = "application/json;charset=utf-8"


class Refusal(Exception):
    """A call that is answered with an error. `context` maps names to lists of texts; `more` stands in the body as it is."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        context: Mapping[str, Sequence[str]] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.category, self.message = status, category, message
        self.context, self.errors, self.headers, self.more = context, errors, headers or {}, more or {}

    def body(self, correlation_id: str = "") -> dict[str, Any]:
        body: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id or str(uuid4()),
            "category": self.category,
            **self.more,
        }
        if self.context:
            body["context"] = {name: list(values) for name, values in self.context.items()}
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        return body


def bad(message: str, **more: Any) -> Refusal:
    return Refusal(400, "VALIDATION_ERROR", message, **more)


def missing(message: str = "Object not found. objectId are usually numeric.", **more: Any) -> Refusal:
    return Refusal(404, "OBJECT_NOT_FOUND", message, **more)


#: The words that clients look for.
_NO_SCOPE = (
    "This app hasn't been granted all required scopes to make this call. Read more about required scopes in the settings"
    " under API tokens."
)


def unscoped(needed: Collection[str]) -> Refusal:
    """For a token that has none of these scopes."""
    context = {"requiredGranularScopes": sorted(needed)}
    return Refusal(
        403, "MISSING_SCOPES", _NO_SCOPE, context=context, errors=[{"message": _NO_SCOPE, "context": context}]
    )


def of(error: DeskhandError) -> Refusal:
    """What the product itself says no to."""
    match error:
        case Invalid():
            said = f"{error.message} {error.hint}".strip()
            return bad(said, context={"field": [error.field]} if error.field else None)
        case NotFound():
            return missing(str(error))
        case Forbidden():
            return Refusal(403, "FORBIDDEN", str(error))
        case Conflict():
            return Refusal(409, "CONFLICT", str(error))
        case Limited():
            return Refusal(429, "RATE_LIMITS", str(error), headers={"Retry-After": str(error.retry_after)})
        case _:
            return Refusal(503, "SERVICE_UNAVAILABLE", str(error), headers={"Retry-After": "2"})


def lacking(fields: Sequence[str]) -> Refusal:
    """For a body that has none of these."""
    return bad(
        f"Invalid input JSON on line 1, column 1. Some required fields were not set: [{', '.join(fields)}]",
        context={"fields": fields},
    )


def of_body(problem: ValidationError) -> Refusal:
    """A body whose shape is wrong: all that is missing, or else where the first wrong value stands and what it must be."""
    left_out = [_place(one["loc"]) for one in problem.errors() if one["type"] == "missing"]
    if left_out:
        return lacking(left_out)
    first = problem.errors()[0]
    place = _place(first["loc"])
    return bad(f"Invalid input JSON: {place or 'the body'}: {first['msg']}.", context={"fields": [place]})


def _place(steps: tuple[int | str, ...]) -> str:
    """Where in the body: `inputs[0].properties`."""
    said = ""
    for step in steps:
        said += f"[{step}]" if isinstance(step, int) else f".{step}" if said else step
    return said


def answer(refusal: Refusal, correlation_id: str) -> HttpResponse:
    body = orjson.dumps(refusal.body(correlation_id))
    return HttpResponse(body, status=refusal.status, content_type=JSON, headers=refusal.headers)
