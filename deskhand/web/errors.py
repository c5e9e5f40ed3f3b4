"""What can't be shown or done, in words: what happened, and what to do. Pages in the frame for who is signed in and in
the lobby for who is not; parts of pages get the bare words, which the page they belong to shows.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
from dataclasses import dataclass

import structlog
from django.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.web.jinja import render, wants_fragment

log = structlog.get_logger()

AWAY = 10  # seconds after which a database that is away may be asked for again
ROWS = 900  # that a form without scripts has room for
TOO_LARGE = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
#: By status: icon, what happened, what to do.
WORDS: dict[int, tuple[str, str | Promise, str | Promise]] = {
    400: (
        "circle-alert",
        gettext_lazy("This could not be understood"),
        gettext_lazy("Something in the address or the form is not as it should be. Nothing was changed. Go back and try again."),
    ),
    403: (
        "lock",
        gettext_lazy("You are not allowed to do this"),
        gettext_lazy("Ask an administrator of your help desk for the permission."),
    ),
    404: (
        "search",
        gettext_lazy("There is nothing at this address"),
        gettext_lazy("It may have been deleted, or you may not be allowed to see it."),
    ),
    405: (
        "circle-alert",
        gettext_lazy("This address only takes forms"),
        gettext_lazy("Nothing was changed. Go back to the page with the form and send it again."),
    ),
    409: (
        "users-round",
        gettext_lazy("That did not work"),
        gettext_lazy("Somebody changed it in the meantime. Nothing was changed; load the page again and look."),
    ),
    413: (
        "file-archive",
        gettext_lazy("That is too large"),
        gettext_lazy("Nothing was sent. Send less at once, or smaller files."),
    ),
    422: ("circle-alert", gettext_lazy("That did not work"), gettext_lazy("Nothing was changed. Go back and try again.")),
    429: ("hourglass", gettext_lazy("That was too often"), gettext_lazy("Wait a while and try again.")),
    500: (
        "triangle-alert",
        gettext_lazy("Something went wrong on our side"),
        gettext_lazy("Nothing was changed. Try again in a moment; if it stays, tell your administrator."),
    ),
    503: (
        "hourglass",
        gettext_lazy("The help desk is not there for a moment"),
        gettext_lazy("Its database does not answer. Nothing was changed, and no mail gets lost. Try again in a moment; if it stays, tell your administrator."),
    ),
}  # fmt: skip
FORM_IS_OLD = (
    "refresh-cw",
    gettext_lazy("This form is out of date"),
    gettext_lazy("Nothing was changed. Go back, load the page again and repeat it."),
)


@dataclass(frozen=True)
class Problem:
    icon: str
    title: str
    text: str
    id: str = ""  # stands in the log as well
    again_url: str = ""


def problem_page(request: HttpRequest, status: int, text: str = "") -> HttpResponse:
    """`text` is for people, and says more than the status alone."""
    sign, title, usual = WORDS.get(status) or WORDS[503 if status >= 500 else 422]
    if text and status == 400:
        title = WORDS[422][1]
    return _answer(request, status, Problem(sign, str(title), text or str(usual)))


def _answer(request: HttpRequest, status: int, problem: Problem, *, is_framed: bool = True) -> HttpResponse:
    if wants_fragment(request):
        words = problem.text if status < 500 else f"{problem.title}. {problem.text} {problem.id}".strip()
        return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
    context: dict[str, object] = {"problem": problem, "home_url": _portal_url(request)}
    if hasattr(request, "portal_frame"):
        context["portal"] = request.portal_frame
    if is_framed and hasattr(request, "viewer") and not connection.needs_rollback:
        from deskhand.web.frame import shell

        context["shell"] = shell(request, area="")  # type: ignore[arg-type]
    return render(request, "errors/problem.html", context, status=status)


def _portal_url(request: HttpRequest) -> str:
    """Where customers go on; the help desk itself is not for them."""
    known = request.resolver_match.kwargs.get("portal", "") if request.resolver_match else ""
    return reverse("portal-home", args=[known]) if known else ""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, TooManyFieldsSent):
        words = _(
            "This form has more fields than one request may have. Nothing was changed."
            " In a list without JavaScript, go back and tick at most %(count)s rows."
        )
        return problem_page(request, 413, words % {"count": ROWS})
    if isinstance(exception, TOO_LARGE):
        return problem_page(request, 413)
    return problem_page(request, 400, str(exception) if isinstance(exception, BadRequest) else "")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, 403)


def form_is_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token, or with that of another session."""
    sign, title, text = FORM_IS_OLD
    return _answer(request, 403, Problem(sign, str(title), str(text)))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, 404)


def out_of_order(request: HttpRequest) -> HttpResponse:
    """500, in the frame if that still can be read. Its id leads from what somebody quotes to the line in the log."""
    problem_id = secrets.token_hex(4).upper()
    log.error(
        "page failed", problem=problem_id, method=request.method, path=request.path, exc_info=sys.exc_info()
    )
    sign, title, text = WORDS[500]
    problem = Problem(sign, str(title), str(text), problem_id, _again(request))
    answer = None
    with contextlib.suppress(Exception):  # the frame may be what is broken
        answer = _answer(request, 500, problem)
    answer = answer or _answer(request, 500, problem, is_framed=False)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # by us, once, with its id
    return answer


def database_away(request: HttpRequest, failure: Exception) -> HttpResponse:
    """503: nothing is read from it."""
    log.error("database away", method=request.method, path=request.path, error=str(failure))
    sign, title, text = WORDS[503]
    problem = Problem(sign, str(title), str(text), again_url=_again(request))
    answer = _answer(request, 503, problem, is_framed=False)
    answer.headers["Retry-After"] = str(AWAY)
    return answer


def minutes(seconds: int) -> str:
    """When to try again, after too many tries."""
    number = max(1, -(-seconds // 60))
    said = ngettext("Try again in %(num)s minute.", "Try again in %(num)s minutes.", number)
    return said % {"num": number}


def _again(request: HttpRequest) -> str:
    """The same page, where asking twice does no harm."""
    return request.get_full_path() if request.method == "GET" else ""
