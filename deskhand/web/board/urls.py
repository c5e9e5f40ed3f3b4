"""Addresses of boards and tables of pipelines."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.board import table_views, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("tickets", views.home, name="tickets"),
    path("tickets/new", views.new, name="ticket-new"),
    path("tickets/create", views.create, name="ticket-create"),
    path("pipelines/<id:pipeline_id>/board", views.board, name="board"),
    path("pipelines/<id:pipeline_id>/board/<id:stage_id>/after/<key:after>", views.more, name="board-more"),
    path("pipelines/<id:pipeline_id>/table", table_views.table, name="table"),
    path("pipelines/<id:pipeline_id>/table/after/<key:after>", table_views.more, name="table-more"),
    path("pipelines/<id:pipeline_id>/table/columns", table_views.set_columns, name="table-columns"),
    path("tickets/<id:ticket_id>/row", table_views.row, name="table-row"),
    path("tickets/<id:ticket_id>/cells/<slug:name>", table_views.edit, name="cell-edit"),
    path("tickets/<id:ticket_id>/cells/<slug:name>/save", table_views.save, name="cell-save"),
    path("pipelines/<id:pipeline_id>/filter", views.filter_editor, name="filter-editor"),
    path("pipelines/<id:pipeline_id>/matches", views.filter_count, name="filter-count"),
    path("tickets/<id:ticket_id>/move", views.ask_move, name="card-move"),
    path("tickets/<id:ticket_id>/moved", views.move, name="card-moved"),
]
