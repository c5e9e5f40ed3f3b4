"""`deskhand ingest`: each mail with what became of it, in the order of the files."""

from __future__ import annotations

import argparse
import json
import mailbox
from pathlib import Path

import pytest

from deskhand.channels.email.models import InboundMail
from deskhand.cli import ingest
from deskhand.kernel.errors import NotFound
from deskhand.testing.world import make_world


def mail(number: int, *, body: str = "Where is it?") -> bytes:
    return (
        f"From: Anna <anna@client.test>\nTo: support@nordlys.example\nSubject: Order {number}\n"
        f"Message-ID: <{number}@client.test>\n\n{body}\n"
    ).encode()


@pytest.fixture
def take(transactional_db: None, capsys: pytest.CaptureFixture[str]) -> object:
    """Runs the command and returns its lines."""
    make_world()

    def run(*paths: Path, channel: str = "support@nordlys.example") -> list[dict[str, object]]:
        assert ingest.run(argparse.Namespace(path=list(paths), channel=channel)) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]

    return run


def test_files_boxes_and_maildirs_are_taken_in_order(take: object, tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(mail(1))
    box = mailbox.mbox(tmp_path / "b.mbox")
    box.add(mail(2))
    box.add(mail(3))
    box.close()
    mailbox.Maildir(tmp_path / "c").add(mail(4))
    (tmp_path / "notes.pdf").write_bytes(b"no mail")

    lines = take(tmp_path)

    assert [line["outcome"] for line in lines] == ["created"] * 4
    assert [Path(str(line["source"])).name for line in lines[:3]] == ["a.eml", "b.mbox#1", "b.mbox#2"]
    assert len({line["ticket"] for line in lines}) == 4


def test_the_same_mail_again_is_a_duplicate_and_says_so(take: object, tmp_path: Path) -> None:
    """R9, R-CC-13."""
    (tmp_path / "a.eml").write_bytes(mail(1))
    (tmp_path / "again.eml").write_bytes(mail(1))

    first, second = take(tmp_path)
    (third,) = take(tmp_path / "a.eml")

    assert [first["outcome"], second["outcome"], third["outcome"]] == ["created", "duplicate", "duplicate"]
    assert second["why"]


def test_a_mail_over_the_limit_is_taken_with_its_headers_only(
    take: object, tmp_path: Path, settings: object
) -> None:
    """R15: nobody loses a mail without hearing of it."""
    settings.MAIL_MAX_BYTES = 2000
    (tmp_path / "large.eml").write_bytes(mail(1, body="x" * 3000))

    (line,) = take(tmp_path)

    stored = InboundMail.objects.get()
    assert line["outcome"] == "created"
    assert stored.is_head_only
    assert stored.size > 3000
    assert bytes(stored.raw).endswith(b"<1@client.test>\n\n")


def test_an_unknown_channel_or_path_is_named(take: object, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nobody@nordlys\.example"):
        take(tmp_path, channel="nobody@nordlys.example")
    with pytest.raises(NotFound, match=r"absent\.eml"):
        take(tmp_path / "absent.eml")
