"""What can't be shown or done is said in words: what happened, and what to do; in the frame where there is one."""

from __future__ import annotations

import logging

import pytest
import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.test import Client

from deskhand.accounts import attempts, sessions
from deskhand.accounts.models import User
from deskhand.kernel.errors import Conflict, Limited, Unreachable
from deskhand.web import frame
from deskhand.web.system import page as system_page
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true"}
HELP_DESK = "Go to the help desk"
RAIL = '<nav class="rail"'


@pytest.fixture
def ada(office, sign_in) -> Client:
    return sign_in(office.world.ada, raise_request_exception=False)


@pytest.fixture
def breaks(monkeypatch):
    """Let the system page fail with something."""

    def with_(failure: Exception) -> str:
        def fail(*_args: object, **_more: object) -> None:
            raise failure

        monkeypatch.setattr(system_page, "parts", fail)
        return "/settings/system"

    return with_


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (SuspiciousOperation("no"), 400, "This could not be understood"),
        (PermissionError("no"), 500, "Something went wrong on our side"),
        (Conflict("Somebody moved it."), 409, "Somebody moved it."),
        (RequestDataTooBig("3 GB"), 413, "That is too large"),
        (Limited("Too many.", retry_after=61), 429, "Too many. Try again in 2 minutes."),
        (Unreachable("The server is silent."), 503, "The server is silent."),
        (OperationalError("gone"), 503, "Its database does not answer."),
        (InterfaceError("closed"), 503, "Its database does not answer."),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_failure_is_told_as_a_page_and_as_bare_words(ada, breaks, failure, status, words):
    address = breaks(failure)

    page = ada.get(address)
    assert page.status_code == status
    assert words in texts(page)
    assert HELP_DESK in texts(page)

    part = ada.get(address, headers=HTMX)
    assert part.status_code == status
    assert part.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "<" not in part.content.decode()
    assert part.content


def test_what_waits_says_how_long(ada, breaks):
    assert ada.get(breaks(Limited("Too many.", retry_after=61))).headers["Retry-After"] == "61"
    assert ada.get(breaks(OperationalError("gone"))).headers["Retry-After"]


@pytest.mark.parametrize("path", ["/nowhere", "/settings/roles/999999"])
def test_an_error_keeps_the_frame_of_who_is_signed_in(ada, path):
    page = ada.get(path)

    assert page.status_code == 404
    assert RAIL in page.content.decode()
    assert "There is nothing at this address" in texts(page)


def test_a_failure_of_ours_can_be_quoted_and_found_in_the_log(ada, breaks):
    with structlog.testing.capture_logs() as lines:
        page = ada.get(breaks(ValueError("a password: hunter2")))

    (line,) = [line for line in lines if line["event"] == "page failed"]
    assert (line["path"], line["method"]) == ("/settings/system", "GET")
    assert line["exc_info"][0] is ValueError
    assert line["problem"] in texts(page)
    assert "hunter2" not in page.content.decode()
    assert RAIL in page.content.decode()
    assert 'href="/settings/system">' in page.content.decode()  # try again


def test_a_failure_is_logged_once(ada, breaks, caplog):
    with caplog.at_level(logging.ERROR, "django.request"):
        ada.get(breaks(ValueError("x")))

    assert not caplog.records


def test_a_broken_frame_does_not_hide_the_failure(ada, breaks, monkeypatch):
    address = breaks(ValueError("x"))
    monkeypatch.setattr(frame, "person_of_viewer", lambda _request: 1 / 0)

    page = ada.get(address)

    assert page.status_code == 500
    assert RAIL not in page.content.decode()
    assert "Something went wrong on our side" in texts(page)


def test_without_the_database_there_is_a_page_that_reads_nothing(
    office, sign_in, monkeypatch, django_assert_num_queries
):
    """The process runs on without it; the language is the browser's."""

    def away(*_given: object) -> None:
        raise OperationalError("connection refused")

    client = sign_in(office.world.ada, headers={"accept-language": "de"})
    monkeypatch.setattr(sessions, "membership", away)
    with structlog.testing.capture_logs() as lines, django_assert_num_queries(2):  # session and person
        page = client.get("/inbox/all-open")

    assert page.status_code == 503
    assert 'lang="de"' in page.content.decode()
    assert 'href="/inbox/all-open"' in page.content.decode()
    assert "Content-Security-Policy" in page.headers
    assert [line["error"] for line in lines] == ["connection refused"]


def test_a_form_without_its_token_is_told_in_words(office, settings):
    client = Client(enforce_csrf_checks=True)
    client.force_login(office.world.ada)

    page = client.post("/settings/account/save", {"name": "x"})
    assert page.status_code == 403
    assert "This form is out of date" in texts(page)
    assert RAIL in page.content.decode()
    assert "load the page again" in client.post("/me/theme", {}, headers=HTMX).content.decode()


@pytest.mark.parametrize("path", ["/settings/account/save", "/setup/whatever/create"])
def test_reloading_where_a_form_went_is_not_an_empty_page(ada, path):
    page = ada.get(path)

    assert page.status_code == 405
    assert page.headers["Allow"] == "POST"
    assert "This address only takes forms" in texts(page)


def test_too_many_tries_to_sign_in_are_told_in_words(office):
    client = Client(headers={"accept-language": "en"})
    for _number in range(attempts.TRIES_PER_NAME + 1):
        page = client.post("/account/login/", {"login": "ada", "password": "wrong"})

    assert "Too many failed" in texts(page)


def test_an_error_speaks_the_readers_language(office, sign_in, breaks):
    User.objects.filter(pk=office.world.ada.pk).update(locale="nb")
    client = sign_in(office.world.ada, raise_request_exception=False)

    assert 'lang="nb"' in client.get(breaks(ValueError("x"))).content.decode()


def test_a_ticket_that_is_gone_is_told_where_it_was_pressed(ada):
    part = ada.get("/inbox/all-open/999999/thread", headers=HTMX)

    assert part.status_code == 404
    assert b"<" not in part.content
