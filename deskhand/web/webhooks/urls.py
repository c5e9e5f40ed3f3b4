"""Addresses of webhooks: where other systems are told what happens here."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.webhooks import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/webhooks", views.index, name="webhooks"),
    path("settings/webhooks/new", views.new, name="webhook-new"),
    path("settings/webhooks/add", views.add, name="webhook-add"),
    path("settings/webhooks/<id:app_id>", views.one, name="webhook"),
    path("settings/webhooks/<id:app_id>/edit", views.edit, name="webhook-edit"),
    path("settings/webhooks/<id:app_id>/save", views.save, name="webhook-save"),
    path("settings/webhooks/<id:app_id>/pause", views.pause, name="webhook-pause"),
    path("settings/webhooks/<id:app_id>/test", views.test, name="webhook-test"),
    path("settings/webhooks/<id:app_id>/secret", views.rotate, name="webhook-secret"),
    path("settings/webhooks/<id:app_id>/again", views.again, name="webhook-again"),
    path("settings/webhooks/<id:app_id>/remove", views.remove, name="webhook-remove"),
    path(
        "settings/webhooks/<id:app_id>/deliveries/<id:delivery_id>", views.delivery, name="webhook-delivery"
    ),
]
