"""The mail queue from the command line."""

from __future__ import annotations

import pytest
from django.utils import timezone

from deskhand.accounts.models import Account
from deskhand.cli import check, main, outbox
from deskhand.delivery import outbox as sends
from deskhand.delivery import queries
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.types import NewSend
from deskhand.kernel.errors import NotFound

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return Account.objects.create(slug="acme", name="Acme")


def put(account: Account, key: str, **changes: object) -> int:
    send = NewSend(
        account.pk, "mail", key, ["bo@customer.example"], {"subject": "Hello"}, held_reason="restored"
    )
    (number,) = sends.enqueue([send])
    OutboxEntry.objects.filter(id=number).update(**changes)
    return number


def command(*words: str) -> int:
    parser = main._parser({"outbox": outbox})
    return outbox.run(parser.parse_args(["outbox", *words]))


def state(number: int) -> str:
    return OutboxEntry.objects.get(id=number).state


def test_the_list_says_why_a_mail_has_not_left(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    number = put(account, "a")
    put(account, "b", state="SENT", sent_at=timezone.now(), held_reason="")
    assert command("list") == 0
    assert capsys.readouterr().out == f"acme  {number}  HELD     bo@customer.example  restored\n"


def test_held_mail_is_released_all_or_by_number(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = put(account, "a"), put(account, "b"), put(account, "c")
    command("release", str(first))
    assert [state(first), state(second), state(third)] == ["WAITING", "HELD", "HELD"]
    command("release", "--account", "acme")
    assert {state(second), state(third)} == {"WAITING"}
    assert capsys.readouterr().out == "acme: 1 released\nacme: 2 released\n"


def test_the_fence_is_shown_and_falls_only_with_a_release_of_all(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    sends.fence("Restored from a backup")
    first = put(account, "a")
    command("list")
    assert "UTC: Restored from a backup.\n" in capsys.readouterr().out
    assert [problem.id for problem in check._fence()] == ["deskhand.W006"]

    command("release", str(first))
    command("release", "--account", "acme")
    assert capsys.readouterr().out.count("The fence still stands") == 2
    assert queries.fence() is not None

    second = put(account, "b")
    command("release")
    assert capsys.readouterr().out == "acme: 1 released\nThe fence is down: automations send again.\n"
    assert (state(second), queries.fence(), check._fence()) == ("WAITING", None, [])


@pytest.mark.parametrize(("answer", "after"), [("", "HELD"), ("n", "HELD"), ("y", "WAITING")])
def test_a_person_is_told_what_would_leave_and_asked(
    account: Account,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    after: str,
) -> None:
    number = put(account, "a")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    command("release")
    assert capsys.readouterr().out.startswith("acme: 1 held\n")
    assert state(number) == after


def test_what_can_be_tried_again_is_and_the_rest_is_named(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = put(account, "a", state="FAILED", held_reason="")
    sent = put(account, "b", state="SENT", sent_at=timezone.now(), held_reason="")
    assert command("retry", "999999999", str(sent), str(failed)) == 1
    said = capsys.readouterr()
    assert state(failed) == "WAITING"
    assert said.out == f"{failed}: will be tried now\n"
    assert "999999999: There is no such entry" in said.err
    assert f"{sent}: This was sent" in said.err


def test_another_accounts_mail_is_not_there(account: Account) -> None:
    other = Account.objects.create(slug="other", name="Other")
    number = put(other, "a", state="FAILED", held_reason="")
    assert command("retry", "--account", "acme", str(number)) == 1
    assert state(number) == "FAILED"
    with pytest.raises(NotFound):
        command("list", "--account", "nobody")
