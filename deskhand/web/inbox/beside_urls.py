"""Addresses of what happens beside a ticket: what is offered while somebody writes, and who else is there."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.inbox import picks, present

urlpatterns: list[URLPattern | URLResolver] = [
    path("tickets/<id:ticket_id>/presence", present.say, name="ticket-presence"),
    path("tickets/<id:ticket_id>/room", present.others, name="ticket-room"),
    path("tickets/<id:ticket_id>/picks", picks.picks, name="ticket-picks"),
]
