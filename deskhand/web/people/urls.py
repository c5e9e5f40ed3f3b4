"""Addresses of the settings about people."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from deskhand.web.people import account, audit, joining, roles, teams, tokens, users

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/users", users.listed, name="users"),
    path("settings/users/invite", users.new, name="user-new"),
    path("settings/users/invite/send", users.invite, name="user-invite"),
    path("settings/users/<id:user_id>", users.one, name="user"),
    path("settings/users/<id:user_id>/save", users.save, name="user-save"),
    path("settings/users/<id:user_id>/sessions/end", users.end_sessions, name="user-end-sessions"),
    path("settings/users/<id:user_id>/leave", users.ask_deactivate, name="user-leave"),
    path("settings/users/<id:user_id>/deactivate", users.deactivate, name="user-deactivate"),
    path("settings/users/<id:user_id>/reactivate", users.reactivate, name="user-reactivate"),
    path("settings/users/<id:user_id>/invitation/send", users.invite_again, name="user-invite-again"),
    path("settings/users/<id:user_id>/invitation/withdraw", users.withdraw, name="user-withdraw"),
    path("settings/teams", teams.listed, name="teams"),
    path("settings/teams/new", teams.new, name="team-new"),
    path("settings/teams/create", teams.create, name="team-create"),
    path("settings/teams/<id:team_id>", teams.one, name="team"),
    path("settings/teams/<id:team_id>/save", teams.save, name="team-save"),
    path("settings/teams/<id:team_id>/members/add", teams.add, name="team-add"),
    path("settings/teams/<id:team_id>/members/<id:user_id>/remove", teams.remove, name="team-remove"),
    path("settings/teams/<id:team_id>/leave", teams.ask_delete, name="team-ask-delete"),
    path("settings/teams/<id:team_id>/delete", teams.delete, name="team-delete"),
    path("settings/roles", roles.listed, name="roles"),
    path("settings/roles/new", roles.new, name="role-new"),
    path("settings/roles/create", roles.create, name="role-create"),
    path("settings/roles/<id:role_id>", roles.one, name="role"),
    path("settings/roles/<id:role_id>/save", roles.save, name="role-save"),
    path("settings/roles/<id:role_id>/copy", roles.copy, name="role-copy"),
    path("settings/roles/<id:role_id>/delete", roles.delete, name="role-delete"),
    path("settings/account", account.account, name="account"),
    path("settings/account/save", account.save, name="account-save"),
    path("settings/tokens", tokens.listed, name="tokens"),
    path("settings/tokens/new", tokens.new, name="token-new"),
    path("settings/tokens/create", tokens.create, name="token-create"),
    path("settings/tokens/<id:token_id>/revoke", tokens.revoke, name="token-revoke"),
    path("settings/audit", audit.log, name="audit"),
    path("settings/audit/file", audit.file, name="audit-file"),
    path("account/invitation/<id:member_id>/<slug:signature>", joining.invitation, name="invitation"),
    path("account/invitation/<id:member_id>/<slug:signature>/join", joining.accept, name="invitation-accept"),
]
