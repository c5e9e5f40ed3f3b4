from collections.abc import Iterator

import pytest

from deskhand.accounts import accounts, users
from deskhand.accounts.models import Account, User
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import account_scope

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def account(db) -> Account:
    return accounts.create(slug="nordlys", name="Nordlys", zone="Europe/Oslo")


@pytest.fixture
def ada(account) -> User:
    """The account's super admin."""
    user = users.create(email="ada@nordlys.example", name="Ada Lovelace", password=PASSWORD)
    users.add_to_account(account.pk, user.pk, is_super_admin=True)
    return user


@pytest.fixture
def bob(account) -> User:
    """An agent."""
    user = users.create(email="bob@nordlys.example", name="Bob Noyce", password=PASSWORD)
    users.add_to_account(account.pk, user.pk)
    return user


@pytest.fixture
def by_ada(ada) -> Actor:
    return Actor.user(ada.pk)


@pytest.fixture
def scope(account) -> Iterator[None]:
    """Inside the account's transaction, where its teams and roles can be read."""
    with account_scope(account.pk):
        yield
