"""Addresses of the secrets that workflows use."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.secrets import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/secrets", views.index, name="secrets"),
    path("settings/secrets/add", views.add, name="secret-add"),
    path("settings/secrets/<id:secret_id>/replace", views.replace, name="secret-replace"),
    path("settings/secrets/<id:secret_id>/delete", views.delete, name="secret-delete"),
]
