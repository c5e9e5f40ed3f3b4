"""Addresses of the actions that other systems perform."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.integrations import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/integrations", views.index, name="integrations"),
    path("settings/integrations/new", views.new, name="integration-new"),
    path("settings/integrations/add", views.add, name="integration-add"),
    path("settings/integrations/<id:integration_id>", views.one, name="integration"),
    path("settings/integrations/<id:integration_id>/save", views.save, name="integration-save"),
    path("settings/integrations/<id:integration_id>/archive", views.archive, name="integration-archive"),
    path("settings/integrations/<id:integration_id>/test", views.test, name="integration-test"),
]
