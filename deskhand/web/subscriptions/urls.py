"""Addresses of what mail people want."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.subscriptions import public, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/subscriptions", views.index, name="subscription-types"),
    path("settings/subscriptions/add", views.add, name="subscription-type-add"),
    path("settings/subscriptions/<id:type_id>/save", views.save, name="subscription-type-save"),
    path("settings/subscriptions/<id:type_id>/archive", views.archive, name="subscription-type-archive"),
    path("contacts/<id:record_id>/subscriptions", views.of_contact, name="contact-subscriptions"),
    path("unsubscribe/<str:token>", public.unsubscribe, name="unsubscribe"),
]
