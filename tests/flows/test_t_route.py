"""T-ROUTE of the catalogue from the customer's message to who has the ticket, on every kind of channel."""

from __future__ import annotations

import pytest

from deskhand.accounts.models import Membership, TeamMember
from deskhand.accounts.policy import viewer_for
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import contacts, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Contact, PropertyChange, Ticket
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import inboxes, replies, spam, threads, views
from deskhand.desk.models import ChannelAccount
from deskhand.desk.replies import NewReply
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.errors import Invalid
from deskhand.notifications import wishes
from deskhand.notifications.models import Notification
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways
from deskhand.routing import agents, availability, explain, loads, matrix, queries, rules
from deskhand.routing.models import AgentLoad, Decision
from deskhand.routing.rules import Ringing
from deskhand.routing.types import Drop, Option, Reason, Status
from deskhand.testing.clerk import Clerk, at_work
from deskhand.testing.telephone import Telephone

ASTRID = "astrid@fjallbo.example"
NIGHTS = WeeklyHours("UTC", (Block(0, 0, 360),))  # the tests' Monday noon is outside of them
DAYS = WeeklyHours("UTC", (Block(0, 540, 1020),))
KINDS = [kind for kind in matrix.MATRIX if kind != matrix.CALLING]


@pytest.fixture
def office(world, noon, wired):
    """Ada, Grace and Bob are available."""
    available(world, world.ada, world.grace, world.bob)
    return world


def available(world, *users):
    for user in users:
        availability.set_by_hand(world.account.pk, user.pk, Status.AVAILABLE, by=SYSTEM)


def away(world, *users):
    for user in users:
        availability.set_by_hand(world.account.pk, user.pk, Status.AWAY, by=SYSTEM)


def channel_of(world, kind: str) -> ChannelAccount:
    if kind == matrix.EMAIL:
        return world.channel
    return inboxes.add_channel_account(
        world.channel.inbox, channel=kind, name=kind.title(), address=f"in@{kind}.example"
    )


def set_rule(world, channel, option, **more):
    return rules.set_rule(world.account.pk, channel.pk, option, by=SYSTEM, kind=channel.channel, **more)


def arrives(channel, *, sender=ASTRID, text="Where is my refund?", cc=(), answers=()) -> Ticket:
    message = InboundMessage(
        f"{sender}-{text}-{clock.now()}", Mailbox(sender), "Refund", text, clock.now(), cc=tuple(map(Mailbox, cc)),
        answers=tuple(answers), is_email=channel.channel == matrix.EMAIL,
    )  # fmt: skip
    filed = threads.receive(Incoming(channel.pk, message))
    run_hooks()
    return Ticket.objects.get(pk=filed.ticket_id)


def seen_by(world, user, key):
    viewer = viewer_for(world.account.pk, user.pk)
    found, _more = views.rows(viewer, views.view_of(viewer, key))
    return [row.id for row in found]


@pytest.mark.parametrize("kind", KINDS)
def test_t_route_1_without_a_rule_a_ticket_is_in_unassigned(office, kind):
    """T-ROUTE-1, R-ROUTE-1, R-ROUTE-18."""
    made = arrives(channel_of(office, kind))

    assert (made.owner_id, made.assigned_team_ids) == (None, [])
    assert seen_by(office, office.ada, "unassigned") == [made.pk]


@pytest.mark.parametrize("kind", KINDS)
def test_t_route_9_with_all_away_the_teams_see_it(office, kind):
    """T-ROUTE-9, R-ROUTE-46, R-ROUTE-49."""
    channel = channel_of(office, kind)
    set_rule(office, channel, Option.USERS_AND_TEAMS, team_ids=[office.team.pk])
    away(office, office.ada, office.grace, office.bob)

    made = arrives(channel)

    assert (made.owner_id, made.assigned_team_ids) == (None, [office.team.pk])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if matrix.of(kind).has_box])
def test_t_route_10_with_the_box_off_the_away_get_it(office, kind):
    """T-ROUTE-10, R-ROUTE-47."""
    channel = channel_of(office, kind)
    set_rule(office, channel, Option.USERS_AND_TEAMS, user_ids=[office.grace.pk], only_available=False)
    away(office, office.grace)

    assert arrives(channel).owner_id == office.grace.pk


