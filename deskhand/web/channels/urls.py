"""Addresses of the channels' settings."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.channels import views

channel: list[URLPattern | URLResolver] = [
    path("", views.connection, name="channel"),
    path("/incoming", views.save_incoming, name="channel-incoming"),
    path("/outgoing", views.save_outgoing, name="channel-outgoing"),
    path("/test", views.test, name="channel-test"),
    path("/switch", views.switch, name="channel-switch"),
    path("/automation", views.automation, name="channel-automation"),
    path("/routing", views.save_rule, name="channel-routing"),
    path("/tickets", views.save_tickets, name="channel-tickets"),
    path("/sender", views.sender, name="channel-sender"),
    path("/sender/save", views.save_sender, name="channel-sender-save"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/channels", views.channels, name="channels"),
    path("settings/channels/new", views.new, name="channel-new"),
    path("settings/channels/add", views.add, name="channel-add"),
    path("settings/channels/<id:channel_id>", include(channel)),
]
