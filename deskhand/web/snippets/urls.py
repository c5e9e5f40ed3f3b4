"""Addresses of the snippets."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.snippets import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/snippets", views.index, name="snippets"),
    path("settings/snippets/new", views.new, name="snippet-new"),
    path("settings/snippets/create", views.create, name="snippet-create"),
    path("settings/snippets/<id:snippet_id>", views.edit, name="snippet"),
    path("settings/snippets/<id:snippet_id>/save", views.save, name="snippet-save"),
    path("settings/snippets/<id:snippet_id>/delete", views.delete, name="snippet-delete"),
]
