"""Where other systems call."""

from __future__ import annotations

from django.urls import path

from deskhand.web.workflows import hooks

urlpatterns = [
    path("hooks/<str:token>", hooks.receive, name="workflow-hook"),
    path("automation/v4/actions/callbacks/complete", hooks.complete_many, name="callbacks-complete"),
    path("automation/v4/actions/callbacks/<str:token>/complete", hooks.complete, name="callback-complete"),
]