@pytest.mark.parametrize("kind", KINDS)
def test_t_route_11_an_extra_member_gets_nothing_through_the_team(office, kind):
    """T-ROUTE-11, R-ROUTE-12: of the team only Eve is there, an extra member."""
    channel = channel_of(office, kind)
    set_rule(office, channel, Option.USERS_AND_TEAMS, team_ids=[office.team.pk])
    away(office, office.ada, office.grace, office.bob)
    available(office, office.eve)

    assert arrives(channel).owner_id is None


@pytest.mark.parametrize("kind", list(matrix.MATRIX))
def test_t_route_12_who_has_no_seat_is_refused_then_skipped_and_marked(office, kind):
    """T-ROUTE-12, R-ROUTE-11, R-ROUTE-14."""
    channel = channel_of(office, kind)
    with pytest.raises(Invalid):
        set_rule(office, channel, Option.USERS_AND_TEAMS, user_ids=[office.nils.pk])

    set_rule(office, channel, Option.USERS_AND_TEAMS, user_ids=[office.grace.pk, office.bob.pk])
    Membership.objects.filter(user=office.grace).update(has_seat=False)
    rule = set_rule(office, channel, Option.USERS_AND_TEAMS, user_ids=[office.grace.pk, office.bob.pk])

    assert queries.unfit(office.account.pk, rule.user_ids) == {office.grace.pk: Drop.NO_SEAT}
    if kind == matrix.CALLING:
        phone = Telephone(channel)
        phone.call()
        assert phone.told[0] == ("ring", (office.bob.pk,), 20)
    else:
        assert arrives(channel).owner_id == office.bob.pk


@pytest.mark.parametrize("kind", [kind for kind in KINDS if Option.TEAMS in matrix.of(kind).options])
def test_t_route_13_teams_only_leaves_it_to_the_team(office, kind):
    """T-ROUTE-13, R-ROUTE-19."""
    channel = channel_of(office, kind)
    set_rule(office, channel, Option.TEAMS, team_ids=[office.team.pk])

    made = arrives(channel)

    assert made.owner_id is None
    assert (
        seen_by(office, office.ada, "team-unassigned")
        == seen_by(office, office.ada, "team-open")
        == [made.pk]
    )


def test_t_route_14_a_team_without_a_seat_can_not_be_chosen(office):
    """T-ROUTE-14, R-ROUTE-19."""
    TeamMember.objects.filter(team=office.team).exclude(user=office.nils).delete()

    for option in (Option.TEAMS, Option.USERS_AND_TEAMS):
        with pytest.raises(Invalid) as refused:
            set_rule(office, office.channel, option, team_ids=[office.team.pk])
        assert refused.value.field == "team_ids"
    assert queries.selectable_teams(office.account.pk) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if Option.CONTACT_OWNER in matrix.of(kind).options])
def test_t_route_15_the_senders_owner_gets_it(office, kind):
    """T-ROUTE-15, R-ROUTE-60, R-ROUTE-63, R-ROUTE-66: of several people in it, the sender's."""
    channel = channel_of(office, kind)
    set_rule(office, channel, Option.CONTACT_OWNER)
    owned_by(office.grace)
    owned_by(office.bob, "liv@fjallbo.example")

    assert arrives(channel, cc=["liv@fjallbo.example"]).owner_id == office.grace.pk
    assert arrives(channel, sender="new@fjallbo.example").owner_id is None
    set_rule(office, channel, Option.CONTACT_OWNER, fallback_user_ids=[office.bob.pk])
    assert arrives(channel, sender="newer@fjallbo.example").owner_id == office.bob.pk


def owned_by(user, address=ASTRID) -> Contact:
    made = contacts.create(Person(address, "Astrid Lindqvist"), by=SYSTEM)
    Contact.objects.filter(pk=made.pk).update(owner_id=user.pk)
    return made


@pytest.mark.parametrize("kind", [matrix.FORM, matrix.PORTAL])
def test_t_route_16_a_form_is_mailed_to_the_owner_who_is_away(office, kind):
    """T-ROUTE-16, R-ROUTE-62: once, through the outbox, whatever is tried again later."""
    channel = channel_of(office, kind)
    set_rule(office, channel, Option.CONTACT_OWNER, wait_list=True)
    owned_by(office.grace)
    away(office, office.grace)
    OutboxEntry.objects.all().delete()

    made = arrives(channel, text="The chair wobbles.")
    run_hooks()

    [mail] = OutboxEntry.objects.all()
    assert made.owner_id is None
    assert mail.recipients == [office.grace.email]
    assert "The chair wobbles." in mail.payload["text"]
    assert f"/inbox/all-open/{made.pk}" in mail.payload["text"]
    assert mail.idempotency_key == f"owner-away:{made.pk}"


