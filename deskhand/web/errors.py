"""Pages for what can't be shown or done: in the frame for who is signed in, in the lobby for who is not."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse

from deskhand.web.frame import shell
from deskhand.web.jinja import render, wants_fragment

TEMPLATES = {403: "errors/403.html", 404: "errors/404.html"}


def problem_page(request: HttpRequest, status: int, text: str = "") -> HttpResponse:
    """`text` is for people; parts of pages get it bare, because the page they belong to shows it."""
    if text and wants_fragment(request):
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    context: dict[str, object] = {"text": text}
    if hasattr(request, "viewer") and not connection.needs_rollback:
        context["shell"] = shell(request, area="")  # type: ignore[arg-type]
    return render(request, TEMPLATES.get(status, "errors/refused.html"), context, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, 400, str(exception) if isinstance(exception, BadRequest) else "")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, 404)


def out_of_order(request: HttpRequest) -> HttpResponse:
    """500: the database may be what is out of order, so nothing is read from it."""
    return render(request, "errors/500.html", {}, status=500)
