"""Web Push: a message for one browser, which only that browser can read (RFC 8291), sent by its maker's push service,
which knows us by a signature (VAPID, RFC 8292)."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deskhand.delivery.types import NewSend
from deskhand.kernel import crypto

TRANSPORT = "push"
PURPOSE = "push"
GONE = (404, 410)  # what a push service says of a browser that wants no more
LASTS = timedelta(hours=12)  # how long the push service keeps it for a browser that is not there
TEXT = 300  # characters: the whole must fit one record
_RECORD = 4096
_POINT = 65  # bytes of a public key, uncompressed
_SECRET = 16


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a browser is reached, and the keys that it made for us."""

    endpoint: str
    key: str  # its public key and its secret, in base64url as browsers give them
    secret: str

    @property
    def place(self) -> str:
        """Whom it goes to, without the path, by which anybody could write to it."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.hostname or ''}"


@dataclass(frozen=True, slots=True)
class Message:
    title: str
    body: str
    path: str  # of the page that a click opens


def new_send(
    browser: Browser, message: Message, *, account_id: int, key: str, reference_type: str, reference_id: int
) -> NewSend:
    """The outbox's entry. The same `key` is the same push for ever: the browser shows what comes twice once."""
    shown = {
        "title": message.title[:TEXT],
        "body": message.body[:TEXT],
        "path": message.path,
        "tag": _tag(key),
    }
    whole = {"browser": asdict(browser), "message": shown}
    return NewSend(
        account_id=account_id, transport=TRANSPORT, idempotency_key=key, recipients=[browser.place],
        payload={"tag": _tag(key), "sealed": crypto.encrypt(json.dumps(whole), account_id=account_id, purpose=PURPOSE)},
        message_id=f"<{_tag(key)}@push>", reference_type=reference_type, reference_id=reference_id,
    )  # fmt: skip


def _tag(key: str) -> str:
    return crypto.digest(key)[:32]  # as long as a Topic may be


def opened(payload: Mapping[str, Any], account_id: int) -> tuple[Browser, bytes]:
    """Whom an entry goes to, and what it says. Raises Invalid when its key is gone."""
    whole = json.loads(crypto.decrypt(payload["sealed"], account_id=account_id, purpose=PURPOSE))
    said = json.dumps(whole["message"], ensure_ascii=False)
    return Browser(**whole["browser"]), said.encode("utf-8", "replace")


def is_fit(browser: Browser) -> bool:
    """Whether its keys are some."""
    try:
        point, secret = _bytes(browser.key), _bytes(browser.secret)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return False
    return len(point) == _POINT and len(secret) == _SECRET


# ── who we are ───────────────────────────────────────────────────────────────────────────────────────────────────────


def new_key() -> str:
    """A private key by which push services know this installation."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return _text(number.to_bytes(32, "big"))


def public_key(private: str) -> str:
    """What browsers are given when they subscribe."""
    return _text(_point(_private(private)))


def headers(browser: Browser, private: str, contact: str, tag: str, at: datetime) -> dict[str, str]:
    """All headers of one try. `contact`: an address at which the push service can complain, https: or mailto:."""
    claims = {"aud": _origin(browser.endpoint), "exp": int((at + LASTS).timestamp()), "sub": contact}
    said = f"{_json({'typ': 'JWT', 'alg': 'ES256'})}.{_json(claims)}"
    key = _private(private)
    r, s = decode_dss_signature(key.sign(said.encode(), ec.ECDSA(SHA256())))
    token = f"{said}.{_text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    return {
        "authorization": f"vapid t={token}, k={_text(_point(key))}",
        "content-encoding": "aes128gcm",
        "content-type": "application/octet-stream",
        "ttl": str(int(LASTS.total_seconds())),
        "topic": tag,  # what is tried again takes the place of what still waits there
        "urgency": "normal",
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# ── what only the browser reads ──────────────────────────────────────────────────────────────────────────────────────


def sealed(message: bytes, browser: Browser, *, ours: str = "", salt: bytes = b"") -> bytes:
    """Encrypt for one browser; the key and salt are made anew for each message, but in tests."""
    private = _private(ours or new_key())
    salt = salt or os.urandom(_SECRET)
    theirs, our_point = _bytes(browser.key), _point(private)
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
    seed = _derived(shared, _bytes(browser.secret), b"WebPush: info\0" + theirs + our_point, 32)
    box = AESGCM(_derived(seed, salt, b"Content-Encoding: aes128gcm\0", 16))
    nonce = _derived(seed, salt, b"Content-Encoding: nonce\0", 12)
    head = salt + _RECORD.to_bytes(4, "big") + bytes([len(our_point)]) + our_point
    return head + box.encrypt(nonce, message + b"\x02", None)


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=salt, info=info).derive(secret)


def _private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(_bytes(text), "big"), ec.SECP256R1())


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def _json(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError for what is no base64url."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
