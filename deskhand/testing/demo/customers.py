"""Playing the demo's customers: real mail to the listener, and answers to what comes back to the built-in mailbox."""

from __future__ import annotations

import random
import smtplib
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from deskhand.accounts.models import Account
from deskhand.channels.email.parse import parse_mail
from deskhand.delivery.models import SinkMail
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import NotFound, Unreachable
from deskhand.testing.demo import company
from deskhand.testing.demo.seed import read_texts

Say = Callable[[str], None]

ANSWERED = 0.6  # of the replies that agents write


def play(*, port: int, every: float, count: int, seed: int | None, say: Say, host: str = "127.0.0.1") -> int:
    """Write requests until Ctrl-C (or `count`), answering agents' replies in between. Raises Unreachable, NotFound."""
    account = Account.objects.filter(slug=company.SLUG).first()
    if account is None:
        raise NotFound("There is no demo company yet; run: deskhand demo seed")
    chance = random.Random(seed)
    newest = _newest(account.pk)
    sent = 0
    while not count or sent < count:
        _send(_request(chance), host, port, say)
        sent += 1
        until = time.monotonic() + every
        while time.monotonic() < until:
            newest = _answer_replies(account.pk, newest, chance, host, port, say)
            time.sleep(min(1.0, every))
    return 0


def _request(chance: random.Random) -> EmailMessage:
    text = chance.choice(read_texts())
    name = chance.choice(company.CUSTOMERS[text["lang"]])
    to = "billing@demo.example" if text["team"] == "billing" else company.MAILBOX
    return _mail(name, to, text["subject"], text["body"])


def _mail(name: str, to: str, subject: str, body: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = f'"{name}" <{company.email_of(name)}>'
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = make_msgid(domain="mail.example")
    mail.set_content(body)
    return mail


def _send(mail: EmailMessage, host: str, port: int, say: Say) -> None:
    try:
        with smtplib.SMTP(host, port, timeout=10) as server:
            server.send_message(mail)
    except OSError as failure:
        raise Unreachable(
            f"Nobody takes mail on {host}:{port} ({failure}). Is deskhand serve running?"
        ) from failure
    say(f"{mail['From']} → {mail['To']}: {mail['Subject']}")


def _newest(account_id: int) -> int:
    with account_scope(account_id):
        return (
            SinkMail.objects.filter(account_id=account_id)
            .order_by("-id")
            .values_list("id", flat=True)
            .first()
            or 0
        )


def _answer_replies(
    account_id: int, after: int, chance: random.Random, host: str, port: int, say: Say
) -> int:
    """Answer what agents wrote since mail `after`, as a mail program would: to Reply-To, with its threading headers."""
    with account_scope(account_id):
        new = list(SinkMail.objects.filter(account_id=account_id, id__gt=after).order_by("id"))
    for row in new:
        after = row.pk
        parsed = parse_mail(bytes(row.raw))
        names = {
            company.email_of(name): (lang, name)
            for lang, found in company.CUSTOMERS.items()
            for name in found
        }
        known = names.get(row.recipients[0])
        if known is None or parsed.auto.value != "no" or not parsed.reply_to or chance.random() > ANSWERED:
            continue
        lang, name = known
        text = chance.choice(company.THANKS[lang]).format(n=chance.randrange(10_000, 99_999))
        quoted = "\n".join(f"> {line}" for line in parsed.text.splitlines())
        mail = _mail(name, parsed.reply_to[0].email, parsed.subject, f"{text}\n\n{quoted}\n")
        mail["In-Reply-To"] = row.message_id
        mail["References"] = row.message_id
        _send(mail, host, port, say)
    return after
