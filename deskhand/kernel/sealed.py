"""Stored credentials, encrypted with a key of their account's own (derived from ENCRYPTION_KEY)."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext as _

from deskhand.kernel.errors import Invalid


def seal(plain: str, *, account_id: int) -> str:
    """Encrypt `plain`; nothing stays nothing."""
    return _box(settings.ENCRYPTION_KEY, account_id).encrypt(plain.encode()).decode() if plain else ""


def unseal(sealed: str, *, account_id: int) -> str:
    """Return what was sealed for this account.

    Raises Invalid when it can't be read: sealed for another account, or under another ENCRYPTION_KEY.
    """
    if not sealed:
        return ""
    try:
        return _box(settings.ENCRYPTION_KEY, account_id).decrypt(sealed.encode()).decode()
    except InvalidToken as failure:
        raise Invalid(
            _("A stored password can't be read with the present ENCRYPTION_KEY."),
            hint=_("Restore the key file, or type the password in again."),
        ) from failure


@lru_cache(maxsize=1024)
def _box(key: str, account_id: int) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=f"credentials of account {account_id}".encode()).derive(
        key.encode()
    )
    return Fernet(base64.urlsafe_b64encode(derived))
