"""Mail in a replay: what people had got and wanted by then, and how much the hour still allowed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from deskhand.automation import budget, triggers, workflows
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    Reenrollment,
    WhenEvent,
)
from deskhand.automation.models import Budget, MailTemplate
from deskhand.automation.replay import replays
from deskhand.automation.tests.test_replay import MONDAY, changed, play, replayed, ways, would_go
from deskhand.automation.tests.test_replay import life as life  # a fixture
from deskhand.crm.records import associations, objects, store, subscriptions
from deskhand.crm.records.subscriptions import Choice
from deskhand.crm.schema.queries import properties_of
from deskhand.desk import blocking
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.jobs import Job

HOUR = timedelta(hours=1)
CREATED = WhenEvent((EventMatch("ticket.created"),))
SENT, OTHERWISE = "Sent to astrid@fjallbo.example", "The contact does not want such mail."
TWICE = "The same mail went out about this less than 24 hours ago."


def mail(step_id, template="ticket_received", following=None):
    return Action(
        str(step_id), "send_email", {"template": str(template)}, Edge(str(following)) if following else None
    )


@pytest.fixture
def contact(life):
    return life.world.contact()


@pytest.fixture
def news(life):
    """A mail that is no answer to a request: people may refuse it, and only marketing contacts get it."""
    subscriptions.ensure_defaults(life.account_id)
    kind = subscriptions.kinds(life.account_id)[0]
    return MailTemplate.objects.create(
        account_id=life.account_id, name="News", subject="News", body="News.", is_transactional=False, subscription_type_id=kind.pk,
        updated_at=MONDAY,
    )  # fmt: skip


def ticket(life, contact, at, **values):
    return life.do(
        at,
        lambda: life.world.ticket(contact_id=contact.pk, channel_account_id=life.world.channel.pk, **values),
    )


def told(effects):
    return [(one.status.value, one.message) for one in effects]


def test_who_had_the_mail_within_a_day_gets_it_no_second_time(life, contact):
    """R-MAIL-12; what another workflow sent counts, and what the replay itself would have sent."""
    other = life.flow(CREATED, mail(1))
    one = ticket(life, contact, MONDAY)
    flow = life.flow(changed("hs_ticket_priority"), mail(1), reenrollment=Reenrollment(True))
    for hours, priority in ((2, "LOW"), (30, "HIGH"), (31, "MEDIUM")):
        life.do(MONDAY + hours * HOUR, lambda given=priority: life.set(one, priority=given))
    assert other.pk != flow.pk
    effects, runs = play(flow, MONDAY + 40 * HOUR)
    assert told(effects) == [("SKIPPED", TWICE), ("SUCCEEDED", SENT), ("SKIPPED", TWICE)]
    assert would_go(runs) == ways(flow)


def test_mail_and_notes_about_a_deal_are_told_as_they_went(life, contact, news):
    """R-MAIL-9, R-MAIL-12"""
    becomes(life, contact, MONDAY - HOUR, True)
    steps = (mail(1, news.pk, 2), Action("2", "create_note", {"text": "Told them"}))
    definition = Definition("deal", WhenEvent((EventMatch(*triggers.property_changed("deal", properties_of("deal")["amount"])),)), Reenrollment(True), start=Edge("1"), steps=steps, next_id=3)  # fmt: skip
    flow = workflows.create(life.account_id, "Deals", definition)
    with clock.stopped(MONDAY - HOUR):
        flow = workflows.switch(flow, True)
    deal = life.do(MONDAY, lambda: objects.create("deal", {"dealname": "Boat"}, by=Actor.user(1)))
    life.do(MONDAY, lambda: associations.connect("deal", deal.id, "contact", contact.pk, by=Actor.user(1)))
    for hours in (1, 2, 40):
        life.do(MONDAY + hours * HOUR, lambda amount=hours: store.change("deal", deal.id, {"amount": amount}, by=Actor.user(1)))  # fmt: skip
    effects, runs = play(flow, MONDAY + 50 * HOUR)
    assert told([one for one in effects if one.kind == "send_email"]) == [("SUCCEEDED", SENT), ("SKIPPED", TWICE), ("SUCCEEDED", SENT)]  # fmt: skip
    assert len([one for one in effects if one.kind == "create_note"]) == 3
    assert would_go(runs) == ways(flow)


def test_an_address_gets_five_automatic_mails_an_hour(life, contact):
    """R-MAIL-12"""
    flow = life.flow(CREATED, mail(1))
    for minute in range(7):
        ticket(life, contact, MONDAY + timedelta(minutes=minute))
    effects, _runs = play(flow, MONDAY + 2 * HOUR)
    assert [status for status, _message in told(effects)] == ["SUCCEEDED"] * 5 + ["SKIPPED"] * 2


def test_what_people_wanted_then_counts_and_not_what_they_want_now(life, contact, news):
    flow = life.flow(CREATED, mail(1, news.pk))
    becomes(life, contact, MONDAY - HOUR, True)
    choose(life, contact, news, MONDAY + 2 * HOUR, False)
    choose(life, contact, news, MONDAY + 30 * HOUR, True)
    for hours in (1, 3, 31):
        ticket(life, contact, MONDAY + hours * HOUR)
    choose(life, contact, news, MONDAY + 40 * HOUR, False)
    effects, _runs = play(flow, MONDAY + 50 * HOUR, since=MONDAY)
    assert told(effects) == [("SUCCEEDED", SENT), ("SKIPPED", OTHERWISE), ("SUCCEEDED", SENT)]


def becomes(life, contact, at, is_marketing):
    life.do(
        at,
        lambda: store.change("contact", contact.pk, {"hs_marketable_status": is_marketing}, by=Actor.user(1)),
    )


def choose(life, contact, news, at, is_on):
    choice = Choice(contact.pk, news.subscription_type_id, is_on)
    life.do(at, lambda: subscriptions.choose([choice], source=subscriptions.AGENT, by=Actor.user(1)))


def test_who_was_a_marketing_contact_then_and_at_which_address(life, contact, news):
    """R-MAIL-4"""
    flow = life.flow(CREATED, mail(1, news.pk))
    becomes(life, contact, MONDAY - HOUR, True)
    ticket(life, contact, MONDAY + HOUR)
    becomes(life, contact, MONDAY + 2 * HOUR, False)
    ticket(life, contact, MONDAY + 3 * HOUR)
    becomes(life, contact, MONDAY + 4 * HOUR, True)
    life.do(MONDAY + 5 * HOUR, lambda: store.change("contact", contact.pk, {"email": "new@fjallbo.example"}, by=Actor.user(1)))  # fmt: skip
    ticket(life, contact, MONDAY + 6 * HOUR)
    effects, _runs = play(flow, MONDAY + 9 * HOUR, since=MONDAY)
    assert told(effects) == [
        ("SUCCEEDED", SENT),
        ("SKIPPED", "The mail goes to marketing contacts only, and this contact is none."),
        ("SUCCEEDED", "Sent to new@fjallbo.example"),
    ]


def test_what_the_replay_chose_for_somebody_holds_from_then_on(life, contact, news):
    definition = Definition(
        "ticket", CREATED, start=Edge("1"), next_id=3,
        steps=(
            mail(1, news.pk, 2),
            Action("2", "manage_subscription", {"subscription": str(news.subscription_type_id), "change": "off"}),
        ),
    )  # fmt: skip
    flow = life.flow(CREATED, mail(1))
    becomes(life, contact, MONDAY - HOUR, True)
    for hours in (1, 2):
        ticket(life, contact, MONDAY + hours * HOUR)
    effects, _runs = play(flow, MONDAY + 9 * HOUR, definition, since=MONDAY)
    said = [message for _status, message in told(effects)]
    assert said == [SENT, "Unsubscribe: " + subscriptions.kind(news.subscription_type_id).name, OTHERWISE, "The contact had it that way already."]  # fmt: skip


def test_a_blocked_address_got_mail_before_it_was_blocked(life, contact):
    flow = life.flow(CREATED, mail(1))
    ticket(life, contact, MONDAY)
    life.do(MONDAY + HOUR, lambda: blocking.block("astrid@fjallbo.example", by=Actor.user(1)))
    ticket(life, contact, MONDAY + 2 * HOUR)
    effects, _runs = play(flow, MONDAY + 9 * HOUR)
    assert told(effects) == [("SUCCEEDED", SENT), ("SKIPPED", "This address is blocked.")]


def test_past_the_hours_budget_sendings_wait_for_the_next_hour_and_it_is_told(life, contact):
    flow = life.flow(CREATED, mail(1))
    for minute in range(4):
        ticket(life, contact, MONDAY + timedelta(minutes=minute))
    Budget.objects.update_or_create(account_id=life.account_id, defaults={"per_hour": 3})
    found = replayed(flow, workflows.definition_of(flow), MONDAY + 5 * HOUR)
    effects, runs = play(flow, MONDAY + 5 * HOUR)
    assert [one.at for one in effects][2:] == [MONDAY + timedelta(minutes=2), MONDAY + HOUR]
    assert [line.what for line in runs[3].path] == ["held", "performed", "ended"]
    assert (found.held, found.held_at) == (1, MONDAY + timedelta(minutes=3))
    assert budget.of(life.account_id).stopped_at is None


def test_what_others_sent_in_the_hour_is_used_up(life, contact):
    life.flow(CREATED, mail(1))
    for minute in range(3):
        ticket(life, contact, MONDAY + timedelta(minutes=minute))
    flow = life.flow(
        CREATED, Delay("1", ForAmount(timedelta(minutes=5)), Edge("2")), mail(2, "ticket_closed")
    )
    Budget.objects.update_or_create(account_id=life.account_id, defaults={"per_hour": 4})
    effects, _runs = play(flow, MONDAY + 3 * HOUR)
    assert [one.at for one in effects] == [MONDAY + timedelta(minutes=5), MONDAY + HOUR, MONDAY + HOUR]


def test_the_memory_of_mails_outlives_the_worker(life, contact, monkeypatch):
    from deskhand.automation.replay import keeping
    from deskhand.automation.replay.play import Play
    from deskhand.events.queries import Log

    flow = life.flow(CREATED, mail(1))
    for minute in range(7):
        ticket(life, contact, MONDAY + timedelta(minutes=minute))
    monkeypatch.setattr(Log, "PAGE", 3)
    definition = workflows.definition_of(flow)
    found = replays.start(flow, definition, days=7, is_draft=False, by=1, now=MONDAY + 2 * HOUR)
    keep = keeping.keep

    def anew(replay, playing: Play, page):
        """Each page by a worker that knows only what is stored."""
        keep(replay, playing, page)
        if not playing.is_over:
            raise InterruptedError

    monkeypatch.setattr(keeping, "keep", anew)
    for _page in range(40):
        found.refresh_from_db()
        if found.state not in ("QUEUED", "RUNNING"):
            break
        try:
            replays.run(Job(1, flow.account_id, {"replay": found.pk}, threading.Event()))
        except InterruptedError:
            continue
    assert found.state == "DONE"
    assert found.totals["kinds"] == {"send_email": {"SAME": 5}}