@pytest.mark.parametrize("kind", [matrix.EMAIL, matrix.FORM])
def test_only_a_form_is_mailed_and_only_to_who_is_away(office, kind):
    """R-ROUTE-62, R-ROUTE-65: mail is not; nor a form whose owner is there."""
    channel = channel_of(office, kind)
    set_rule(office, channel, Option.CONTACT_OWNER)
    owned_by(office.grace)
    if kind == matrix.EMAIL:
        away(office, office.grace)

    arrives(channel)

    assert not OutboxEntry.objects.filter(recipients__contains=[office.grace.email]).exists()


def test_t_route_17_who_answers_an_unassigned_ticket_owns_it(office):
    """T-ROUTE-17, R-ROUTE-3, R-ROUTE-4, R-ROUTE-5."""
    first, second = arrives(office.channel), arrives(office.channel, text="Another one")
    tickets.assign(second.pk, owner_id=office.ada.pk, by=Actor.user(office.ada.pk))
    replies.comment(first.pk, "Looking into it", by=office.grace)
    assert Ticket.objects.get(pk=first.pk).owner_id is None

    replies.reply(NewReply(first.pk, "On its way."), by=office.bob)
    replies.reply(NewReply(second.pk, "On its way."), by=office.bob)

    assert Ticket.objects.get(pk=first.pk).owner_id == office.bob.pk
    assert Ticket.objects.get(pk=second.pk).owner_id == office.ada.pk


def test_t_route_18_a_removed_owner_leaves_the_team(office):
    """T-ROUTE-18, R-ROUTE-50, R-ROUTE-51."""
    set_rule(office, office.channel, Option.USERS_AND_TEAMS, user_ids=[office.grace.pk])
    made = arrives(office.channel)

    tickets.assign(made.pk, owner_id=None, by=Actor.user(office.ada.pk))

    left = Ticket.objects.get(pk=made.pk)
    assert (left.owner_id, left.assigned_team_ids) == (None, [office.team.pk])


AI_KINDS = [kind for kind in KINDS if Option.AI_AGENT in matrix.of(kind).options]


@pytest.mark.parametrize("kind", AI_KINDS)
def test_t_route_19_what_the_agent_can_not_answer_goes_to_the_fallback(office, settle, kind):
    """T-ROUTE-19, R-AI-1, R-AI-2, R-AI-14, R-AI-16: with none to Unassigned, with users to one of them."""
    channel = channel_of(office, kind)
    with at_work(Clerk({"refund": "It is on its way."})) as clerk:
        set_rule(office, channel, Option.AI_AGENT, agent_key=clerk.key)
        known, unknown = arrives(channel), arrives(channel, text="I want to talk to somebody")
        assert seen_by(office, office.ada, "unassigned") == []
        settle()
        run_hooks()

        assert clerk.said == [(known.pk, "It is on its way.")]
        assert seen_by(office, office.ada, "unassigned") == [unknown.pk]

        people = [office.grace.pk, office.bob.pk]
        set_rule(office, channel, Option.AI_AGENT, agent_key=clerk.key, fallback_user_ids=people)
        others = [arrives(channel, text=f"Please call me, {n}") for n in (1, 2)]
        settle()
        run_hooks()

    got = Ticket.objects.filter(pk__in=[one.pk for one in others]).values_list("owner_id", "ai_agent")
    assert sorted(got) == sorted((user, "") for user in people)
    assert Ticket.objects.get(pk=known.pk).ai_agent == "clerk"


