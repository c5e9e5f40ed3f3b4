"""Addresses of the mails that automations send."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.mails import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/mails", views.mails, name="mail-templates"),
    path("settings/mails/add", views.add, name="mail-template-add"),
    path("settings/mails/<id:mail_id>", views.mail, name="mail-template"),
    path("settings/mails/<id:mail_id>/save", views.save, name="mail-template-save"),
    path("settings/mails/<id:mail_id>/archive", views.archive, name="mail-template-archive"),
]
