"""Turning a message of ours into a send: sender, recipients, threading headers, and the tag that brings the answer back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from deskhand.delivery.headers import wire_address
from deskhand.delivery.types import UNWRITTEN, Address, Attached, Mail, NewSend
from deskhand.desk import tokens
from deskhand.desk.models import ChannelAccount, Message
from deskhand.desk.types import Mailbox, StoredFile
from deskhand.desk.unwritten import Words
from deskhand.kernel.written import markup_of

TRANSPORT = "mail"
REFERENCE = "desk.message"
REFERENCES = 20  # ids at most (O4)
LONGEST_LOCAL = 64  # characters before the @ (RFC 5321 §4.5.3.1.1)


class Written(NamedTuple):
    """What a mail takes of a message, where many are sent at once."""

    pk: int
    thread_id: int
    subject: str
    text: str
    html: str
    external_id: str


def message_id(channel: ChannelAccount, thread_id: int, number: int) -> str:
    address = channel.address if channel.address.isascii() else wire_address(channel.address)
    return tokens.message_id(channel.account_id, thread_id, number, address.partition("@")[2])


def reply_address(channel: ChannelAccount, thread_id: int) -> str:
    """Where answers go; without a tag where it finds no room, for answers name our Message-ID, too."""
    local, _, domain = channel.address.rpartition("@")
    tagged = f"{local}+{tokens.reply_tag(channel.account_id, thread_id)}"
    return f"{tagged}@{domain}" if len(tagged) <= LONGEST_LOCAL else channel.address


def send(
    message: Message | Written,
    channel: ChannelAccount,
    *,
    to: Sequence[Mailbox],
    cc: Sequence[Mailbox] = (),
    bcc: Sequence[Mailbox] = (),
    references: Sequence[str] = (),
    files: Sequence[StoredFile] = (),
    automatic: str = "",
    writer: str = "",
    signature: str = "",
    quote: tuple[str, str] = ("", ""),
    is_new: bool = False,
    unsubscribe: str = "",
    key: str = "",
    is_unwritten: bool = False,
) -> NewSend:
    """Describe the send of `message`; its Message-ID and key (the message's own unless given) are fixed from here on (O1).

    `writer` is named beside the channel where that wants it; `signature` goes under the text, and only into the mail,
    and below it `quote`, as text and as HTML.
    `unsubscribe`: where its reader chooses to get no more of the kind, for mail programs (RFC 8058).
    `is_new`: a person writes it this moment, so it leaves even behind the fence of a restore.
    `is_unwritten`: the message gets its words before it is first sent (`words_of`).
    """
    tagged = reply_address(channel, message.thread_id)
    name = sender_name(channel, writer)
    mail = Mail(
        sender=Address(channel.address, name),
        to=_addresses(to),
        cc=_addresses(cc),
        subject=message.subject,
        text=message.text + _under(signature) + (f"\n\n{quote[0]}" if quote[0] else ""),
        html=(message.html or markup_of(message.text)) + _html_under(signature) + quote[1],
        reply_to=(Address(tagged, name),),
        in_reply_to=f"<{references[-1]}>" if references else "",
        references=tuple(f"<{value}>" for value in references[-REFERENCES:]),
        attachments=tuple(Attached(f.sha256, f.size, f.name, f.content_type, f.content_id) for f in files),
        automatic=automatic,
        headers=_one_click(unsubscribe) if unsubscribe else (),
    )
    return NewSend(
        account_id=channel.account_id,
        transport=TRANSPORT,
        idempotency_key=key or f"message:{message.pk}",
        recipients=list(dict.fromkeys(box.email for box in (*to, *cc, *bcc))),
        payload=_unwritten(mail) if is_unwritten else mail.payload(),
        message_id=f"<{message.external_id}>",
        envelope_from=tagged,
        channel_account_id=channel.pk,
        reference_type=REFERENCE,
        reference_id=message.pk,
        is_new=is_new,
    )


def _unwritten(mail: Mail) -> dict[str, Any]:
    """Without the three that `words_of` brings: what lacks them can't leave by accident, as an empty mail could."""
    words = ("subject", "text", "html")
    return {UNWRITTEN: True} | {name: value for name, value in mail.payload().items() if name not in words}


def words_of(words: Words) -> dict[str, str]:
    """What a mail says, as its payload has it."""
    return {"subject": words.subject, "text": words.text, "html": words.html or markup_of(words.text)}


def _one_click(url: str) -> tuple[tuple[str, str], ...]:
    return (("List-Unsubscribe", f"<{url}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))


def sender_name(channel: ChannelAccount, writer: str = "") -> str:
    """Whom customers read before the address: the channel, with who writes where it wants that."""
    name = channel.from_name or channel.name
    return f"{writer} ({name})" if writer and channel.shows_agent else name


def _under(signature: str) -> str:
    """Behind the line that mail readers fold a signature by."""
    return f"\n\n-- \n{signature.strip()}" if signature.strip() else ""


def _html_under(signature: str) -> str:
    return f"<div><br>-- <br></div>{markup_of(signature.strip())}" if signature.strip() else ""


def _addresses(boxes: Iterable[Mailbox]) -> tuple[Address, ...]:
    return tuple(Address(box.email, box.name) for box in boxes)


_ANSWER = re.compile(r"\A(?:(?:re|aw|sv|vs|fwd?|wg)\s*:\s*)+", re.IGNORECASE)


def bare_subject(subject: str) -> str:
    """The subject without Re:, Fwd: and their like."""
    return _ANSWER.sub("", subject.strip())


def answer_subject(subject: str, number: int) -> str:
    """Re: once; the ticket's number where there is no subject."""
    bare = subject.strip()
    return bare if bare.lower().startswith("re:") else f"Re: {bare or f'#{number}'}"
