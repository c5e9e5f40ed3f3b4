"""Second factors and passkeys, when they are switched on: their secrets are encrypted (S33)."""

from __future__ import annotations

from urllib.parse import urlsplit

from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings

from deskhand.kernel import crypto

_INSTALLATION = 0  # people are known across accounts
_PURPOSE = "second factor"


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    def encrypt(self, text: str) -> str:
        return crypto.encrypt(text, account_id=_INSTALLATION, purpose=_PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        return crypto.decrypt(encrypted_text, account_id=_INSTALLATION, purpose=_PURPOSE)

    def get_totp_issuer(self) -> str:
        return f"Deskhand {urlsplit(settings.SITE_URL).hostname}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Passkeys hang on the host we are configured with, not on the one a request claims."""
        host = urlsplit(settings.SITE_URL).hostname or ""
        return {"id": host, "name": f"Deskhand {host}"}
