"""Addresses of the inbox."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.inbox import actions, views

tickets: list[URLPattern | URLResolver] = [
    path("", views.ticket, name="inbox-ticket"),
    path("/row", views.row, name="inbox-row"),
    path("/thread", views.thread, name="inbox-thread"),
    path("/status", actions.set_status, name="ticket-status"),
    path("/owner", actions.set_owner, name="ticket-owner"),
    path("/answer", views.answer, name="ticket-reply"),
    path("/spam", actions.set_spam, name="ticket-spam"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("inbox", views.home, name="inbox"),
    path("inbox/<key:view>", views.view, name="inbox-view"),
    path("inbox/<key:view>/list", views.list_pane, name="inbox-list"),
    path("inbox/<key:view>/side", views.side, name="inbox-side"),
    path("inbox/<key:view>/after/<key:after>", views.more_rows, name="inbox-more"),
    path("inbox/<key:view>/newer/<key:newest>", views.new_tickets, name="inbox-new"),
    path("inbox/<key:view>/<id:ticket_id>", include(tickets)),
    path("tickets/<id:ticket_id>/draft", views.save_draft, name="ticket-draft"),
    path("conversations/<id:thread_id>/ticket", views.make_ticket, name="make-ticket"),
    path("conversations/<id:thread_id>/spam", views.set_thread_spam, name="thread-spam"),
]
