"""Handing mail to the product as another mail server would, and what it answers."""

from __future__ import annotations

import smtplib


def send(
    port: int, sender: str, recipient: str, raw: bytes, *, declare: bool = True, lmtp: bool = False
) -> str:
    """Return the answer that settled it: code and words, or "no answer: …". `declare`: say the size beforehand."""
    kind = smtplib.LMTP if lmtp else smtplib.SMTP
    try:
        with kind("127.0.0.1", port, timeout=60) as client:
            client.ehlo_or_helo_if_needed()
            code, words = client.mail(sender, [f"SIZE={len(raw)}"] if declare else [])
            if code < 400:
                code, words = client.rcpt(recipient)
            if code < 400:
                code, words = client.data(raw)
            return f"{code} {words.decode()}"
    except smtplib.SMTPResponseException as refusal:
        said = refusal.smtp_error
        return f"{refusal.smtp_code} {said.decode() if isinstance(said, bytes) else said}"
    except OSError as failure:
        return f"no answer: {failure}"
