"""How people sign in: their password, and what configuration adds to it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.db import connection
from django.test import Client

OLD, NEW = "correct horse battery", "staple battery horse"


@pytest.fixture
def ada(office):
    office.world.ada.set_password(OLD)
    office.world.ada.save()
    return office.world.ada


def sign_in_as(user, password: str = OLD) -> Client:
    client = Client()
    client.post("/account/login/", {"login": user.email, "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get("/inbox/all-open").status_code == 200


def form(**more: str) -> dict[str, str]:
    return {"oldpassword": OLD, "password1": NEW, "password2": NEW} | more


def test_everybody_finds_their_password_in_their_menu(ada):
    assert 'href="/account/password/change/"' in sign_in_as(ada).get("/inbox/all-open").content.decode()


def test_a_changed_password_leaves_this_device_signed_in_and_no_other(ada):
    """S13"""
    here, elsewhere = sign_in_as(ada), sign_in_as(ada)

    page = here.post("/account/password/change/", form(), follow=True).content.decode()

    assert "The new password is set." in page
    assert (is_in(here), is_in(elsewhere)) == (True, False)
    assert is_in(sign_in_as(ada, NEW))
    assert not is_in(sign_in_as(ada, OLD))


def test_guesses_at_the_password_are_counted_however_they_are_asked(ada):
    """S11: the library's count stands in the transaction of an answer with 400."""
    client = sign_in_as(ada)

    answers = [
        client.post(
            "/account/password/change/",
            form(oldpassword="a guess"),
            headers={"X-Requested-With": "XMLHttpRequest"},
        )
        for _guess in range(6)
    ]

    assert [one.status_code for one in answers] == [400] * 5 + [429]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"oldpassword": "a guess"}, "oldpassword"),
        ({"password1": "short", "password2": "short"}, "password1"),
        ({"password2": "something else"}, "password2"),
    ],
)
def test_a_password_that_does_not_fit_is_refused_under_its_field(ada, wrong, field):
    client = sign_in_as(ada)

    page = client.post("/account/password/change/", form(**wrong)).content.decode()

    assert f'id="id_{field}_error"' in page
    assert 'class="rail"' in page
    assert not is_in(sign_in_as(ada, NEW))


def test_who_has_no_password_sets_one(ada):
    client = sign_in_as(ada)
    ada.set_unusable_password()
    ada.save()
    client.force_login(ada)

    page = client.get("/account/password/change/", follow=True).content.decode()
    client.post("/account/password/set/", {"password1": NEW, "password2": NEW})

    assert "Set a password" in page
    assert is_in(sign_in_as(ada, NEW))


def test_the_last_message_before_signing_out_does_not_wait_for_the_next_person(ada):
    client = sign_in_as(ada)
    assert "You are signed out." in client.post("/account/logout/", follow=True).content.decode()

    page = client.post("/account/login/", {"login": ada.email, "password": OLD}, follow=True).content.decode()

    assert 'class="toast"' not in page


def test_every_page_of_second_steps_passkeys_and_single_sign_on_is_ours(django_db_setup):
    environment = {
        **os.environ,
        "DESKHAND_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "DJANGO_SETTINGS_MODULE": "deskhand.settings",
        "SIGN_IN_WITH": "totp,passkeys,oidc",
        "OIDC_NAME": "Nordlys",
        "OIDC_ISSUER": "https://id.nordlys.example",
        "OIDC_CLIENT_ID": "desk",
        "OIDC_CLIENT_SECRET": "secret",
        "SITE_URL": "https://testserver",
    }
    command = [sys.executable, "-W", "ignore", "-m", "deskhand.web.tests.ways_in"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    said = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert {name: (status, title) for name, status, title in said} == {
        "login": ("200", "Sign in"),
        "provider": ("200", "Sign in with Nordlys"),
        "provider-cancelled": ("200", "You are not signed in"),
        "provider-signup": ("200", "Sign in"),
        "signed-in": ("200", "My open"),
        "confirm": ("200", "Confirm that it is you"),
        "confirmed": ("200", "Set up an authenticator app"),
        "steps": ("200", "Two-step sign-in"),
        "keys": ("200", "Passkeys"),
        "key-new": ("200", "Add a passkey"),
        "key-refused": ("200", "Add a passkey"),
        "connected": ("200", "Single sign-on"),
        "app": ("200", "Set up an authenticator app"),
        "app-refused": ("200", "Set up an authenticator app"),
        "app-on": ("200", "Recovery codes"),
        "codes-new": ("200", "Make new recovery codes"),
        "app-off": ("200", "Switch the authenticator app off"),
        "confirm-by-code": ("200", "Confirm that it is you"),
        "confirm-by-key": ("200", "Confirm that it is you"),
        "signed-out": ("200", "Sign in"),
        "second-step": ("200", "One more step"),
        "second-step-refused": ("200", "One more step"),
    }
