"""Addresses of the pages about kinds of record: pipelines, properties, layouts."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from deskhand.web.objects import (
    cards,
    labels,
    layouts,
    own,
    pipelines,
    properties,
    rules,
    setup,
    tag_rules,
    tags,
)

pipeline: list[URLPattern | URLResolver] = [
    path("", pipelines.configure, name="pipeline"),
    path("/name", pipelines.rename, name="pipeline-name"),
    path("/statuses", pipelines.save_stages, name="pipeline-stages"),
    path("/statuses/<id:stage_id>/delete", pipelines.ask_delete_stage, name="status-delete"),
    path("/statuses/<id:stage_id>/deleted", pipelines.delete_stage, name="status-deleted"),
    path("/delete", pipelines.ask_delete, name="pipeline-delete"),
    path("/deleted", pipelines.delete, name="pipeline-deleted"),
    path("/cards", cards.choose, name="pipeline-cards"),
    path("/cards/save", cards.save, name="pipeline-cards-save"),
    path("/rules", rules.rules, name="pipeline-rules"),
    path("/rules/save", rules.save_rules, name="pipeline-rules-save"),
]

one: list[URLPattern | URLResolver] = [
    path("", properties.edit, name="property"),
    path("/save", properties.save, name="property-save"),
    path("/archive", properties.ask_archive, name="property-archive"),
    path("/archived", properties.archive, name="property-archived"),
    path("/restored", properties.restore, name="property-restored"),
]

of_a_kind: list[URLPattern | URLResolver] = [
    path("setup", own.setup, name="object-setup"),
    path("setup/names", own.rename, name="object-names"),
    path("setup/type", own.save, name="object-type-save"),
    path("setup/delete", own.delete, name="object-type-delete"),
    path("pipelines", pipelines.all_pipelines, name="pipelines"),
    path("pipelines/new", pipelines.create, name="pipeline-new"),
    path("pipelines/order", pipelines.save_order, name="pipelines-order"),
    path("properties", properties.overview, name="properties"),
    path("properties/new", properties.new, name="property-new"),
    path("properties/add", properties.add, name="property-add"),
    path("properties/groups", properties.property_groups, name="property-groups"),
    path("properties/groups/save", properties.save_groups, name="property-groups-save"),
    path("properties/<id:property_id>", include(one)),
    path("links", labels.overview, name="object-labels"),
    path("links/add", labels.add, name="object-label-add"),
    path("links/<key:other>/<id:type_id>/save", labels.save, name="object-label-save"),
    path("links/<key:other>/<id:type_id>/delete", labels.ask_delete, name="object-label-delete"),
    path("links/<key:other>/<id:type_id>/deleted", labels.delete, name="object-label-deleted"),
    path("layout", layouts.layout, name="layout"),
    path("layout/save", layouts.save, name="layout-save"),
    path("layout/reset", layouts.reset, name="layout-reset"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/tickets", pipelines.home, {"key": "tickets"}, name="tickets-home"),
    path("settings/deals", pipelines.home, {"key": "deals"}, name="settings-deals"),
    path("settings/projects", pipelines.home, {"key": "projects"}, name="settings-projects"),
    path("settings/objects", own.listing, name="object-types"),
    path("settings/objects/create", own.create, name="object-type-create"),
    path("settings/tickets/setup", setup.setup, name="tickets-setup"),
    path("settings/tickets/tags", tags.tags, name="ticket-tags"),
    path("settings/tickets/tags/save", tags.save, name="ticket-tags-save"),
    path("settings/tickets/tags/<str:tag>/rule", tag_rules.rule, name="tag-rule"),
    path("settings/tickets/tags/<str:tag>/rule/save", tag_rules.save, name="tag-rule-save"),
    path("settings/tickets/tags/<str:tag>/rule/remove", tag_rules.remove, name="tag-rule-remove"),
    path("settings/tickets/tags/<str:tag>/rule/editor", tag_rules.editor, name="tag-rule-editor"),
    path("settings/tickets/tags/<str:tag>/rule/count", tag_rules.count, name="tag-rule-count"),
    path("settings/contacts", setup.home, {"key": "contacts"}, name="settings-contacts"),
    path("settings/companies", setup.home, {"key": "companies"}, name="settings-companies"),
    path("settings/<key:key>/", include(of_a_kind)),
    path("settings/pipelines/go", pipelines.go, name="pipeline-go"),
    path("settings/pipelines/<id:pipeline_id>", include(pipeline)),
]
