"""Addresses of segments."""

from __future__ import annotations

from django.urls import path

from deskhand.web.segments import actions, building, views

_ONE = "segments/<id:segment_id>"

urlpatterns = [
    path("segments", views.listed, name="segments"),
    path("segments/new", actions.new, name="segment-new"),
    path("segments/create", actions.create, name="segment-create"),
    path("segments/build", building.begin, name="segment-build"),
    path("segments/built", building.built, name="segment-built"),
    path("segments/build/editor", building.editor, name="segment-editor"),
    path("segments/build/count", building.count, name="segment-count"),
    path("segments/add", actions.add_to, name="segments-add"),
    path(_ONE, views.segment, name="segment"),
    path(f"{_ONE}/filters", building.change, name="segment-filters"),
    path(f"{_ONE}/changed", building.changed, name="segment-changed"),
    path(f"{_ONE}/rename", actions.rename, name="segment-rename"),
    path(f"{_ONE}/renamed", actions.renamed, name="segment-renamed"),
    path(f"{_ONE}/archive", actions.archive, name="segment-archive"),
    path(f"{_ONE}/add", actions.choose, name="segment-add"),
    path(f"{_ONE}/added", actions.added, name="segment-added"),
    path(f"{_ONE}/remove", actions.remove, name="segment-remove"),
    path(f"{_ONE}/why/<id:record_id>", views.why, name="segment-why"),
]
