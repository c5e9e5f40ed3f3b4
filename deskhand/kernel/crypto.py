"""Secrets of accounts: encrypted, signed and compared with keys derived from the installation's ENCRYPTION_KEY.

Every account and purpose has a key of its own, so that what was written for one can't be read as another.
To rotate, set a new ENCRYPTION_KEY and name the former ones in ENCRYPTION_KEYS_BEFORE: those still read and verify,
only the new one writes; `is_stale` finds what waits to be encrypted anew.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext as _

from deskhand.kernel.errors import Invalid

_NONCE = 12  # bytes; what AES-GCM is made for
_FORMAT = "e1"


def encrypt(plain: str, *, account_id: int, purpose: str) -> str:
    """Return `plain` as "e1.<key's name>.<text>"; nothing stays nothing. Twice the same gives two texts."""
    if not plain:
        return ""
    key = str(settings.ENCRYPTION_KEY)
    nonce = os.urandom(_NONCE)
    box = AESGCM(_derived(key, account_id, f"encrypt {purpose}"))
    return f"{_FORMAT}.{_name(key)}.{_text(nonce + box.encrypt(nonce, plain.encode(), None))}"


def decrypt(secret: str, *, account_id: int, purpose: str) -> str:
    """Return what was encrypted for this account and purpose, also under a former key.

    Raises Invalid when it can't be read: made for another account or purpose, changed, or its key is gone.
    """
    if not secret:
        return ""
    try:
        form, name, text = secret.split(".")
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        key = next(key for key in _keys() if form == _FORMAT and _name(key) == name)
        box = AESGCM(_derived(key, account_id, f"encrypt {purpose}"))
        return box.decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()
    except (ValueError, binascii.Error, StopIteration, InvalidTag) as failure:
        raise Invalid(
            _("A stored secret can't be read with the present ENCRYPTION_KEY."),
            hint=_("Name the former key in ENCRYPTION_KEYS_BEFORE, or enter the secret again."),
        ) from failure


def is_stale(secret: str) -> bool:
    """Whether `secret` was encrypted under a former key and should be encrypted anew."""
    return bool(secret) and not secret.startswith(f"{_FORMAT}.{_name(str(settings.ENCRYPTION_KEY))}.")


def sign(message: bytes, *, account_id: int, purpose: str) -> str:
    """Return an HMAC-SHA256 of `message` as 43 characters of url-safe text."""
    return _text(mac(message, account_id=account_id, purpose=purpose))


def is_signed(message: bytes, signature: str, *, account_id: int, purpose: str) -> bool:
    """Whether `sign` made `signature`, now or under a former key. Compares in constant time."""
    return any(same(_text(made), signature) for made in macs(message, account_id=account_id, purpose=purpose))


def mac(message: bytes, *, account_id: int, purpose: str) -> bytes:
    """The 32 bytes of `sign`, for signatures that are written otherwise."""
    return _mac(str(settings.ENCRYPTION_KEY), message, account_id, purpose)


def macs(message: bytes, *, account_id: int, purpose: str) -> list[bytes]:
    """What `mac` returns, then what it returned under each former key."""
    return [_mac(key, message, account_id, purpose) for key in _keys()]


def digest(token: str) -> str:
    """Return the SHA-256 of a random token in hex, which is all of it that is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _keys() -> list[str]:
    return [str(settings.ENCRYPTION_KEY), *getattr(settings, "ENCRYPTION_KEYS_BEFORE", ())]


def _mac(key: str, message: bytes, account_id: int, purpose: str) -> bytes:
    return hmac.digest(_derived(key, account_id, f"sign {purpose}"), message, "sha256")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@lru_cache(maxsize=1024)
def _derived(key: str, account_id: int, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"deskhand {account_id} {purpose}".encode()).derive(
        key.encode()
    )


@lru_cache(maxsize=16)
def _name(key: str) -> str:
    return hashlib.sha256(b"deskhand key name " + key.encode()).hexdigest()[:8]
