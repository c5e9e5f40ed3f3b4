"""The channels' settings: connecting, testing, who gets the mail, how we sign."""

from __future__ import annotations

import pytest
from django.urls import reverse

from deskhand.accounts.models import AuditEntry
from deskhand.channels.email import accounts as email
from deskhand.channels.email import trial
from deskhand.channels.email.causes import Cause
from deskhand.channels.email.models import EmailAccount, MailboxState
from deskhand.channels.email.trial import Outcome
from deskhand.channels.forms import forms
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount, Inbox, InboxKind
from deskhand.events.types import SYSTEM
from deskhand.kernel import hosts
from deskhand.routing import availability, matrix, queries, rules
from deskhand.routing.types import Option, Status, Strategy
from deskhand.testing.clerk import Clerk, at_work
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

IMAP = {
    "own": "1", "imap_host": "imap.provider.example", "imap_port": "993", "imap_security": "TLS", "imap_user": "team",
    "imap_password": "hunter2-canary", "imap_folder": "INBOX", "processed_folder": "Processed",
}  # fmt: skip
SMTP = {
    "own": "1", "smtp_host": "smtp.provider.example", "smtp_port": "587", "smtp_security": "STARTTLS",
    "smtp_user": "team", "smtp_password": "other-canary",
}  # fmt: skip


@pytest.fixture
def ada(office, sign_in, monkeypatch):
    """Signed in; servers resolve to a public address, and are never really asked."""
    monkeypatch.setattr(
        hosts.socket, "getaddrinfo", lambda host, port, **_: [(0, 0, 0, "", ("8.8.8.8", port))]
    )
    monkeypatch.setattr(trial, "try_incoming", lambda box: Outcome())
    monkeypatch.setattr(trial, "try_outgoing", lambda relay, address: Outcome())
    return sign_in(office.world.ada)


@pytest.fixture
def at(office):
    """The address of a page of the office's channel."""
    return lambda name: reverse(name, args=[office.world.channel.pk])


def page(client, url, status=200):
    response = client.get(url)
    assert response.status_code == status
    return texts(response)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_says_who_gets_the_mail_of_each_address(office, ada):
    """R-ROUTE-33: people before teams, as their turns come."""
    with office.inside() as world:
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, team_ids=[world.team.pk], user_ids=[world.eve.pk],
            fallback_user_ids=[world.ada.pk], fallback_team_ids=[world.team.pk], wait_list=True, by=SYSTEM,
        )  # fmt: skip

    said = page(ada, "/settings/channels")

    assert "support@nordlys.example" in said
    assert "New mail goes to Eve Curie and Support, load balanced, available people only." in said
    assert "If nobody can take it: Ada Lovelace and Support." in said
    assert "What nobody can take waits for the next who becomes available." in said


def test_an_account_without_an_address_is_shown_the_way(office, ada):
    with office.inside():
        ChannelAccount.objects.all().delete()

    assert "No address is connected yet" in page(ada, "/settings/channels")


def test_a_mailbox_that_can_not_be_read_says_why_and_what_to_do(office, ada):
    """R16"""
    with office.inside() as world:
        EmailAccount.objects.create(
            account_id=world.account.pk, channel_account=world.channel, imap_host="imap.x.example",
            state=MailboxState.REFUSED, last_error="[AUTHENTICATIONFAILED] no", last_cause=Cause.REFUSED,
        )  # fmt: skip

    said = page(ada, "/settings/channels")

    assert "Needs attention" in said
    assert "The server refuses the user name or the password." in said
    assert "app password" in said
    assert "[AUTHENTICATIONFAILED] no" in said


def test_the_list_asks_as_much_for_many_as_for_one(office, ada):
    one = queries_of(ada, "/settings/channels")
    with office.inside() as world:
        for n in range(8):
            made = email.connect(world.channel.inbox, f"more{n}@nordlys.example", "More", by=SYSTEM)
            rules.set_rule(
                world.account.pk, made.pk, Option.USERS_AND_TEAMS, user_ids=[world.ada.pk], by=SYSTEM
            )

    assert queries_of(ada, "/settings/channels") == one + 1  # the names that the rules mention


