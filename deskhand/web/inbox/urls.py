"""Addresses of the inbox."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.inbox import actions, attention, blocking, bulk, compose, merge, panel_views, views

tickets: list[URLPattern | URLResolver] = [
    path("", views.ticket, name="inbox-ticket"),
    path("/row", views.row, name="inbox-row"),
    path("/thread", views.thread, name="inbox-thread"),
    path("/status", actions.set_status, name="ticket-status"),
    path("/owner", actions.set_owner, name="ticket-owner"),
    path("/answer", compose.answer, name="ticket-reply"),
    path("/later/<id:later_id>/take-back", compose.take_back, name="ticket-later-take-back"),
    path("/later/<id:later_id>/send", compose.send_now, name="ticket-later-send"),
    path("/spam", actions.set_spam, name="ticket-spam"),
    path("/priority", actions.set_priority, name="ticket-priority"),
    path("/merge", merge.choose, name="ticket-merge"),
    path("/merged", merge.merge, name="ticket-merged"),
    path("/merged/<id:merge_id>/part", merge.part, name="ticket-part"),
    path("/block", blocking.ask, name="ticket-block"),
    path("/blocked", blocking.block, name="ticket-blocked"),
    path("/snooze", attention.snooze, name="ticket-snooze"),
    path("/wake", attention.wake, name="ticket-wake"),
    path("/follow", attention.follow, name="ticket-follow"),
    path("/history", panel_views.history, name="ticket-history"),
    path("/history/<id:before>", panel_views.history, name="ticket-history-before"),
    path("/properties", panel_views.properties, name="ticket-properties"),
    path("/properties/<slug:name>", panel_views.edit, name="ticket-property"),
    path("/properties/<slug:name>/shown", panel_views.shown, name="ticket-property-shown"),
    path("/properties/<slug:name>/save", panel_views.save, name="ticket-property-save"),
    path("/properties/<slug:name>/pin", panel_views.pin, name="ticket-pin"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("inbox", views.home, name="inbox"),
    path("inbox/<key:view>", views.view, name="inbox-view"),
    path("inbox/<key:view>/list", views.list_pane, name="inbox-list"),
    path("inbox/<key:view>/side", views.side, name="inbox-side"),
    path("inbox/<key:view>/after/<key:after>", views.more_rows, name="inbox-more"),
    path("inbox/<key:view>/newer/<key:newest>", views.new_tickets, name="inbox-new"),
    path("inbox/<key:view>/bulk", bulk.change, name="inbox-bulk"),
    path("inbox/<key:view>/density", bulk.set_density, name="inbox-density"),
    path("inbox/<key:view>/undo", actions.undo, name="inbox-undo"),
    path("inbox/<key:view>/<id:ticket_id>", include(tickets)),
    path("settings/blocked", blocking.listed, name="blocked-senders"),
    path("settings/blocked/<id:blocked_id>/free", blocking.free, name="blocked-sender-free"),
    path("me/panel", panel_views.fold, name="inbox-fold"),
    path("me/writing", compose.set_rich, name="inbox-writing"),
    path("tickets/<id:ticket_id>/draft", compose.save_draft, name="ticket-draft"),
    path("tickets/<id:ticket_id>/files", compose.add_files, name="ticket-files"),
    path("tickets/<id:ticket_id>/files/<id:file_id>/remove", compose.remove_file, name="ticket-file-remove"),
    path("conversations/<id:thread_id>/ticket", views.make_ticket, name="make-ticket"),
    path("conversations/<id:thread_id>/spam", views.set_thread_spam, name="thread-spam"),
]
