"""Addresses of deals, projects and own kinds of records: the same ones of every kind."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.records import actions, cells, many, views

one: list[URLPattern | URLResolver] = [
    path("", views.record, name="record"),
    path("/timeline", views.timeline, name="record-timeline"),
    path("/property", views.property_line, name="record-property"),
    path("/row", cells.row, name="record-row"),
    path("/cells/<slug:name>", cells.edit, name="record-cell"),
    path("/cells/<slug:name>/save", cells.save, name="record-cell-save"),
    path("/save", actions.save, name="record-save"),
    path("/move", actions.ask_move, name="record-move"),
    path("/moved", actions.move, name="record-moved"),
    path("/archive", actions.archive, name="record-archive"),
    path("/restore", actions.restore, name="record-restore"),
    path("/note", actions.add_note, name="record-note"),
    path("/tasks/add", actions.add_task, name="record-task-add"),
    path("/tasks/<id:task_id>/save", actions.save_task, name="record-task-save"),
    path("/tasks/<id:task_id>/done", actions.finish_task, name="record-task-done"),
    path("/tasks/<id:task_id>/delete", actions.delete_task, name="record-task-delete"),
    path("/link", actions.choose_link, name="record-link"),
    path("/linked", actions.link, name="record-linked"),
    path("/link/labels", actions.label_link, name="record-link-labels"),
    path("/unlink", actions.unlink, name="record-unlink"),
]

of_a_kind: list[URLPattern | URLResolver] = [
    path("", views.home, name="records"),
    path("/board", views.board, name="records-board"),
    path("/board/<id:stage_id>/after/<id:after>", views.more_cards, name="records-more"),
    path("/board/collapse", views.collapse, name="records-board-collapse"),
    path("/table", views.table, name="records-table"),
    path("/table/after/<id:after>", views.more_rows, name="records-table-more"),
    path("/table/ticked", many.change, name="records-ticked"),
    path("/table/columns", views.set_columns, name="records-columns"),
    path("/filter", views.filter_editor, name="records-filter"),
    path("/matches", views.filter_count, name="records-matches"),
    path("/new", actions.new, name="record-new"),
    path("/add", actions.add, name="record-add"),
    path("/<id:record_id>", include(one)),
]

urlpatterns: list[URLPattern | URLResolver] = [path("records/<key:key>", include(of_a_kind))]
