"""Posting to chats, each in the shape that it takes."""

from __future__ import annotations

import json

import pytest

from deskhand import wiring
from deskhand.automation import secrets
from deskhand.automation.actions import reading
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import StepStatus
from deskhand.automation.tests.doings import doing_of
from deskhand.delivery.chats import LONGEST, NAMES, body_of
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.sender import Sender
from deskhand.events.types import SYSTEM
from deskhand.testing.sites import calling_site

ACTION = ACTIONS["post_to_chat"]


@pytest.mark.parametrize("service", NAMES)
def test_a_post_arrives_with_a_link_to_the_record(world, wired, monkeypatch, service):
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    ticket = world.ticket("Refund <now>")
    with calling_site() as there:
        secrets.add(world.account.pk, "ROOM", f"{there.url}/hook", by=SYSTEM)
        doing = doing_of(
            world, ticket, {"service": service, "secret": "ROOM", "text": "New: {{ ticket.subject }}"}
        )
        (done,) = ACTION.run([doing])
        Sender(wiring.transports(), threads=0).run_once()

    (asked,) = there.asked
    assert done.message == f"On its way to {NAMES[service]}"
    assert (asked.path, asked.headers["content-type"]) == ("/hook", "application/json")
    assert f"/inbox/all-open/{ticket.pk}" in asked.body
    assert "New: Refund" in asked.body


def test_what_customers_write_calls_nobody():
    said = "<!channel> @all <https://evil.example|click> &"
    assert (
        body_of("slack", said, "")["text"] == "&lt;!channel&gt; @all &lt;https://evil.example|click&gt; &amp;"
    )
    assert body_of("discord", said, "")["allowed_mentions"] == {"parse": []}
    assert "](" not in body_of("discord", "[x](https://evil.example)", "")["content"]
    assert "@all" not in body_of("mattermost", said, "")["text"]
    (block,) = body_of("teams", said, "")["attachments"][0]["content"]["body"]
    assert block == {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": said}]}


@pytest.mark.parametrize("service", NAMES)
def test_a_long_text_is_cut_to_what_the_chat_takes(service):
    assert len(json.dumps(body_of(service, "x" * 20_000, "https://a.example/1"))) < LONGEST[service] + 600


def test_what_is_missing_is_said_and_its_form_reads_back(world):
    assert [name for name, _words in ACTION.problems({})] == ["service", "secret", "text"]
    assert [name for name, _words in ACTION.problems({"service": "slack", "secret": "NO", "text": "x"})] == [
        "secret"
    ]
    secrets.add(world.account.pk, "ROOM", "https://a.example/", by=SYSTEM)
    settings = {"service": "teams", "secret": "ROOM", "text": "{{ ticket.subject }}"}
    around = reading.around("ticket")
    typed = reading.settings_typed(ACTION, around, settings)
    assert reading.read(reading.form_of(ACTION, around, typed), typed) == settings
    assert ACTION.problems(settings) == []


def test_a_rehearsal_posts_nothing_and_a_missing_secret_fails(world):
    settings = {"service": "slack", "secret": "GONE", "text": "x"}
    (done,) = ACTION.rehearse([doing_of(world, world.ticket(), settings)])
    assert (done.status, done.message) == (StepStatus.FAILED, "There is no secret called GONE.")
    assert not OutboxEntry.objects.filter(transport="webhook").exists()
