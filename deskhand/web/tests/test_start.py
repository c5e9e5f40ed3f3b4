"""The first run: an empty installation becomes a help desk with somebody who can sign in, and then with mail."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from deskhand.accounts import attempts, first_run, invitations
from deskhand.accounts.first_run import FirstRun
from deskhand.accounts.models import Account, AuditEntry, Membership, SetUpToken, User
from deskhand.channels.email.models import EmailAccount, MailboxState
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.desk.models import ChannelAccount
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import NotFound
from deskhand.routing import availability
from deskhand.routing.types import Status
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

START = "/start"
GIVEN = {
    "company": "Nordlys Outdoor", "zone": "Europe/Oslo", "locale": "nb",
    "name": "Ada Lovelace", "email": "ada@nordlys.example", "password": "a long enough one",
}  # fmt: skip


@pytest.fixture
def empty(db, wired) -> str:
    """An installation that nobody has set up; the token it printed."""
    return first_run.new_token()


def form(token: str) -> str:
    return reverse("setup", args=[token])


def send(client: Client, token: str, **more: str):
    return client.post(reverse("setup-create", args=[token]), GIVEN | more)


# ── the set-up ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_link_makes_the_account_and_signs_its_admin_in(empty):
    """R-EXEC-2: the zone is asked for."""
    client = Client(headers={"accept-language": "en"})
    page = client.get(form(empty))
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]

    made = send(client, empty)

    assert (made.status_code, made.url) == (302, START)
    account, user = Account.objects.get(), User.objects.get()
    assert (account.name, account.slug, account.zone, account.locale) == (
        "Nordlys Outdoor", "nordlys-outdoor", "Europe/Oslo", "nb",
    )  # fmt: skip
    assert Membership.objects.get(user=user, account=account).is_super_admin
    with account_scope(account.pk):
        assert pipelines_of("ticket").default
        assert list(AuditEntry.objects.values_list("action", "actor_id").order_by("number")) == [
            ("account.created", user.pk), ("user.added", user.pk),
        ]  # fmt: skip
        assert (
            availability.states(account.pk, [user.pk], account.created_at)[user.pk].status is Status.AVAILABLE
        )
    assert client.get(START).status_code == 200


def test_of_the_token_nothing_readable_is_kept(empty):
    assert empty not in str(SetUpToken.objects.values())


def test_the_link_works_once(empty):
    send(Client(), empty)

    again = Client()
    assert again.get(form(empty)).status_code == 404
    assert send(again, empty, email="eve@nordlys.example").status_code == 404
    assert (Account.objects.count(), User.objects.count()) == (1, 1)


def test_the_link_is_useless_where_there_is_an_account(empty, office):
    assert Client().get(form(empty)).status_code == 404
    with pytest.raises(NotFound):
        first_run.set_up(empty, FirstRun(**GIVEN))
    with pytest.raises(NotFound):
        first_run.new_token()


def test_a_new_link_ends_the_former_one(empty):
    newer = first_run.new_token()

    assert Client().get(form(empty)).status_code == 404
    assert Client().get(form(newer)).status_code == 200


def test_guesses_are_counted_and_stopped(empty):
    guesser = Client()
    for _number in range(attempts.TRIES_PER_NAME):
        assert guesser.get(form("wrong")).status_code == 404

    assert guesser.get(form("wrong")).status_code == 429
    assert guesser.get(form(empty)).status_code == 429
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")
    assert elsewhere.get(form(empty)).status_code == 200  # a guesser locks nobody else out


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("company", " ", "A name has 1 to 200 characters."),
        ("name", "", "A name has 1 to 200 characters."),
        ("email", " ", "Give an address."),
        ("email", "nobody", "nobody is not an e-mail address."),
        ("password", "password12", "too common"),
        ("password", "short", "too short"),
        ("zone", "Mars/Base", "Europe/Oslo"),
        ("locale", "tlh", "da, de, it, nb"),
    ],
)
def test_what_cannot_be_taken_is_said_at_its_field_and_nothing_is_made(empty, field, value, words):
    client = Client(headers={"accept-language": "en"})
    refused = send(client, empty, **{field: value})

    page = refused.content.decode()
    assert refused.status_code == 422
    assert words in page
    assert f'id="{field}-error"' in page
    assert "a long enough one" not in page
    assert not Account.objects.exists()
    assert not User.objects.exists()
    assert send(client, empty).status_code == 302


def test_a_company_called_demo_does_not_take_the_demo_companys_place(empty):
    send(Client(), empty, company="Demo")

    assert Account.objects.get().slug == "demo-1"


def test_the_sign_in_page_says_that_nobody_can_sign_in_yet(empty):
    client = Client(headers={"accept-language": "en"})
    assert "deskhand setup" in client.get("/account/login/").content.decode()

    send(Client(), empty)

    assert "deskhand setup" not in client.get("/account/login/").content.decode()


# ── get started ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def fresh(empty) -> Client:
    """The admin of a help desk that was just made, at the page they were led to."""
    client = Client()
    send(client, empty, locale="en")
    return client


def states(client: Client) -> list[str]:
    page = client.get(START).content.decode()
    return [part.split('"')[0] for part in page.split('start-step" data-state="')[1:]]


def address(made: Account) -> ChannelAccount:
    from deskhand.desk import inboxes

    desk = inboxes.ensure_defaults(made.pk)
    return inboxes.add_channel_account(desk, channel="email", name="Support", address="help@nordlys.example")


def test_every_step_is_done_when_the_data_say_so(fresh):
    made, ada = Account.objects.get(), User.objects.get()
    assert states(fresh) == ["next", "later", "later", "later"]

    with account_scope(made.pk):
        channel = address(made)
        box = EmailAccount.objects.create(
            account_id=made.pk, channel_account=channel, imap_host="imap.example", state=MailboxState.WAITING
        )
    assert states(fresh)[0] == "next"
    assert "Test the log-in" in fresh.get(START).content.decode()

    with account_scope(made.pk):
        box.state = MailboxState.OK
        box.save()
    assert states(fresh) == ["done", "next", "later", "later"]
    assert "mailto:help@nordlys.example" in fresh.get(START).content.decode()

    with account_scope(made.pk):
        invitations.invite(
            made.pk, email="bob@nordlys.example", name="Bob", link=lambda _id, _key: "https://x", by=Actor.user(ada.pk)
        )  # fmt: skip
    assert states(fresh) == ["done", "next", "done", "later"]
    assert "1 invitation is on its way." in texts(fresh.get(START))


def test_the_first_mail_is_noticed_and_ends_the_guide(office, sign_in):
    """A help desk at work has nothing left to do."""
    office.mail("Where is my order")

    assert states(sign_in(office.world.ada))[:3] == ["done", "done", "done"]


def test_many_addresses_are_looked_at_by_as_many_queries_as_one(fresh):
    from deskhand.desk import inboxes

    made = Account.objects.get()
    with account_scope(made.pk):
        first = address(made)
    fresh.get(START)
    one = queries_of(fresh, START)
    with account_scope(made.pk):
        for number in range(5):
            inboxes.add_channel_account(
                first.inbox, channel="email", name="More", address=f"more{number}@nordlys.example"
            )

    assert queries_of(fresh, START) == one
    assert "help@nordlys.example" in fresh.get(START).content.decode()


def test_it_is_put_away_and_fetched_back(fresh):
    def rail() -> bool:
        return 'class="rail-item" href="/start"' in fresh.get("/settings/users").content.decode()

    assert rail()
    fresh.post("/start/shown", {"shown": "0"})
    assert not rail()
    assert 'href="/start"' in fresh.get("/settings/users").content.decode()  # in the settings it stays
    fresh.post("/start/shown", {"shown": "1"})
    assert rail()


def test_only_who_sets_up_the_account_sees_it(office, sign_in):
    bob = sign_in(office.world.bob)

    assert bob.get(START).status_code == 403
    assert bob.post("/start/shown", {"shown": "1"}).status_code == 403
    assert 'href="/start"' not in bob.get("/settings/profile").content.decode()


def test_an_inbox_without_any_address_says_what_to_do_next(fresh):
    page = fresh.get("/inbox/all-open").content.decode()

    assert "No mail can come in yet" in page
    assert 'href="/settings/channels/new"' in page


def test_who_has_nothing_is_led_to_what_is_nobodys(office, sign_in):
    bob = sign_in(office.world.bob)
    assert "Nothing here" in texts(bob.get("/inbox/my-open"))

    office.mail("Nobody has me")

    page = bob.get("/inbox/my-open")
    assert "1 ticket waits for somebody." in texts(page)
    assert 'class="button" href="/inbox/unassigned"' in page.content.decode()
    assert "Nothing here" in texts(bob.get("/inbox/following"))


def test_who_may_not_connect_one_is_told_who_can(office, sign_in):
    with office.inside():
        ChannelAccount.objects.update(archived_at=office.at)
    page = sign_in(office.world.bob).get("/inbox/all-open").content.decode()

    assert "An administrator has to connect" in page
    assert 'href="/settings/channels/new"' not in page
    with office.inside():
        ChannelAccount.objects.update(archived_at=None)
    assert "Nothing here" in sign_in(office.world.bob).get("/inbox/all-open").content.decode()
