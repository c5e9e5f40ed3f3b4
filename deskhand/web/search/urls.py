"""Addresses of the search."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.search import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("search", views.search, name="search"),
    path("search/palette", views.palette, name="search-palette"),
]