# ── connecting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_is_connected_step_by_step(office, ada):
    desk = office.world.channel.inbox_id
    made = ada.post(
        "/settings/channels/add", {"address": "billing@nordlys.example", "name": "Billing", "inbox": desk}
    )
    with office.inside():
        channel = ChannelAccount.objects.get(address="billing@nordlys.example")

    assert made.headers["Location"] == f"/settings/channels/{channel.pk}?setup=1"
    first = page(ada, made.headers["Location"])
    assert "Next step" in first
    saved = ada.post(f"/settings/channels/{channel.pk}/incoming", {**IMAP, "setup": "1"})
    assert saved.headers["Location"] == f"/settings/channels/{channel.pk}?setup=1#incoming"
    last = ada.post(f"/settings/channels/{channel.pk}/sender/save", {"name": "Billing", "setup": "1"})
    assert last.headers["Location"] == "/settings/channels"


def test_a_new_plain_inbox_is_made_with_its_first_address(office, ada):
    """R-CC-6"""
    ada.post(
        "/settings/channels/add",
        {"address": "p@nordlys.example", "name": "P", "inbox": "new", "inbox_name": "Partners"},
    )

    with office.inside():
        assert Inbox.objects.get(name="Partners").kind == InboxKind.INBOX
        assert not ChannelAccount.objects.get(address="p@nordlys.example").creates_tickets


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"address": "nonsense"}, "This is not an email address."),
        ({"address": "support@nordlys.example"}, "support@nordlys.example is connected already."),
        ({"inbox": ""}, "Choose where its conversations go."),
        ({"inbox": "99999"}, "Choose where its conversations go."),
        ({"inbox": "x"}, "x is not a number."),
        ({"inbox": "new", "inbox_name": " "}, "Give it a name."),
        ({"inbox": "new", "inbox_name": "help desk"}, "There is an inbox of this name already."),
        ({"address": "\x00"}, "This is not an email address."),
    ],
)
def test_what_is_wrong_with_a_new_address_stands_under_its_field_and_is_kept(office, ada, typed, words):
    given = {
        "address": "new@nordlys.example",
        "name": "Kept name",
        "inbox": office.world.channel.inbox_id,
    } | typed

    response = ada.post("/settings/channels/add", given)

    assert response.status_code == 422
    assert words in texts(response)
    assert 'value="Kept name"' in response.content.decode()
    with office.inside():
        assert ChannelAccount.objects.count() == 1
        assert not Inbox.objects.filter(kind=InboxKind.INBOX).exists()


# ── servers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mailbox_is_saved_tried_and_its_password_never_shown_again(office, ada, at):
    saved = ada.post(at("channel-incoming"), IMAP)
    shown = ada.get(saved.headers["Location"])

    assert "The mailbox can be read." in texts(shown)
    assert b"canary" not in shown.content
    assert "One is stored." in texts(shown)
    assert "The mailbox can be read." not in page(ada, at("channel"))  # told once
    with office.inside() as world:
        assert email.of_channel(world.channel).imap_password == "hunter2-canary"
        assert "canary" not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize("cause", Cause)
def test_a_trial_that_fails_is_told_with_the_way_out_and_the_settings_stay(
    office, ada, at, monkeypatch, cause
):
    monkeypatch.setattr(trial, "try_incoming", lambda box: Outcome(cause, "what the machine said"))

    said = page(ada, ada.post(at("channel-incoming"), IMAP).headers["Location"])

    assert "what the machine said" in said
    assert "The mailbox can be read." not in said
    with office.inside() as world:
        assert email.of_channel(world.channel).imap_host == "imap.provider.example"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("channel-incoming", IMAP | {"imap_host": "what is this"}),
        ("channel-incoming", IMAP | {"imap_port": "abc"}),
        ("channel-incoming", IMAP | {"imap_port": ""}),
        ("channel-incoming", IMAP | {"imap_security": "ROT13"}),
        ("channel-incoming", IMAP | {"imap_password": ""}),
        ("channel-outgoing", SMTP | {"smtp_host": ""}),
        ("channel-outgoing", SMTP | {"smtp_port": "99999999999999999999"}),
        ("channel-outgoing", SMTP | {"smtp_password": ""}),
    ],
)
def test_wrong_settings_are_refused_kept_in_the_form_and_never_tried(
    office, ada, at, monkeypatch, name, typed
):
    monkeypatch.setattr(trial, "try_incoming", None)
    monkeypatch.setattr(trial, "try_outgoing", None)

    response = ada.post(at(name), typed)

    assert response.status_code == 422
    assert b'aria-invalid="true"' in response.content
    assert b'value="team"' in response.content
    assert b"canary" not in response.content
    with office.inside():
        assert not EmailAccount.objects.exists()


