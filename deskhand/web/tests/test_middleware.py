"""One transaction for each request, and what is kept of it."""

from __future__ import annotations

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.test import Client, RequestFactory

from deskhand.accounts.models import Team
from deskhand.web.middleware import account_of_the_request, keeping_writes


@pytest.fixture
def answer_of(office):
    """What a view that writes and then answers so is turned into; and whether its writing stays."""

    def of(answer: HttpResponse) -> bool:
        def view(request):
            Team.objects.create(account_id=request.account.pk, name="Written")
            return answer

        request = RequestFactory().post("/inbox/")
        client = Client()
        client.force_login(office.world.grace)
        request.COOKIES["sessionid"] = client.cookies["sessionid"].value
        SessionMiddleware(lambda request: answer).process_request(request)
        request.user = office.world.grace
        assert account_of_the_request(view)(request) is answer
        with office.inside():
            return Team.objects.filter(name="Written").exists()

    return of


@pytest.mark.parametrize(
    ("status", "is_kept"), [(200, True), (302, True), (400, False), (409, False), (422, False)]
)
def test_what_is_refused_changes_nothing(answer_of, status, is_kept):
    assert answer_of(HttpResponse(status=status)) is is_kept


def test_a_refusal_may_say_that_it_leaves_something(answer_of):
    assert answer_of(keeping_writes(HttpResponse(status=422)))
