"""Addresses of what people set for themselves."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.me import profile, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings", views.settings, name="settings"),
    path("settings/profile", profile.profile, name="profile"),
    path("settings/profile/save", profile.save, name="profile-save"),
    path("me/theme", views.theme, name="theme"),
    path("me/availability", views.set_availability, name="availability"),
    path("me/status", views.own_status, name="own-status"),
    path("me/status/back", views.switch_back, name="own-status-back"),
    path("me/status/keep", views.keep_status, name="own-status-keep"),
]
