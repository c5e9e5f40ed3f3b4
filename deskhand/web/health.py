"""For machines: is it alive, is it ready, how is it doing; and the picture that browsers ask for by themselves."""

from __future__ import annotations

from ipaddress import ip_address

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from deskhand.accounts import addresses
from deskhand.web.middleware import for_everybody

TEXT = "text/plain; charset=utf-8"


@for_everybody
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type=TEXT)


@for_everybody
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """The database answers and has this version's tables."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return HttpResponse("the database does not answer\n", status=503, content_type=TEXT)
    if missing:
        return HttpResponse("migrations are missing: deskhand migrate\n", status=503, content_type=TEXT)
    return HttpResponse("ok\n", content_type=TEXT)


@for_everybody
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Asked for beside what has no head, such as plain text. A page of ours as the answer would set a form token of its
    own, and the forms of a page that opens at the same moment would be refused."""
    return HttpResponseRedirect(static("icon.svg"))


@for_everybody
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """This process's figures, for who asks from a private network."""
    if not _is_private(request):
        return HttpResponse("only from a private network\n", status=403, content_type=TEXT)
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _is_private(request: HttpRequest) -> bool:
    try:
        return ip_address(addresses.of_request(request)).is_private
    except ValueError:
        return False