def test_an_agents_ticket_is_nobodys_business_until_it_is_handed_off(office, settle):
    """R-AI-13, R-AI-14: no load, no notice, in the history; then people hear of it, once."""
    wishes.choose(office.account.pk, office.bob.pk, {Topic.UNASSIGNED: Ways(True, False)})
    with at_work(Clerk({"refund": "On its way."})) as clerk:
        set_rule(office, office.channel, Option.AI_AGENT, agent_key=clerk.key)
        made = arrives(office.channel)
        settle()
        run_hooks()
        assert not Notification.objects.filter(ticket_id=made.pk).exists()
        assert loads.recount(office.account.pk, clock.now()) == {}

        agents.hand_off(office.account.pk, [made.pk], by=SYSTEM)
        assert agents.hand_off(office.account.pk, [made.pk], by=SYSTEM) == []
        run_hooks()
        settle()

    assert [one.user_id for one in Notification.objects.filter(ticket_id=made.pk)] == [office.bob.pk]
    name = "hs_customer_agent_ticket_status"
    steps = (
        PropertyChange.objects.filter(record_id=made.pk, property=name)
        .order_by("id")
        .values_list("new", flat=True)
    )
    assert list(steps) == ["IN_PROGRESS", "ESCALATED"]
    assert (
        Ticket.objects.get(pk=made.pk).properties["hs_customer_agent_escalated_time"]
        == clock.now().isoformat()
    )


def test_a_person_who_takes_it_takes_it_from_the_agent(office, settle):
    """R-AI-14: and it never goes back by itself."""
    with at_work(Clerk({"refund": "On its way."})) as clerk:
        set_rule(
            office, office.channel, Option.AI_AGENT, agent_key=clerk.key, fallback_user_ids=[office.bob.pk]
        )
        made = arrives(office.channel)
        tickets.assign(made.pk, owner_id=office.grace.pk, by=Actor.user(office.grace.pk))
        run_hooks()
        settle()

    taken = Ticket.objects.get(pk=made.pk)
    assert (taken.owner_id, taken.ai_agent) == (office.grace.pk, "")
    assert taken.properties["hs_customer_agent_ticket_status"] == "ESCALATED"


def phone_of(world, **rule) -> Telephone:
    made = Telephone(channel_of(world, matrix.CALLING))
    chosen = {"user_ids": [world.grace.pk, world.bob.pk], "hours": DAYS, **rule}
    heard = Ringing(rule.get("at_once", False), 20, "Nobody is free.", "We are closed.")
    chosen.pop("at_once", None)
    made.rule(option=Option.USERS_AND_TEAMS, ringing=heard, **chosen)
    return made


def test_t_route_21_unanswered_in_hours_and_out_of_hours(office):
    """T-ROUTE-21, R-ROUTE-90..96: who is free rings for 20 seconds each, then the message and the voicemail; out of
    hours the greeting."""
    phone = phone_of(office)

    missed = phone.call()

    rung = {users for kind, users, _seconds in phone.told[:2] if kind == "ring"}
    assert rung == {(office.grace.pk,), (office.bob.pk,)}
    assert [what[2] for what in phone.told[:2]] == [20, 20]
    assert phone.told[2:] == [("say", "Nobody is free."), ("voicemail",)]
    assert (missed.ticket_type, missed.owner_id, missed.assigned_team_ids) == ("CALL", None, [office.team.pk])

    phone.rule(
        option=Option.USERS_AND_TEAMS,
        user_ids=[office.grace.pk],
        hours=NIGHTS,
        ringing=Ringing(closed="We are closed."),
    )
    late = phone.call()

    assert phone.told == [("say", "We are closed."), ("voicemail",)]
    assert (late.ticket_type, late.owner_id, late.assigned_team_ids) == ("CALL", None, [office.team.pk])


def test_who_answers_a_call_owns_it_and_is_rung_last_next_time(office):
    """R-ROUTE-94, R-ROUTE-95: by load; then ring-all, without who is on the phone."""
    phone = phone_of(office)
    phone.picks_up = office.grace.pk

    mine = phone.call()

    assert (mine.owner_id, mine.ticket_type) == (office.grace.pk, "CALL")
    phone.picks_up = None
    phone.call()
    assert [what[1] for what in phone.told if what[0] == "ring"] == [
        (office.bob.pk,),
        (office.grace.pk,),
    ]

    phone.busy = [office.grace.pk]
    phone.call()
    assert [what[1] for what in phone.told if what[0] == "ring"] == [(office.bob.pk,)]

    everybody = phone_of_all(office, phone)
    everybody.call()
    assert everybody.told[0] == ("ring", (office.bob.pk, office.grace.pk), 20)


