"""Where other systems call to enroll records."""

from __future__ import annotations

from django.urls import path

from deskhand.web.workflows import hooks

urlpatterns = [
    path("hooks/<str:token>", hooks.receive, name="workflow-hook"),
]
