"""Addresses of boards and tables of pipelines."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.board import table_views, view_views, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("tickets", views.home, name="tickets"),
    path("tickets/new", views.new, name="ticket-new"),
    path("tickets/create", views.create, name="ticket-create"),
    path("pipelines/<id:pipeline_id>/board", views.board, name="board"),
    path("pipelines/<id:pipeline_id>/board/<id:stage_id>/after/<key:after>", views.more, name="board-more"),
    path("pipelines/<id:pipeline_id>/board/collapse", views.collapse, name="board-collapse"),
    path("pipelines/<id:pipeline_id>/table", table_views.table, name="table"),
    path("pipelines/<id:pipeline_id>/table/after/<key:after>", table_views.more, name="table-more"),
    path("pipelines/<id:pipeline_id>/table/columns", table_views.set_columns, name="table-columns"),
    path("tickets/<id:ticket_id>/row", table_views.row, name="table-row"),
    path("tickets/<id:ticket_id>/cells/<slug:name>", table_views.edit, name="cell-edit"),
    path("tickets/<id:ticket_id>/cells/<slug:name>/save", table_views.save, name="cell-save"),
    path("pipelines/<id:pipeline_id>/filter", views.filter_editor, name="filter-editor"),
    path("pipelines/<id:pipeline_id>/matches", views.filter_count, name="filter-count"),
    path("views", view_views.listed, name="views"),
    path("views/new", view_views.new, name="view-new"),
    path("views/create", view_views.create, name="view-create"),
    path("views/<id:view_id>", view_views.edit, name="view-edit"),
    path("views/<id:view_id>/save", view_views.save, name="view-save"),
    path("views/<id:view_id>/keep", view_views.keep, name="view-keep"),
    path("views/<id:view_id>/move", view_views.move, name="view-move"),
    path("views/<id:view_id>/delete", view_views.delete, name="view-delete"),
    path("views/<id:view_id>/table", view_views.table, name="view-table"),
    path("tickets/<id:ticket_id>/move", views.ask_move, name="card-move"),
    path("tickets/<id:ticket_id>/moved", views.move, name="card-moved"),
]
