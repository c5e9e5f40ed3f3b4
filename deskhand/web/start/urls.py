"""Addresses of the first run: making the first account, and what to do next."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.start import guide, setup

urlpatterns: list[URLPattern | URLResolver] = [
    path("setup/<slug:token>", setup.form, name="setup"),
    path("setup/<slug:token>/create", setup.create, name="setup-create"),
    path("start", guide.guide, name="start"),
    path("start/shown", guide.show, name="start-shown"),
]
