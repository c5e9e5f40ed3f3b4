"""Addresses of the screens around workflows."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.workflows import (
    call_views,
    enroll_views,
    file_views,
    folder_views,
    history_views,
    kept_views,
    list_views,
    replay_views,
    revision_views,
    run_views,
    sending_views,
    trial_views,
    undo_views,
    why_views,
)

one: list[URLPattern | URLResolver] = [
    path("/row", list_views.row, name="workflow-row"),
    path("/switch", list_views.switch, name="workflow-switch"),
    path("/switch-on", list_views.ask_switch, name="workflow-switch-on"),
    path("/details", list_views.details, name="workflow-details"),
    path("/details/save", list_views.save_details, name="workflow-details-save"),
    path("/clone", list_views.clone, name="workflow-clone"),
    path("/archive", list_views.ask_archive, name="workflow-archive"),
    path("/archived", list_views.archived, name="workflow-archived"),
    path("/restore", list_views.restore, name="workflow-restore"),
    path("/history", history_views.runs, name="workflow-history"),
    path("/history/file", file_views.runs, name="workflow-history-file"),
    path("/history/<id:run_id>", history_views.run, name="workflow-run"),
    path("/history/<id:run_id>/canvas", run_views.canvas, name="workflow-run-canvas"),
    path("/runs", run_views.runs_do, name="workflow-runs"),
    path("/looked", run_views.looked, name="workflow-looked"),
    path("/revisions", revision_views.listed, name="workflow-revisions"),
    path("/revisions/compare", revision_views.compare, name="workflow-compare"),
    path("/revisions/<id:number>", revision_views.one, name="workflow-revision"),
    path("/revisions/<id:number>/restore", revision_views.restore, name="workflow-revision-restore"),
    path("/why", why_views.why, name="workflow-why"),
    path("/enroll", enroll_views.pick, name="workflow-enroll"),
    path("/log", history_views.log, name="workflow-log"),
    path("/log/file", file_views.log, name="workflow-log-file"),
    path("/calls", call_views.listed, name="workflow-calls"),
    path("/calls/again", call_views.again, name="workflow-calls-again"),
    path("/waiting", history_views.waiting, name="workflow-waiting"),
    path("/try", trial_views.try_out, name="workflow-try"),
    path("/replay", replay_views.replay, name="workflow-replay"),
    path("/replay/begin", replay_views.begin, name="workflow-replay-begin"),
    path("/replay/stop", replay_views.stop, name="workflow-replay-stop"),
    path("/replay/<id:replay_id>/<id:number>", replay_views.way, name="workflow-replay-way"),
    path("/undo", undo_views.ask, name="workflow-undo"),
    path("/undone", undo_views.do, name="workflow-undone"),
]

folders: list[URLPattern | URLResolver] = [
    path("", folder_views.listed, name="workflow-folders"),
    path("/add", folder_views.add, name="workflow-folder-add"),
    path("/<id:folder_id>/rename", folder_views.rename, name="workflow-folder-rename"),
    path("/<id:folder_id>/delete", folder_views.delete, name="workflow-folder-delete"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/automation-sending", sending_views.page, name="automation-sending"),
    path("settings/automation-sending/save", sending_views.save, name="automation-sending-save"),
    path("settings/workflow-log", kept_views.page, name="workflow-log-kept"),
    path("settings/workflow-log/save", kept_views.save, name="workflow-log-kept-save"),
    path("workflows", list_views.listed, name="workflows"),
    path("workflows/review", run_views.review, name="workflows-review"),
    path("workflows/choose", enroll_views.choose, name="workflow-choose"),
    path("workflows/ticked", enroll_views.from_list, name="workflow-ticked"),
    path("workflows/enrolled", enroll_views.enrolled, name="workflow-enrolled"),
    path("workflows/many", list_views.many, name="workflows-many"),
    path("workflows/folders", include(folders)),
    path("workflows/<id:workflow_id>", include(one)),
]
