"""Single sign-on by OpenID Connect, when it is switched on. It lets users in; it never makes any."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from deskhand.accounts.models import User
from deskhand.accounts.vouching import is_vouched_for


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def authenticate_by_email(self, sociallogin: Any) -> tuple[User, str] | None:
        """Find the user of an address that the provider vouches for (S12)."""
        for address in sociallogin.email_addresses:
            if is_vouched_for(address.email, address.verified, getattr(settings, "OIDC_DOMAINS", ())):
                user = User.objects.filter(email=address.email.lower()).first()
                if user is not None:
                    self._note_verified(user)
                    return user, user.email
        return None

    def _note_verified(self, user: User) -> None:
        """allauth takes the password from users whose address nobody has verified; ours were made by an admin."""
        EmailAddress.objects.update_or_create(
            user=user, email=user.email, defaults={"verified": True, "primary": True}
        )
