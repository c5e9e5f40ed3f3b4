"""Addresses of the pages about kinds of record: pipelines, properties, layouts."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.objects import pipelines, rules

pipeline: list[URLPattern | URLResolver] = [
    path("", pipelines.configure, name="pipeline"),
    path("/name", pipelines.rename, name="pipeline-name"),
    path("/statuses", pipelines.save_stages, name="pipeline-stages"),
    path("/statuses/<id:stage_id>/delete", pipelines.ask_delete_stage, name="status-delete"),
    path("/statuses/<id:stage_id>/deleted", pipelines.delete_stage, name="status-deleted"),
    path("/delete", pipelines.ask_delete, name="pipeline-delete"),
    path("/deleted", pipelines.delete, name="pipeline-deleted"),
    path("/rules", rules.rules, name="pipeline-rules"),
    path("/rules/save", rules.save_rules, name="pipeline-rules-save"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/tickets", pipelines.home, name="tickets-home"),
    path("settings/pipelines", pipelines.all_pipelines, name="pipelines"),
    path("settings/pipelines/new", pipelines.create, name="pipeline-new"),
    path("settings/pipelines/order", pipelines.save_order, name="pipelines-order"),
    path("settings/pipelines/go", pipelines.go, name="pipeline-go"),
    path("settings/pipelines/<id:pipeline_id>", include(pipeline)),
]
