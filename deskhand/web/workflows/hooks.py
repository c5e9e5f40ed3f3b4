"""The doors for calls from outside: those that enroll records (R-TRIG-21), kept and answered, and read later; and callbacks
of integrations, whose unguessable ids are all that they need to show (R-WFA-4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from deskhand.automation import hooks, integrations
from deskhand.kernel.errors import DeskhandError, Invalid, Limited
from deskhand.web.middleware import for_everybody

HEADERS = ("content-type", "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature")


@for_everybody
@csrf_exempt
@require_POST
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """202 for what is kept, also for what was kept before."""
    headers = {name: request.headers.get(name, "") for name in HEADERS}
    is_large = int(request.META.get("CONTENT_LENGTH") or 0) > hooks.MOST_BYTES
    body = b"" if is_large else request.read(hooks.MOST_BYTES + 1)
    if is_large or len(body) > hooks.MOST_BYTES:
        hooks.refuse_large(token, headers)
        return _answer(413, hooks.TOO_LARGE)
    try:
        is_new = hooks.receive(token, hooks.Call(body, headers))
    except Limited as refusal:
        response = _answer(429, str(refusal))
        response.headers["Retry-After"] = str(refusal.retry_after)
        return response
    except DeskhandError as refusal:
        return _answer(refusal.status, str(refusal))
    return _answer(202, "Received." if is_new else "Received before.")


@for_everybody
@csrf_exempt
@require_POST
def complete(request: HttpRequest, token: str) -> HttpResponse:
    """What an integration has done since: {"outputFields": {…}}. 204, also for what was told before."""
    return _completed(request, lambda given: {token: given})


@for_everybody
@csrf_exempt
@require_POST
def complete_many(request: HttpRequest) -> HttpResponse:
    """The same for several: {"inputs": [{"callbackId": …, "outputFields": {…}}]}. All, or none of it."""
    return _completed(request, _each)


def _each(given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    inputs = given.get("inputs")
    if not isinstance(inputs, list) or not 0 < len(inputs) <= integrations.MOST_CALLBACKS:
        raise Invalid(
            f"inputs must be a list of 1 to {integrations.MOST_CALLBACKS} callbacks.", field="inputs"
        )
    if not all(isinstance(one, dict) and isinstance(one.get("callbackId"), str) for one in inputs):
        raise Invalid("Each of inputs must have a callbackId and outputFields.", field="inputs")
    return {one["callbackId"]: one for one in inputs}


def _completed(
    request: HttpRequest, told_by: Callable[[Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]
) -> HttpResponse:
    body = request.read(hooks.MOST_BYTES + 1)
    if len(body) > hooks.MOST_BYTES:
        return _answer(413, "The call is larger than 256 kB.")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("outputFields", {}), dict):
        return _answer(400, 'The body must be JSON such as {"outputFields": {}}.')
    try:
        integrations.complete(told_by(given))
    except DeskhandError as refusal:
        return _answer(refusal.status, str(refusal))
    return HttpResponse(status=204)


def _answer(status: int, sentence: str) -> HttpResponse:
    return JsonResponse({"message": sentence}, status=status)
