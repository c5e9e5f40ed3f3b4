"""Addresses of the customer portal, and of its settings."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.portal import requests, settings, sign_in

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/portal", settings.index, name="portal-settings"),
    path("settings/portal/save", settings.save, name="portal-settings-save"),
    path("settings/portal/contacts", settings.contacts, name="portal-contacts"),
    path("settings/portal/contacts/save", settings.save_contacts, name="portal-contacts-save"),
    path("settings/portal/contacts/editor", settings.editor, name="portal-contacts-editor"),
    path("settings/portal/contacts/count", settings.count, name="portal-contacts-count"),
    path("portal/<slug:portal>/", requests.index, name="portal-home"),
    path("portal/<slug:portal>/sign-in", sign_in.ask, name="portal-sign-in"),
    path("portal/<slug:portal>/sign-in/<id:link_id>/<str:signature>", sign_in.enter, name="portal-link"),
    path("portal/<slug:portal>/sign-out", sign_in.leave, name="portal-sign-out"),
    path("portal/<slug:portal>/requests/new", requests.new, name="portal-new"),
    path("portal/<slug:portal>/requests/<id:ticket_id>", requests.show, name="portal-request"),
    path("portal/<slug:portal>/requests/<id:ticket_id>/reply", requests.reply, name="portal-reply"),
    path("portal/<slug:portal>/files/<id:attachment_id>", requests.file, name="portal-file"),
]
