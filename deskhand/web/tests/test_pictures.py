"""Pictures that mails show from elsewhere: off until asked for, and then through our server (S28)."""

from __future__ import annotations

import pytest
from django.db import connection

from deskhand.kernel import http
from deskhand.kernel.errors import Rejected, Unreachable

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
MAIL = '<p>Hi</p><img alt="" data-src="https://shop.example/a.png?x=1&amp;y=2"><img data-src="https://shop.example/b.png">'


@pytest.fixture
def asked(monkeypatch):
    """What is fetched, and what comes of it."""
    urls = []

    def fetch(method, url, **more):
        urls.append(url)
        answer = asked.answers.get(url, PNG)
        if isinstance(answer, Exception):
            raise answer
        return http.Response(200, {"content-type": "text/html"}, answer, url)

    monkeypatch.setattr(http, "fetch", fetch)
    asked.answers = {}
    asked.urls = urls
    return asked


def url(office, ticket, number):
    return f"/messages/{office.messages(ticket)[0].pk}/pictures/{number}"


def test_a_mail_is_read_without_asking_for_its_pictures(office, sign_in, asked):
    ticket = office.mail(html=MAIL)

    page = sign_in(office.world.grace).get(f"/inbox/all-open/{ticket.pk}").content.decode()

    assert "Show pictures" in page
    assert not asked.urls
    plain = office.mail("Plain", html="<p>Hi</p>")
    assert (
        "Show pictures" not in sign_in(office.world.grace).get(f"/inbox/all-open/{plain.pk}").content.decode()
    )


def test_asked_for_they_come_from_us_and_can_do_nothing(office, sign_in, asked):
    ticket, client = office.mail(html=MAIL), sign_in(office.world.grace)

    answer = client.get(url(office, ticket, 0))

    assert asked.urls == ["https://shop.example/a.png?x=1&y=2"]
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, PNG, "image/png")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_only_what_stands_in_the_mail_is_fetched(office, sign_in, asked):
    ticket, client = office.mail(html=MAIL), sign_in(office.world.grace)

    assert client.get(url(office, ticket, 2)).status_code == 404
    assert client.get("/messages/999999/pictures/0").status_code == 404
    assert not asked.urls


@pytest.mark.parametrize("answer", [b"<svg></svg>", b"<html>", b"", Unreachable("away"), Rejected("private")])
def test_what_is_no_picture_is_not_handed_on(office, sign_in, asked, answer):
    ticket = office.mail(html=MAIL)
    asked.answers = {"https://shop.example/b.png": answer}

    assert sign_in(office.world.grace).get(url(office, ticket, 1)).status_code == 502


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_held_while_another_server_is_asked(office, sign_in, monkeypatch):
    ticket, client = office.mail(html=MAIL), sign_in(office.world.grace)
    held = []

    def fetch(method, url, **more):
        held.append(connection.in_atomic_block)
        return http.Response(200, {}, PNG, url)

    monkeypatch.setattr(http, "fetch", fetch)
    client.get(url(office, ticket, 0))

    assert held == [False]
