"""The door for calls from outside that enroll records (R-TRIG-21): kept and answered, and read later."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from deskhand.automation import hooks
from deskhand.kernel.errors import DeskhandError, Limited
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


def _answer(status: int, sentence: str) -> HttpResponse:
    return JsonResponse({"message": sentence}, status=status)
