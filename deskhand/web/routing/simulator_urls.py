"""Addresses of the simulator of routing."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.routing import simulator

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/routing/simulator", simulator.page, name="simulator"),
    path("settings/routing/simulator/begin", simulator.begin, name="simulator-begin"),
    path("settings/routing/simulator/stop", simulator.stop, name="simulator-stop"),
]
