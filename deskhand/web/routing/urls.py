"""Addresses of Settings › Routing."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.routing import rules, rules_form, skills, skills_given, tabs

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/routing", tabs.home, name="routing"),
    path("settings/routing/skills", skills.overview, name="routing-skills"),
    path("settings/routing/skills/categories/add", skills.add_category, name="skill-category-add"),
    path("settings/routing/skills/categories/<id:category_id>/save", skills.save_category, name="skill-category-save"),
    path("settings/routing/skills/categories/<id:category_id>/delete", skills.delete_category, name="skill-category-delete"),
    path("settings/routing/skills/categories/<id:category_id>/skills", skills.add, name="skills-add"),
    path("settings/routing/skills/<id:skill_id>", skills.one, name="skill"),
    path("settings/routing/skills/<id:skill_id>/save", skills.save, name="skill-save"),
    path("settings/routing/skills/<id:skill_id>/delete", skills.delete, name="skill-delete"),
    path("settings/routing/rules", rules.overview, name="skill-rules"),
    path("settings/routing/rules/create", rules.create, name="skill-rules-create"),
    path("settings/routing/rules/<id:set_id>", rules.one, name="skill-rule-set"),
    path("settings/routing/rules/<id:set_id>/save", rules.save, name="skill-rule-set-save"),
    path("settings/routing/rules/<id:set_id>/order", rules.order, name="skill-rule-set-order"),
    path("settings/routing/rules/<id:set_id>/copy", rules.copy, name="skill-rule-set-copy"),
    path("settings/routing/rules/<id:set_id>/delete", rules.delete, name="skill-rule-set-delete"),
    path("settings/routing/rules/<id:set_id>/new", rules_form.new, name="skill-rule-new"),
    path("settings/routing/rules/<id:set_id>/add", rules_form.add, name="skill-rule-add"),
    path("settings/routing/rules/<id:set_id>/<id:rule_id>", rules_form.one, name="skill-rule"),
    path("settings/routing/rules/<id:set_id>/<id:rule_id>/save", rules_form.save, name="skill-rule-save"),
    path("settings/routing/rules/<id:set_id>/<id:rule_id>/delete", rules_form.delete, name="skill-rule-delete"),
    path("settings/users/<id:user_id>/skills", skills_given.save_user, name="user-skills"),
    path("settings/teams/<id:team_id>/skills", skills_given.save_team, name="team-skills"),
]  # fmt: skip
