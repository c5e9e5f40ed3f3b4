from datetime import timedelta

import pytest

from deskhand.accounts import accounts, tokens, users
from deskhand.accounts.models import ApiToken, User
from deskhand.accounts.tokens import TokenUse, recognize
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound

SCOPES = ["tickets", "crm.objects.contacts.read"]


@pytest.fixture
def made(account, bob) -> tuple[ApiToken, str]:
    return tokens.create(account.pk, name="Shop", scopes=SCOPES, user_id=bob.pk)


def test_a_token_is_recognized_with_its_account_user_and_scopes(account, bob, made):
    token, secret = made

    assert recognize(secret) == TokenUse(token.pk, account.pk, bob.pk, frozenset(SCOPES))


def test_of_a_token_only_its_beginning_and_a_hash_are_kept(made):
    """S10, S33."""
    token, secret = made
    stored = ApiToken.objects.filter(pk=token.pk).values().get()

    assert len(secret) >= 4 + 43  # 256 random bits
    assert secret.startswith(stored["prefix"])
    assert secret not in str(stored)


@pytest.mark.parametrize("secret", ["", "dhk_", "dhk_guess", "Bearer", "dhk_" + "é" * 43])
def test_what_is_no_token_is_nobody(made, secret: str):
    assert recognize(secret) is None


def test_a_revoked_token_is_refused_from_the_next_request(account, made, by_ada):
    token, secret = made

    tokens.revoke(account.pk, token.pk, by=by_ada)
    tokens.revoke(account.pk, token.pk, by=by_ada)

    assert recognize(secret) is None


def test_a_token_of_another_account_can_not_be_revoked(account, made, by_ada):
    """S9."""
    other = accounts.create(slug="other", name="Other")

    with pytest.raises(NotFound):
        tokens.revoke(other.pk, made[0].pk, by=by_ada)

    assert recognize(made[1])


def test_an_expired_token_is_refused(account, noon):
    _, secret = tokens.create(account.pk, name="Shop", scopes=SCOPES, expires_at=noon + timedelta(hours=1))
    assert recognize(secret)

    with clock.stopped(noon + timedelta(hours=1)):
        assert recognize(secret) is None


def test_the_token_of_a_deactivated_user_is_refused(account, ada, bob, made, by_ada):
    users.deactivate(account.pk, bob.pk, by=by_ada)
    assert recognize(made[1]) is None

    users.reactivate(account.pk, bob.pk, by=by_ada)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert recognize(made[1]) is None


def test_membership_elsewhere_does_not_keep_a_token_alive(account, ada, bob, made, by_ada):
    other = accounts.create(slug="other", name="Other")
    users.add_to_account(other.pk, bob.pk)

    users.deactivate(account.pk, bob.pk, by=by_ada)

    assert recognize(made[1]) is None


def test_a_token_may_belong_to_the_account_itself(account):
    _, secret = tokens.create(account.pk, name="Shop", scopes=["tickets"])

    assert recognize(secret).user_id is None


@pytest.mark.parametrize(
    ("scopes", "words"), [([], "at least one"), (["tickets", "everything"], "everything")]
)
def test_scopes_are_known_and_at_least_one(account, scopes: list[str], words: str):
    with pytest.raises(Invalid, match=words) as refused:
        tokens.create(account.pk, name="Shop", scopes=scopes)

    assert "crm.objects.contacts.read" in refused.value.hint


def test_a_token_can_not_be_made_for_a_stranger(account):
    """S9."""
    eve = users.create(email="eve@other.example", name="Eve")

    with pytest.raises(NotFound):
        tokens.create(account.pk, name="Shop", scopes=SCOPES, user_id=eve.pk, by=SYSTEM)


def test_use_is_noted_once_a_minute_and_costs_one_query_otherwise(made, noon, django_assert_num_queries):
    _, secret = made

    with django_assert_num_queries(2):
        recognize(secret)
    with django_assert_num_queries(1):
        recognize(secret)
    with clock.stopped(noon + timedelta(minutes=1)), django_assert_num_queries(2):
        recognize(secret)

    assert ApiToken.objects.get().last_used_at == noon + timedelta(minutes=1)
