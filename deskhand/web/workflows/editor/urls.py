"""The addresses of the editor of workflows."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.workflows.editor import beginning, forms_views, publishing, views

step: list[URLPattern | URLResolver] = [
    path("", forms_views.step, name="workflow-edit-step"),
    path("/save", forms_views.save_step, name="workflow-edit-step-save"),
    path("/delete", views.ask_delete, name="workflow-edit-step-delete"),
    path("/deleted", views.delete_step, name="workflow-edit-step-deleted"),
    path("/place", views.ask_place, name="workflow-edit-step-place"),
    path("/placed", views.place_step, name="workflow-edit-step-placed"),
    path("/comments", views.comments, name="workflow-edit-step-comments"),
    path("/comment", views.add_comment, name="workflow-edit-step-comment"),
]

changes: list[URLPattern | URLResolver] = [
    path("/state", views.state, name="workflow-edit-state"),
    path("/add", forms_views.add, name="workflow-edit-add"),
    path("/added", forms_views.save_new, name="workflow-edit-added"),
    path("/end", views.end_here, name="workflow-edit-end"),
    path("/undo", views.undo, name="workflow-edit-undo"),
    path("/redo", views.redo, name="workflow-edit-redo"),
    path("/discard", views.discard, name="workflow-edit-discard"),
    path("/trigger", forms_views.trigger, name="workflow-edit-trigger"),
    path("/trigger/save", forms_views.save_trigger, name="workflow-edit-trigger-save"),
    path("/trigger/address", forms_views.make_address, name="workflow-edit-hook"),
    path("/settings", forms_views.settings, name="workflow-edit-settings"),
    path("/settings/save", forms_views.save_settings, name="workflow-edit-settings-save"),
    path("/review", publishing.review, name="workflow-edit-review"),
    path("/publish", publishing.publish, name="workflow-edit-publish"),
    path("/on-off", publishing.ask_switch, name="workflow-edit-switch"),
    path("/on-off/set", publishing.switch, name="workflow-edit-switched"),
    path("/steps/<id:step_id>", include(step)),
]

editor: list[URLPattern | URLResolver] = [
    path("", views.page, name="workflow-edit"),
    path("/edit", include(changes)),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("workflows/new", beginning.new, name="workflow-new"),
    path("workflows/made", beginning.make, name="workflow-made"),
    path("workflows/<id:workflow_id>", include(editor)),
]