def test_whoever_answers_a_call_is_named_where_it_is_told_whose_it_is(office, settle):
    """R-ROUTE-95, R-ROUTE-70: in its decision, in words, and in the history; nobody's turn is used up."""
    phone = phone_of(office)
    phone.picks_up = office.grace.pk

    mine = phone.call()
    settle()

    [kept] = Decision.objects.filter(ticket_id=mine.pk)
    assert (kept.reason, kept.user_id) == (Reason.ANSWERED, office.grace.pk)
    assert explain.explain(kept).headline == f"{office.grace.name} answered the call."
    [change] = PropertyChange.objects.filter(record_id=mine.pk, property="hubspot_owner_id")
    assert (change.actor_id, change.new) == (office.grace.pk, office.grace.pk)
    assert mine.assigned_team_ids == [office.team.pk]
    assert not Notification.objects.filter(ticket_id=mine.pk).exists()
    assert not AgentLoad.objects.filter(user_id=office.grace.pk).exclude(last_turn=None).exists()


def reopen(office, ticket) -> None:
    tickets.move(ticket.pk, to=pipelines_of("ticket").default.stages[-1].id, by=SYSTEM)
    run_hooks()
    tickets.move(ticket.pk, to=pipelines_of("ticket").default.first_open.id, by=SYSTEM)


def take_out_of_spam(office, ticket) -> None:
    spam.mark(ticket.pk, by=SYSTEM)
    run_hooks()
    spam.unmark(ticket.pk, by=SYSTEM)


@pytest.mark.parametrize("comes_back", [reopen, take_out_of_spam])
def test_a_voicemail_that_comes_back_is_given_to_nobody_either(office, settle, comes_back):
    """R-ROUTE-95, R-REOPEN-3, R-CC-12: phones have rung for it."""
    phone = phone_of(office)
    missed = phone.call()
    settle()

    comes_back(office, missed)
    run_hooks()
    settle()

    missed.refresh_from_db()
    assert (missed.owner_id, missed.is_closed, missed.is_spam) == (None, False, False)
    reasons = Decision.objects.filter(ticket_id=missed.pk).order_by("id").values_list("reason", flat=True)
    assert list(reasons) == [Reason.UNANSWERED, Reason.UNANSWERED]


def phone_of_all(world, phone) -> Telephone:
    phone.busy = ()
    phone.rule(
        option=Option.USERS_AND_TEAMS, user_ids=[world.grace.pk, world.bob.pk], ringing=Ringing(at_once=True)
    )
    return phone


def test_t_route_22_a_form_must_not_offer_the_agent(office):
    """T-ROUTE-22, R-ROUTE-17."""
    form = channel_of(office, matrix.FORM)
    with at_work(Clerk({})) as clerk:
        with pytest.raises(Invalid) as refused:
            set_rule(office, form, Option.AI_AGENT, agent_key=clerk.key)
        assert Option.AI_AGENT not in matrix.shown(matrix.FORM)
    assert refused.value.field == "option"


def test_t_route_23_a_chat_outside_the_channels_hours_is_unassigned(office):
    """T-ROUTE-23, R-ROUTE-80, R-ROUTE-81: though Grace is available; in hours she gets it."""
    chat = channel_of(office, matrix.CHAT)
    set_rule(office, chat, Option.USERS_AND_TEAMS, user_ids=[office.grace.pk], hours=NIGHTS)
    late = arrives(chat)
    set_rule(office, chat, Option.USERS_AND_TEAMS, user_ids=[office.grace.pk], hours=DAYS)

    assert (late.owner_id, late.assigned_team_ids) == (None, [office.team.pk])
    assert late.pk in seen_by(office, office.ada, "unassigned")
    assert arrives(chat, text="Hello?").owner_id == office.grace.pk


def test_a_bot_sends_a_chat_to_people_when_it_wants(office):
    """R-ROUTE-82: it is nobody's before, and the flow's rule is asked at that point."""
    chat = channel_of(office, matrix.CHAT)
    set_rule(office, chat, Option.USERS_AND_TEAMS, user_ids=[office.grace.pk])
    new = threads.first_ticket(
        chat, chat.inbox, subject="Hi", text="Hi", writer="", contact_id=None, facts={"ai_agent": "bot"}
    )
    made = tickets.create(new, by=SYSTEM)
    run_hooks()
    assert Ticket.objects.get(pk=made.id).owner_id is None

    agents.hand_off(office.account.pk, [made.id], by=SYSTEM)
    run_hooks()

    assert Ticket.objects.get(pk=made.id).owner_id == office.grace.pk
