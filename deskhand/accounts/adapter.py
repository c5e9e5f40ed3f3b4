"""How the product differs from allauth's defaults at the door: nobody signs up by themselves, tries are limited and
counted across processes, and a wrong password, an unknown name and a deactivated user get the same answer in the
same time (S11, S14)."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse

from deskhand.accounts import addresses, attempts, users
from deskhand.accounts.models import Membership, User
from deskhand.kernel.errors import Limited


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return addresses.client_address(
            request.META.get("REMOTE_ADDR") or "unknown",
            request.headers.get("X-Forwarded-For", ""),
            settings.TRUSTED_PROXIES,
        )

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        name, address = _name(credentials), self.get_client_ip(request)
        try:
            attempts.count(name, address)
        except Limited:
            raise self.validation_error("too_many_login_attempts") from None
        user = authenticate(request, **_one_way(name, credentials))
        # The backend sets those apart who are inactive; here they are like anybody whose password is wrong.
        AuthenticationBackend.unstash_authenticated_user()
        if not isinstance(user, User) or not _may_enter(user):
            return None
        attempts.take_back(name, address)
        return user

    def pre_login(self, request: HttpRequest, user: User, **more: Any) -> HttpResponse | None:
        """The last gate of every way in, passkeys and single sign-on included."""
        if not _may_enter(user):
            response: HttpResponse = self.respond_user_inactive(request, user)
            return response
        gate: HttpResponse | None = super().pre_login(request, user, **more)
        return gate

    def set_password(self, user: User, password: str) -> None:
        users.set_password(user, password)


def _name(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "").strip().lower()


def _one_way(name: str, credentials: dict[str, Any]) -> dict[str, Any]:
    """Look the person up in one way only: allauth tries both, and the second hash would tell who exists.

    No user name has an "@" (a constraint of the table), so nothing is lost.
    """
    way = "email" if "@" in name else "username"
    return {way: name, "password": credentials.get("password")}


def _may_enter(user: User) -> bool:
    return user.is_active and Membership.objects.filter(user_id=user.pk, is_active=True).exists()