def test_a_private_server_is_refused_with_the_way_out(office, ada, at, monkeypatch):
    """S18"""
    monkeypatch.setattr(hosts.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.0.0.5", 587))])

    said = texts(ada.post(at("channel-outgoing"), SMTP))

    assert "smtp.provider.example is not on the public Internet." in said
    assert "ALLOW_PRIVATE_HOSTS" in said


def test_the_saved_connection_is_tested_both_ways(office, ada, at, monkeypatch):
    ada.post(at("channel-incoming"), IMAP)
    ada.post(at("channel-outgoing"), SMTP)
    monkeypatch.setattr(
        trial,
        "try_outgoing",
        lambda relay, address: Outcome(Cause.REFUSED, relay.password.upper()[:0] + "535 no"),
    )

    said = page(ada, ada.post(at("channel-test")).headers["Location"])

    assert "The mailbox can be read." in said
    assert "The server refuses the user name or the password." in said
    assert "535 no" in said


def test_back_to_what_is_handed_over(office, ada, at):
    ada.post(at("channel-incoming"), IMAP)
    ada.post(at("channel-outgoing"), SMTP)

    ada.post(at("channel-incoming"), {"own": "0"})
    ada.post(at("channel-outgoing"), {"own": "0"})

    with office.inside() as world:
        box = email.of_channel(world.channel)
        assert (box.state, box.smtp_host, box.imap_password_sealed, box.smtp_password_sealed) == (MailboxState.OFF, "", "", "")  # fmt: skip


def test_a_channel_is_switched_off_and_on(office, ada, at):
    ada.post(at("channel-switch"), {"on": "0"})
    assert "This channel is off." in page(ada, at("channel"))
    assert "No mail is taken for this address." in page(ada, "/settings/channels")

    ada.post(at("channel-switch"), {"on": "1"})
    with office.inside() as world:
        assert ChannelAccount.objects.get(pk=world.channel.pk).archived_at is None


def test_an_address_taken_meanwhile_stays_off_with_the_reason(office, ada, at):
    with office.inside() as world:
        inboxes.disconnect(world.channel, by=SYSTEM)
        email.connect(world.channel.inbox, world.channel.address, "Anew", by=SYSTEM)

    answer = ada.post(at("channel-switch"), {"on": "1"})

    assert "is connected already." in page(ada, answer.headers["Location"])


# ── who gets the mail ────────────────────────────────────────────────────────────────────────────────────────────────


def rule_of(office):
    with office.inside() as world:
        return queries.rule_for(world.account.pk, world.channel.pk)


def test_a_rule_is_saved_as_chosen(office, ada, at):
    """R-ROUTE-15, R-ROUTE-33"""
    world = office.world
    ada.post(at("channel-routing"), {
        "option": "USERS_AND_TEAMS", "strategy": "ROUND_ROBIN", "user_ids": [world.bob.pk, world.ada.pk],
        "team_ids": [world.team.pk], "fallback_user_ids": [world.eve.pk], "only_available": "1", "wait_list": "1",
        "reroute": "ON_REPLY",
    })  # fmt: skip

    rule = rule_of(office)
    assert (rule.option, rule.strategy, rule.reroute) == ("USERS_AND_TEAMS", "ROUND_ROBIN", "ON_REPLY")
    assert (rule.user_ids, rule.team_ids) == ([world.bob.pk, world.ada.pk], [world.team.pk])
    assert (rule.only_available, rule.wait_list, rule.include_extra_members) == (True, True, False)
    said = page(ada, at("channel-automation"))
    assert "New mail goes to Bob Noyce, Ada Lovelace and Support in turn, available people only." in said


def test_the_order_changes_without_saving(office, ada, at):
    """R-ROUTE-33"""
    ids = [office.world.bob.pk, office.world.ada.pk]
    typed = {"option": "USERS_AND_TEAMS", "strategy": "ROUND_ROBIN", "user_ids": ids}

    shown = ada.post(at("channel-routing"), typed | {"up": f"user_ids:{ids[1]}"}).content.decode()

    assert shown.index(f'name="user_ids" value="{ids[1]}" checked') < shown.index(f'name="user_ids" value="{ids[0]}" checked')  # fmt: skip
    assert "Save the rule to keep it." in shown
    assert rule_of(office) is None


@pytest.mark.parametrize("up", ["user_ids:1", "user_ids:x", "nothing:1", "", "user_ids:" + "9" * 40])
def test_moving_what_is_not_there_changes_nothing(office, ada, at, up):
    assert ada.post(at("channel-routing"), {"option": "NONE", "up": up}).status_code == 200


def test_who_has_no_seat_can_not_be_chosen(office, ada, at):
    """R-ROUTE-11, T-ROUTE-12"""
    nils = office.world.nils
    assert f'name="user_ids" value="{nils.pk}"' not in ada.get(at("channel-automation")).content.decode()

    response = ada.post(
        at("channel-routing"), {"option": "USERS_AND_TEAMS", "strategy": "RANDOM", "user_ids": [nils.pk]}
    )

    assert response.status_code == 422
    assert "Only active users with a seat" in texts(response)
    assert rule_of(office) is None


def test_who_lost_the_seat_stays_in_the_rule_and_is_marked(office, ada, at):
    """R-ROUTE-14, T-ROUTE-12"""
    with office.inside() as world:
        rules.set_rule(
            world.account.pk,
            world.channel.pk,
            Option.USERS_AND_TEAMS,
            user_ids=[world.bob.pk, world.ada.pk],
            by=SYSTEM,
        )
        world.bob.memberships.update(has_seat=False)

    said = page(ada, at("channel-automation"))

    assert "Is passed over: has no seat" in said
    assert "Passed over" in said


def test_a_team_without_a_seat_can_not_be_chosen(office, ada, at):
    """R-ROUTE-19, T-ROUTE-14"""
    from deskhand.accounts.models import Team, TeamMember

    with office.inside() as world:
        team = Team.objects.create(account=world.account, name="Empty hands")
        TeamMember.objects.create(account_id=world.account.pk, team=team, user=world.nils, is_main=False)

    assert "Empty hands" not in page(ada, at("channel-automation"))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"option": "USERS_AND_TEAMS"}, "Choose the users or teams to assign to."),
        ({"option": "TEAMS"}, "Choose the teams to assign to."),
        ({"option": "EVERYBODY"}, "This choice is not there any more."),
        ({"option": "NONE", "strategy": "MAGIC"}, "This choice is not there any more."),
        ({"option": "NONE", "reroute": "MAGIC"}, "This choice is not there any more."),
    ],
)
def test_a_rule_that_says_nothing_is_refused_in_words(office, ada, at, typed, words):
    response = ada.post(at("channel-routing"), {"strategy": "LOAD_BALANCED"} | typed)

    assert response.status_code == 422
    assert words in texts(response)
    assert rule_of(office) is None


