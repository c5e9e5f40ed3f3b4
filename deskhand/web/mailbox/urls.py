"""Addresses of the sent mail."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.mailbox import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("mailbox", views.mails, name="mailbox"),
    path("mailbox/<id:mail_id>", views.mail, name="mailbox-mail"),
]
