"""Addresses of how much people may be given, and what counts how much."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.capacity import effort, limits

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/capacity", limits.page, name="capacity"),
    path("settings/capacity/save", limits.save, name="capacity-save"),
    path("settings/capacity/effort", effort.page, name="effort"),
    path("settings/capacity/effort/save", effort.save, name="effort-save"),
]
