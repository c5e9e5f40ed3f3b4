"""Calls to other systems as the outbox keeps them, and how they are signed.

What a call holds may be secret (its address, its headers), so the whole of it is encrypted while it waits. Signatures
follow Standard Webhooks, for which receivers find ready-made checks in most languages.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from deskhand.delivery.types import NewSend
from deskhand.kernel import crypto

TRANSPORT = "webhook"
PURPOSE = "call"
_MARK = "whsec_"


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    secret: str = ""  # given: the call is signed with it

    @property
    def place(self) -> str:
        """Whom it goes to, without the path, which may hold a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or ''}"


def new_secret() -> str:
    """A random signing secret as Standard Webhooks writes it."""
    return _MARK + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, key: str, at: datetime, body: str) -> str:
    """What `webhook-signature` says of a call: HMAC-SHA256 of its key, its time in whole seconds and its body."""
    message = f"{key}.{int(at.timestamp())}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(_key(secret), message, "sha256")).decode()


def signed_headers(call: Call, key: str, at: datetime) -> dict[str, str]:
    """All headers of one try: the call's own, its key, and where it has a secret the signature of this moment."""
    known = {name.lower(): value for name, value in call.headers.items()}
    known |= {"idempotency-key": key, "webhook-id": key}
    if call.secret:
        known["webhook-timestamp"] = str(int(at.timestamp()))
        known["webhook-signature"] = signature(call.secret, key, at, call.body)
    return known


def new_send(
    call: Call, *, account_id: int, key: str, reference_type: str = "", reference_id: int | None = None
) -> NewSend:
    """The outbox's entry for a call. The same `key` is the same call for ever, for the other side too."""
    return NewSend(
        account_id=account_id, transport=TRANSPORT, idempotency_key=key, recipients=[call.place],
        payload={"key": key, "sealed": crypto.encrypt(json.dumps(asdict(call)), account_id=account_id, purpose=PURPOSE)},
        message_id=f"<{crypto.digest(key)[:32]}@call>", reference_type=reference_type, reference_id=reference_id,
    )  # fmt: skip


def opened(payload: Mapping[str, Any], account_id: int) -> Call:
    """The call of an entry. Raises Invalid when its key is gone."""
    return Call(**json.loads(crypto.decrypt(payload["sealed"], account_id=account_id, purpose=PURPOSE)))


def _key(secret: str) -> bytes:
    """The bytes of a secret: base64 after "whsec_", else the text itself."""
    if secret.startswith(_MARK):
        try:
            return base64.b64decode(secret.removeprefix(_MARK), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
