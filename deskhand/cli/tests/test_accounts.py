"""The commands that make accounts, users and tokens, as somebody types them."""

import argparse
import sys

import pytest

from deskhand.accounts import tokens
from deskhand.accounts.models import Account, ApiToken, Membership, User
from deskhand.accounts.policy import viewer_for
from deskhand.cli import account as account_command
from deskhand.cli import token as token_command
from deskhand.cli import user as user_command
from deskhand.cli.main import sentence
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.desk.models import Inbox
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]


def main(argv: list[str]) -> int:
    """What the entry point does with these commands, without opening and closing connections."""
    modules = {"account": account_command, "user": user_command, "token": token_command}
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command")
    for module in modules.values():
        module.add_parser(commands)
    args = parser.parse_args(argv)
    try:
        return modules[args.command].run(args)
    except DeskhandError as problem:
        print(sentence(problem), file=sys.stderr)
        return 1


@pytest.fixture
def account() -> Account:
    assert main(["account", "create", "--slug", "nordlys", "--name", "Nordlys", "--zone", "Europe/Oslo"]) == 0
    return Account.objects.get(slug="nordlys")


def create_user(*more: str, email: str = "ada@nordlys.example") -> int:
    return main(["user", "create", "--account", "nordlys", "--email", email, "--name", "Ada Lovelace", *more])


def test_a_new_account_can_take_tickets(account):
    with account_scope(account.pk):
        assert pipelines_of("ticket").pipelines
        assert Inbox.objects.count() == 1


def test_a_user_without_a_password_gets_one_that_is_printed_once(account, capsys):
    assert create_user("--super-admin") == 0

    password = capsys.readouterr().out.partition("Password: ")[2].splitlines()[0]
    assert User.objects.get().check_password(password)
    assert viewer_for(account.pk, User.objects.get().pk).is_super_admin


def test_a_given_password_is_not_printed(account, capsys):
    assert create_user("--password", "correct horse battery", "--no-seat") == 0

    assert "correct horse" not in capsys.readouterr().out
    assert User.objects.get().check_password("correct horse battery")
    assert not Membership.objects.get().has_seat


def test_somebody_known_joins_and_keeps_the_password(account, capsys):
    create_user("--password", "correct horse battery")
    main(["account", "create", "--slug", "other", "--name", "Other"])

    assert (
        main(["user", "create", "--account", "other", "--email", "ADA@nordlys.example", "--name", "Ada"]) == 0
    )

    assert User.objects.get().check_password("correct horse battery")
    assert Membership.objects.count() == 2
    assert "Password:" not in capsys.readouterr().out


def test_a_mistake_ends_in_a_sentence_and_leaves_nothing(account, capsys):
    assert create_user("--password", "short") == 1
    assert create_user(email="ada") == 1
    assert main(["user", "create", "--account", "norlys", "--email", "a@b.example", "--name", "A"]) == 1
    assert main(["account", "create", "--slug", "nordlys", "--name", "Twice"]) == 1
    assert main(["account", "create", "--slug", "x", "--name", "X", "--zone", "Oslo"]) == 1

    said = capsys.readouterr().err
    assert "10 characters" in said
    assert "ada is not an e-mail address" in said
    assert "no account norlys; there are: nordlys" in said
    assert "'Oslo'" in said
    assert not User.objects.exists()


def test_a_token_is_the_only_line_of_output(account, capsys):
    create_user()
    capsys.readouterr()

    assert (
        main(
            [
                "token",
                "create",
                "--account",
                "nordlys",
                "--user",
                "ada@nordlys.example",
                "--scopes",
                "tickets, files",
            ]
        )
        == 0
    )

    secret = capsys.readouterr().out.strip()
    assert tokens.recognize(secret).user_id == User.objects.get().pk
    assert ApiToken.objects.get().scopes == ["files", "tickets"]


def test_a_token_needs_a_known_user_and_known_scopes(account, capsys):
    assert (
        main(["token", "create", "--account", "nordlys", "--user", "eve@x.example", "--scopes", "tickets"])
        == 1
    )
    assert main(["token", "create", "--account", "nordlys", "--scopes", "tickets,all"]) == 1

    said = capsys.readouterr().err
    assert "no user eve@x.example" in said
    assert "There is no scope all. Choose from: " in said
    assert "tickets" in said.partition("Choose from: ")[2]
