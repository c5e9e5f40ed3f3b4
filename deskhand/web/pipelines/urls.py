"""Addresses of the Automate tab."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.pipelines import views
from deskhand.web.workflows import run_views

lane_step: list[URLPattern | URLResolver] = [
    path("", views.edit_step, name="lane-step-edit"),
    path("/save", views.save_step, name="lane-step-save"),
    path("/delete", views.ask_delete, name="lane-step-delete"),
    path("/deleted", views.delete_step, name="lane-step-deleted"),
    path("/place", views.ask_place, name="lane-step-place"),
    path("/placed", views.place_step, name="lane-step-placed"),
    path("/inside", views.inside, name="lane-step-inside"),
    path("/recalculated", views.recalculate, name="lane-step-recalculate"),
    path("/comments", views.comments, name="lane-step-comments"),
    path("/comment", views.add_comment, name="lane-step-comment"),
    path("/comments/<id:comment_id>", views.change_comment, name="lane-comment"),
]

lane: list[URLPattern | URLResolver] = [
    path("/switch", views.switch_lane, name="lane-switch"),
    path("/every-time", views.set_every_time, name="lane-every-time"),
    path("/chat", views.set_chat, name="lane-chat"),
    path("/steps", views.add_step, name="lane-step-add"),
    path("/end", views.end_here, name="lane-jump-end"),
    path("/steps/new", views.new_step, name="lane-step-new"),
    path("/steps/<key:step_id>", include(lane_step)),
]

automate: list[URLPattern | URLResolver] = [
    path("", views.automate, name="automate"),
    path("/statuses/<key:rule>", views.set_status_rule, name="automate-status"),
    path("/reopening", views.set_reopening, name="automate-reopening"),
    path("/options/<key:option>", views.set_option, name="automate-option"),
    path("/callable", views.callable_people, name="automate-callable"),
    path("/close-date", views.set_close_date, name="automate-close-date"),
    path("/lanes/<id:stage_id>", include(lane)),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/pipelines/automate", views.home, name="automate-home"),
    path("settings/pipelines/workflows/<id:workflow_id>", run_views.told_of, name="automate-workflow"),
    path("settings/pipelines/<id:pipeline_id>/automate", include(automate)),
]
