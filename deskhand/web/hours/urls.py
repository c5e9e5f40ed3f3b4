"""Addresses of availability, working hours and absences."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.hours import defaults, views

person: list[URLPattern | URLResolver] = [
    path("", views.person, name="availability-person"),
    path("/status", views.set_status, name="availability-status"),
    path("/hours", views.set_hours, name="availability-hours"),
    path("/hours/follow", views.follow_hours, name="availability-hours-follow"),
    path("/absences", views.add_absence, name="availability-absence"),
    path("/absences/<id:absence_id>/end", views.end_absence, name="availability-absence-end"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/availability", views.mine, name="availability-mine"),
    path("settings/availability/team", views.team, name="availability-team"),
    path("settings/hours", defaults.page, name="default-hours"),
    path("settings/hours/save", defaults.save, name="default-hours-save"),
    path("settings/hours/holidays", defaults.save_holidays, name="default-holidays-save"),
    path("settings/availability/people/<id:user_id>", include(person)),
    path("settings/availability/ways", views.add_way, name="away-state-add"),
    path("settings/availability/ways/<id:way_id>", views.rename_way, name="away-state-rename"),
    path("settings/availability/ways/<id:way_id>/archive", views.archive_way, name="away-state-archive"),
]
