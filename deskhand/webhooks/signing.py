"""By what receivers know that a request is ours: three signatures, as the contract has them (api.md §2.8). Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime


def v1(secret: str, body: bytes) -> str:
    return hashlib.sha256(secret.encode() + body).hexdigest()


def v2(secret: str, method: str, url: str, body: bytes) -> str:
    return hashlib.sha256(f"{secret}{method}{url}".encode() + body).hexdigest()


def v3(secret: str, method: str, url: str, body: bytes, milliseconds: int) -> str:
    message = f"{method}{url}".encode() + body + str(milliseconds).encode()
    return base64.b64encode(hmac.digest(secret.encode(), message, "sha256")).decode()


def headers(secret: str, method: str, url: str, body: bytes, at: datetime) -> Mapping[str, str]:
    """Of one try, signed at its own moment: receivers refuse what is older than five minutes."""
    milliseconds = int(at.timestamp() * 1000)
    return {
        "content-type": "application/json",
        "x-hubspot-request-timestamp": str(milliseconds),
        "x-hubspot-signature": v1(secret, body),
        "x-hubspot-signature-version": "v1",
        "x-hubspot-signature-v3": v3(secret, method, url, body, milliseconds),
    }
