"""`deskhand secret` as people type it."""

from __future__ import annotations

import argparse
import io
from typing import Any

import pytest

from deskhand.automation import integrations, secrets
from deskhand.cli import secret
from deskhand.events.types import SYSTEM
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.testing.world import make_world

pytestmark = pytest.mark.django_db


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    secret.add_parser(parser.add_subparsers())
    return secret.run(parser.parse_args(["secret", *words]))


def kept(account_id: int, name: str) -> str | None:
    with account_scope(account_id):
        return secrets.values(account_id, [name]).get(name)


def test_a_secret_comes_from_standard_input_and_is_never_told(capsys: Any, monkeypatch: Any) -> None:
    account = make_world().account.pk
    for value in ("first one", "second one"):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{value}\n"))
        assert run("set", "SHOP_KEY") == 0
        assert kept(account, "SHOP_KEY") == value
    with account_scope(account):
        integrations.add(
            account, "Credit check", {"url": "https://bank.example", "secret": "SHOP_KEY"}, by=SYSTEM
        )
    assert run("list") == 0
    said = capsys.readouterr()
    assert [line.split("\t")[::2] for line in said.out.splitlines() if "\t" in line] == [
        ["SHOP_KEY", "Credit check"]
    ]
    assert "one\n" not in said.out + said.err


def test_at_a_terminal_it_is_asked_for_unseen(monkeypatch: Any) -> None:
    account = make_world().account.pk

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda question: f"answer to {question}")
    assert run("set", "SHOP_KEY", "--account", "nordlys") == 0
    assert kept(account, "SHOP_KEY") == "answer to Value of SHOP_KEY: "


def test_nothing_is_no_secret(monkeypatch: Any) -> None:
    make_world()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(Invalid, match="needs a value"):
        run("set", "SHOP_KEY")
    with pytest.raises(SystemExit):
        run("set", "SHOP_KEY", "on the command line")
