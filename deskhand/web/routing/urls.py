"""Addresses of Settings › Routing."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.routing import skills, skills_given, tabs

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
    path("settings/users/<id:user_id>/skills", skills_given.save_user, name="user-skills"),
    path("settings/teams/<id:team_id>/skills", skills_given.save_team, name="team-skills"),
]  # fmt: skip
