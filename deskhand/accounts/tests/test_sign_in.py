import threading
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.test import Client

from deskhand.accounts import attempts, users
from deskhand.accounts.models import Membership, SignInAttempt, User
from deskhand.kernel import clock
from deskhand.kernel.errors import Limited

PASSWORD = "correct horse battery"
WRONG = "wrong horse battery"

hashed: list[str] = []


class CountingHasher(MD5PasswordHasher):
    def encode(self, password, salt):
        hashed.append(password)
        return super().encode(password, salt)


@pytest.fixture(autouse=True)
def counted_passwords(db, settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    settings.ACCOUNT_RATE_LIMITS = {"login": None}  # ours counts across processes
    cache.clear()
    yield
    hashed.clear()


def sign_in(client: Client, login: str, password: str = PASSWORD, **more):
    return client.post("/account/login/", {"login": login, "password": password}, **more)


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.mark.parametrize("login", ["bob@nordlys.example", " BOB@Nordlys.example ", "bob", "Bob"])
def test_one_signs_in_by_address_or_user_name_in_any_case(client, bob, login: str):
    response = sign_in(client, login)

    assert response.status_code == 302
    assert is_in(client)


@pytest.mark.parametrize("login", ["bob@nordlys.example", "bob", "ghost@nordlys.example", "ghost", "gone@nordlys.example", "out@nordlys.example"])  # fmt: skip
def test_everybody_who_may_not_enter_gets_the_same_answer_for_the_same_work(client, bob, account, login: str):
    """S11: wrong password, unknown name, deactivated user (whose password is right), member of nothing."""
    gone = users.create(email="gone@nordlys.example", name="Gone", password=WRONG)
    users.add_to_account(account.pk, gone.pk)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    users.create(email="out@nordlys.example", name="Out", password=WRONG)
    hashed.clear()

    response = sign_in(client, login, WRONG)

    assert response.status_code == 200
    assert not is_in(client)
    assert "password you specified are not correct" in response.content.decode()
    assert len(hashed) == 1


def test_nobody_signs_up_by_themselves(client, account):
    response = client.post("/account/signup/", {"email": "eve@x.example", "password1": PASSWORD})

    assert response.status_code in (200, 404)
    assert not User.objects.filter(email="eve@x.example").exists()


def test_the_session_id_changes_at_sign_in(client, bob):
    """S13."""
    client.get("/account/login/")
    client.session.save()
    before = client.session.session_key

    sign_in(client, "bob")

    assert client.session.session_key != before


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_sign_in_leads_nowhere_else(client, bob, target: str):
    """S15."""
    response = client.post("/account/login/", {"login": "bob", "password": PASSWORD, "next": target})

    assert response.status_code == 302
    assert response["Location"] == "/"


def test_a_member_of_no_account_is_stopped_however_they_came(rf, account):
    """The gate behind every way in, single sign-on and passkeys included."""
    from allauth.account.adapter import get_adapter

    out = users.create(email="out@nordlys.example", name="Out")
    request = rf.post("/account/login/")
    more = {
        "email_verification": "none",
        "signal_kwargs": None,
        "email": None,
        "signup": False,
        "redirect_url": None,
    }

    assert get_adapter(request).pre_login(request, out, **more).status_code == 302
    users.add_to_account(account.pk, out.pk)
    assert get_adapter(request).pre_login(request, out, **more) is None


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_ten_wrong_passwords_the_right_one_is_refused_for_a_while(client, bob, noon):
    """S14."""
    for _ in range(attempts.TRIES_PER_NAME):
        sign_in(client, "bob", WRONG)

    response = sign_in(client, "bob")
    assert not is_in(client)
    assert "Too many failed" in response.content.decode()

    with clock.stopped(noon + attempts.WINDOW):
        sign_in(client, "bob")
    assert is_in(client)


def test_the_limit_holds_for_names_nobody_has(client, bob, noon):
    """S11: a limit gives nothing away."""
    for _ in range(attempts.TRIES_PER_NAME):
        sign_in(client, "ghost", WRONG)

    assert "Too many failed" in sign_in(client, "ghost", WRONG).content.decode()
    assert len(hashed) == attempts.TRIES_PER_NAME + 1  # one is bob's own when he was made


def test_other_people_are_not_kept_out(client, ada, bob):
    for _ in range(attempts.TRIES_PER_NAME + 1):
        sign_in(client, "ghost", WRONG)

    sign_in(client, "bob")
    assert is_in(client)


def test_a_network_has_a_limit_over_all_names(db, noon):
    """S14: spraying one password over many names."""
    for number in range(attempts.TRIES_PER_NETWORK):
        attempts.count(f"user{number}", f"192.0.2.{number % 250}")

    with pytest.raises(Limited) as refused:
        attempts.count("ada", "192.0.2.251")
    attempts.count("ada", "198.51.100.7")

    assert refused.value.retry_after == attempts.WINDOW.total_seconds()


def test_success_takes_back_its_own_try_only(db, noon):
    """An attacker can't start anew by signing in as themselves now and then."""
    for _ in range(attempts.TRIES_PER_NAME - 1):
        attempts.count("bob", "192.0.2.1")
    attempts.count("bob", "192.0.2.1")
    attempts.take_back("bob", "192.0.2.1")

    attempts.count("bob", "192.0.2.1")
    with pytest.raises(Limited):
        attempts.count("bob", "192.0.2.1")


def test_names_are_not_kept_in_clear(db):
    attempts.count("ada@nordlys.example", "192.0.2.1")

    assert "ada" not in str(list(SignInAttempt.objects.values_list("key", flat=True)))


def test_old_tries_are_forgotten(db, noon):
    attempts.count("ada", "192.0.2.1")

    assert attempts.forget_old(noon + attempts.WINDOW - timedelta(seconds=1)) == 0
    assert attempts.forget_old(noon + attempts.WINDOW) == 2


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("", "unknown"),
        ("unix", "unix"),
    ],
)
def test_an_address_counts_with_its_network(address: str, network: str):
    assert attempts.network(address) == network


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_a_hundred_tries_at_once_count_a_hundred():
    """S14."""
    refused, start = [], threading.Barrier(10)

    def try_ten_times() -> None:
        start.wait()
        for _ in range(10):
            try:
                attempts.count("ada", "192.0.2.1")
            except Limited:
                refused.append(1)
        connection.close()

    threads = [threading.Thread(target=try_ten_times) for _ in range(10)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert set(SignInAttempt.objects.values_list("count", flat=True)) == {100}
    assert len(refused) == 100 - attempts.TRIES_PER_NAME


# ── after sign-in ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_deactivated_user_is_signed_out_with_the_next_request(client, ada, bob, account, by_ada, rf):
    """S13."""
    sign_in(client, "bob")

    users.deactivate(account.pk, bob.pk, by=by_ada)
    users.reactivate(account.pk, bob.pk, by=by_ada)

    assert client.get("/account/password/change/").status_code == 302
    assert not is_in(client)


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(client, bob):
    """S13."""
    other = Client()
    sign_in(client, "bob")
    sign_in(other, "bob")

    new = "an even longer password"
    client.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})

    assert client.get("/account/password/change/").status_code == 200
    assert other.get("/account/password/change/").status_code == 302
    assert Membership.objects.filter(user=bob, is_active=True).exists()
