"""Addresses of the bell."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.notifications import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("notifications", views.notifications, name="notifications"),
    path("notifications/bell", views.bell, name="notifications-bell"),
    path("notifications/read", views.read_all, name="notifications-read"),
    path("notifications/<id:ticket_id>/read", views.read_one, name="notification-read"),
    path(
        "notifications/failures/<key:kind>/<id:object_id>/read",
        views.read_failure,
        name="notification-read-failure",
    ),
    path("settings/notifications", views.settings, name="notification-settings"),
    path("settings/notifications/save", views.save_settings, name="notification-settings-save"),
    path("settings/notifications/clear", views.clear_settings, name="notification-settings-clear"),
    path("settings/notifications/forget", views.forget_settings, name="notification-settings-forget"),
    path("settings/notifications/ways/<key:way>", views.switch_way, name="notification-way"),
    path("settings/notifications/browsers/add", views.add_browser, name="notification-browser-add"),
    path(
        "settings/notifications/browsers/<id:browser_id>/remove",
        views.remove_browser,
        name="notification-browser-remove",
    ),
    path(
        "settings/notifications/browsers/<id:browser_id>/try",
        views.try_browser,
        name="notification-browser-try",
    ),
    path("settings/notifications/chat/save", views.save_chat, name="notification-chat-save"),
    path("settings/notifications/chat/remove", views.remove_chat, name="notification-chat-remove"),
    path("settings/notifications/chat/try", views.try_chat, name="notification-chat-try"),
    path("push-worker.js", views.push_worker, name="push-worker"),
    path("settings/notifications/defaults", views.defaults, name="notification-defaults"),
    path("settings/notifications/limit/save", views.save_limit, name="notification-limit-save"),
    path("settings/notifications/defaults/save", views.save_defaults, name="notification-defaults-save"),
]