def test_numbers_that_are_none_are_refused(office, ada, at):
    assert ada.post(at("channel-routing"), {"option": "NONE", "user_ids": ["x"]}).status_code == 400


def test_who_would_get_the_next_one_is_told(office, ada, at):
    """R-ROUTE-70"""
    with office.inside() as world:
        for user in (world.ada, world.bob):
            availability.set_by_hand(world.account.pk, user.pk, Status.AVAILABLE, by=SYSTEM)
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, by=SYSTEM, strategy=Strategy.ROUND_ROBIN,
            user_ids=[world.bob.pk, world.ada.pk, world.grace.pk],
        )  # fmt: skip

    said = page(ada, at("channel-automation"))

    assert "Bob Noyce would get it, whose turn it is." in said
    assert "away" in said[said.index("Passed over") :]


def test_routing_is_set_by_people_with_a_seat(office, ada, at, sign_in):
    """R-ROUTE-10"""
    office.role(office.world.nils, records={}, capabilities=["account_access"])
    nils = sign_in(office.world.nils)

    assert "Only people with a seat can change this." in page(nils, at("channel-automation"))
    assert nils.post(at("channel-routing"), {"option": "NONE"}).status_code == 403


def test_t_cc_5_tickets_begin_where_it_is_said(office, ada, at):
    """R-CC-3, R-CC-11, T-CC-5"""
    with office.inside() as world:
        stage, pipeline = world.stage("Waiting on us"), world.tickets.default.id
    ada.post(at("channel-tickets"), {"creates_tickets": "1", "begins": f"{pipeline}:{stage}"})
    with office.inside() as world:
        channel = ChannelAccount.objects.get(pk=world.channel.pk)
        assert (channel.pipeline_id, channel.stage_id, channel.creates_tickets) == (pipeline, stage, True)
    assert office.mail("A new one").stage_id == stage

    ada.post(at("channel-tickets"), {"begins": ""})
    assert "New mail becomes a conversation without a ticket" in page(ada, at("channel-automation"))
    assert ada.post(at("channel-tickets"), {"begins": "1:999999"}).status_code == 400


