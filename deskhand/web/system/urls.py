"""Addresses of the system page."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.system import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/system", views.system, name="system"),
    path("settings/system/mails/release", views.release_mails, name="system-mails-release"),
    path("settings/system/mails/<id:entry_id>/again", views.mail_again, name="system-mail-again"),
    path("settings/system/automation/resume", views.resume_automation, name="system-automation-resume"),
    path("settings/system/quarantine/again", views.process_again, name="system-quarantine-again"),
    path("settings/system/quarantine/<id:mail_id>", views.quarantined, name="system-quarantined"),
    path(
        "settings/system/quarantine/<id:mail_id>/again",
        views.process_again,
        name="system-quarantine-one-again",
    ),
    path("settings/system/jobs/again", views.run_again, name="system-jobs-again"),
    path("settings/system/jobs/<id:job_id>/again", views.run_again, name="system-job-again"),
]
