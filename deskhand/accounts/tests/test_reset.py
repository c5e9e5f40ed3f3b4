"""Forgotten passwords, from the page to the mail in the outbox and back."""

import re

import pytest
from django.core.cache import cache

from deskhand.accounts import attempts, users
from deskhand.accounts.models import User
from deskhand.delivery import outbox
from deskhand.delivery.models import OutboxEntry

NEW = "a password that is new"


@pytest.fixture(autouse=True)
def no_limits_per_process(db, settings):
    settings.ACCOUNT_RATE_LIMITS = {"reset_password": None, "reset_password_from_key": None}
    settings.SITE_URL = "https://desk.nordlys.example"
    cache.clear()


def ask(client, email: str = "bob@nordlys.example", **more):
    return client.post("/account/password/reset/", {"email": email}, **more)


def link_of(entry: OutboxEntry) -> str:
    return re.search(r"https://\S+", entry.payload["text"])[0]


def set_new(client, link: str, password: str = NEW):
    page = client.get(link.removeprefix("https://desk.nordlys.example"), follow=True)
    return client.post(page.request["PATH_INFO"], {"password1": password, "password2": password})


def test_the_link_comes_by_mail_and_sets_a_new_password_once(client, account, bob):
    """S11."""
    ask(client)

    entry = OutboxEntry.objects.get()
    assert (entry.account_id, entry.recipients) == (account.pk, ["bob@nordlys.example"])
    set_new(client, link_of(entry))
    bob.refresh_from_db()
    assert bob.check_password(NEW)

    client.session.flush()
    set_new(client, link_of(entry), "yet another password")
    bob.refresh_from_db()
    assert bob.check_password(NEW)


def test_the_link_leaves_even_behind_the_fence_of_a_restore(client, account, bob):
    outbox.fence("Restored from a backup")
    ask(client)
    assert OutboxEntry.objects.get().state == "WAITING"


@pytest.mark.parametrize("email", ["ghost@nordlys.example", "gone@nordlys.example", "out@nordlys.example"])
def test_who_can_not_enter_gets_no_mail_and_the_page_says_the_same(client, account, bob, email: str):
    """S8, S11."""
    gone = users.create(email="gone@nordlys.example", name="Gone", password=NEW)
    users.add_to_account(account.pk, gone.pk)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    users.create(email="out@nordlys.example", name="Out", password=NEW)

    stranger, known = ask(client, email), ask(client)

    assert (stranger.status_code, stranger["Location"]) == (known.status_code, known["Location"])
    assert list(OutboxEntry.objects.values_list("recipients", flat=True)) == [["bob@nordlys.example"]]


def test_a_forged_host_does_not_get_into_the_link(client, bob, settings):
    """Whoever owns the host in the link would own the account."""
    settings.ALLOWED_HOSTS = ["*"]

    ask(client, headers={"host": "evil.example"})

    assert "evil.example" not in str(OutboxEntry.objects.get().payload)


def test_nobody_is_flooded_with_links(client, bob, noon):
    for _ in range(attempts.TRIES_PER_NAME + 3):
        ask(client)

    assert OutboxEntry.objects.count() == attempts.TRIES_PER_NAME


def test_a_used_link_ends_the_sessions_that_were_open(client, bob):
    """S13."""
    before = bob.get_session_auth_hash()
    ask(client)

    set_new(client, link_of(OutboxEntry.objects.get()))

    bob.refresh_from_db()
    assert bob.get_session_auth_hash() != before