# ── how we sign ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_names_and_signature_are_saved(office, ada, at):
    ada.post(
        at("channel-sender-save"), {"name": "Care", "from_name": "Nordlys", "signature": "Regards\r\nWe <b>"}
    )

    with office.inside() as world:
        channel = ChannelAccount.objects.get(pk=world.channel.pk)
        assert not channel.quotes_history
        assert (channel.name, channel.from_name, channel.signature, channel.shows_agent) == ("Care", "Nordlys", "Regards\nWe <b>", False)  # fmt: skip
    assert b"We &lt;b&gt;" in ada.get(at("channel-sender")).content


def test_a_channel_without_a_name_is_refused_and_the_rest_kept(office, ada, at):
    response = ada.post(at("channel-sender-save"), {"name": " ", "signature": "Kept words"})

    assert response.status_code == 422
    assert "Kept words" in response.content.decode()
    with office.inside() as world:
        assert ChannelAccount.objects.get(pk=world.channel.pk).name == "Support"


def test_another_address_becomes_the_default(office, ada):
    """R-MAIL-10"""
    with office.inside() as world:
        other = email.connect(world.channel.inbox, "b@nordlys.example", "B", by=SYSTEM)
    ada.post(reverse("channel-sender-save", args=[other.pk]), {"name": "B", "is_default": "1"})

    with office.inside() as world:
        assert list(ChannelAccount.objects.filter(is_default=True)) == [other]


def test_who_sends_is_asked_with_the_address_as_the_likely_user_name(office, ada, at):
    said = page(ada, at("channel"))

    assert ada.get(at("channel")).content.decode().count(f'value="{office.world.channel.address}"') == 2
    assert "Next step" not in said
    assert "Next step" in page(ada, at("channel") + "?setup=1")
    last = page(ada, at("channel-sender") + "?setup=1")
    assert "Done" in last
    assert "Next step" not in last


# ── other kinds of channels ──────────────────────────────────────────────────────────────────────────────────────────


def connected(office, kind):
    with office.inside() as world:
        made = inboxes.add_channel_account(
            world.channel.inbox, channel=kind, name="Front", address=f"{kind}-front"
        )
        return f"/settings/channels/{made.pk}", made.pk


def kept(office, channel_id):
    with office.inside() as world:
        return queries.rule_for(world.account.pk, channel_id)


def test_each_kind_of_channel_shows_what_it_offers(office, ada):
    """R-ROUTE-17, T-ROUTE-22: and nobody is offered an agent that is not there."""
    for kind, offer in matrix.MATRIX.items():
        url, _pk = connected(office, kind)
        shown = ada.get(f"{url}/automation").content.decode()
        options = {one for one in Option if f'name="option" value="{one}"' in shown}
        assert options == set(offer.options) - {Option.AI_AGENT}, kind
        assert ('name="strategy"' in shown) is offer.has_distribution, kind
        assert ('name="only_available"' in shown) is offer.has_box, kind
        assert ('name="opens"' in shown) is offer.has_hours, kind
        assert ('name="ring_seconds"' in shown) is offer.rings, kind


def test_an_agent_that_is_there_can_be_chosen(office, ada):
    """R-AI-1, R-AI-2"""
    with at_work(Clerk({})), office.inside() as world:
        at = f"/settings/channels/{world.channel.pk}"
        assert "Who answers first" in page(ada, f"{at}/automation")
        answer = ada.post(
            f"{at}/routing",
            {
                "option": "AI_AGENT",
                "agent_key": "clerk",
                "fallback_user_ids": world.grace.pk,
                "only_available": "1",
            },
        )
        assert answer.status_code == 302
        said = page(ada, "/settings/channels")

    assert "Clerk answers first." in said
    assert "answer goes to Grace Hopper." in said


