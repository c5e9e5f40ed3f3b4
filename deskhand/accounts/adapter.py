"""How the product differs from allauth's defaults at the door: nobody signs up by themselves, tries are limited and
counted across processes, and a wrong password, an unknown name and a deactivated user get the same answer in the
same time (S11, S14)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from deskhand.accounts import addresses, attempts, mails, users
from deskhand.accounts.models import Membership, User
from deskhand.kernel.errors import Limited


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return addresses.of_request(request)

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

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Links in mails go to the address we are configured with, never to the one a request claims (Host)."""
        path: str = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.SITE_URL + path.replace("UID-KEY", quote(key))

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        self._send_reset_link(user, email, context["password_reset_url"])

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        if template_prefix == "account/email/unknown_account":
            unknown_key = "0-" + "0" * 39  # as long as a real one
            self._send_reset_link(None, email, self.get_reset_password_from_key_url(unknown_key))
            return
        site = SimpleNamespace(name=urlsplit(settings.SITE_URL).hostname, domain=settings.SITE_URL)
        more = {"request": self.request, "email": email, "current_site": site, **context}
        message = self.render_mail(template_prefix, email, more)
        user = users.find_by_email(email)
        mails.send(user, subject=str(message.subject), text=str(message.body))

    def format_email_subject(self, subject: str) -> str:
        return subject

    def get_from_email(self) -> str:
        return mails.sender_address()

    def _send_reset_link(self, user: User | None, email: str, url: str) -> None:
        """Too many links for one address, or from one network, are not sent; the page says the same."""
        try:
            attempts.count(f"reset {email}", self.get_client_ip(self.request))
        except Limited:
            user = None
        mails.send_reset_link(user, url)

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