def test_the_hours_of_a_chat_are_set_with_its_rule(office, ada):
    """R-ROUTE-81: a button among the hours saves nothing yet."""
    url, pk = connected(office, "chat")
    typed = {
        "option": "USERS_AND_TEAMS",
        "user_ids": office.world.grace.pk,
        "opens": "hours",
        "zone": "Europe/Oslo",
    }
    filled = ada.post(f"{url}/routing", {**typed, "fill": "1"})
    assert "The hours are changed. Save the rule to keep them." in texts(filled)
    assert kept(office, pk) is None

    nothing = ada.post(f"{url}/routing", typed)
    assert nothing.status_code == 422
    assert "Say when it is open." in texts(nothing)
    ada.post(f"{url}/routing", {**typed, "start0": "09:00", "end0": "17:00"})

    assert (kept(office, pk).hours_zone, kept(office, pk).hours_blocks) == ("Europe/Oslo", [[0, 540, 1020]])
    assert "hours it stays unassigned." in page(ada, f"{url}/automation")
    wrong = ada.post(f"{url}/routing", {**typed, "start0": "17:00", "end0": "09:00"})
    assert "Hours must end after they begin." in texts(wrong)


def test_how_a_line_rings_is_set_with_its_rule(office, ada):
    """R-ROUTE-91..94: and the page says who would be rung."""
    url, pk = connected(office, "calling")
    typed = {
        "option": "USERS_AND_TEAMS", "user_ids": [office.world.grace.pk, office.world.bob.pk], "ring": "all",
        "ring_seconds": "25", "unanswered_message": "Nobody is free.", "closed_message": "We are closed.",
    }  # fmt: skip
    with office.inside() as world:
        availability.set_by_hand(world.account.pk, world.grace.pk, Status.AVAILABLE, by=SYSTEM)
    ada.post(f"{url}/routing", typed)

    rule = kept(office, pk)
    assert (rule.ring_all, rule.ring_seconds, rule.unanswered_message) == (True, 25, "Nobody is free.")
    said = page(ada, f"{url}/automation")
    assert "Calls ring Grace Hopper and Bob Noyce all at once, for 25 seconds." in said
    assert "Grace Hopper would be rung first." in said
    for wrong, why in (("2", "ring for so long."), ("x", "x is not a number.")):
        refused = ada.post(f"{url}/routing", {**typed, "ring_seconds": wrong})
        assert refused.status_code == 422
        assert why in texts(refused)


def test_a_channel_without_a_mailbox_has_no_pages_about_one(office, ada):
    url, _pk = connected(office, "chat")

    assert ada.get(url).headers["Location"] == f"{url}/automation"
    assert ada.get(f"{url}/sender").status_code == 404
    assert ada.post(f"{url}/incoming", {"own": "0"}).status_code == 404
    assert "Nothing is taken in on this channel." in texts(
        ada.post(f"{url}/switch", {"on": "0"}, follow=True)
    )


def test_the_same_agent_within_hours_is_kept_and_told(office, ada):
    """R-ROUTE-60 extended: a preference of ours, with a time-out."""
    at = f"/settings/channels/{office.world.channel.pk}"
    typed = {
        "option": "USERS_AND_TEAMS",
        "user_ids": office.world.grace.pk,
        "sticky_hours": "48",
        "only_available": "1",
    }

    assert ada.post(f"{at}/routing", typed).status_code == 302
    assert "For 48 hours, a contact stays with who had to do with them." in page(ada, f"{at}/automation")
    assert ada.post(f"{at}/routing", {**typed, "sticky_hours": "soon"}).status_code == 422


def test_what_waits_is_shared_out_before_the_day_begins_and_told(office, ada):
    """Soft landing: past R-ROUTE-53."""
    at = f"/settings/channels/{office.world.channel.pk}"
    typed = {"option": "USERS_AND_TEAMS", "user_ids": office.world.grace.pk, "only_available": "1"}
    shown = {**typed, "wait_list": "1", "landing_minutes": "30"}

    assert ada.post(f"{at}/routing", shown).status_code == 302
    assert "Then it is shared out with those whose hours begin within 30 minutes." in page(
        ada, f"{at}/automation"
    )
    refused = ada.post(f"{at}/routing", {**shown, "landing_minutes": "300"})
    assert refused.status_code == 422
    assert "Choose between 0 and 240 minutes." in refused.content.decode()
    assert ada.post(f"{at}/routing", {**typed, "landing_minutes": "30"}).status_code == 302  # nothing waits
    assert ada.post(f"{at}/routing", {**shown, "landing_minutes": ""}).status_code == 302


def test_a_form_is_a_channel_with_its_routing_and_without_mail_s_settings(office, ada):
    """R-FORM-1, R-FORM-4"""
    with office.inside():
        form = forms.create("Support form", {"fieldGroups": []}, by=SYSTEM)

    assert "Support form" in page(ada, reverse("channels"))
    assert "Support form" in page(ada, reverse("channel-automation", args=[form.channel_account_id]))
