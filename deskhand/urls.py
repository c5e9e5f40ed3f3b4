"""All addresses of the product. Everything asks for a signed-in person unless its view says `@for_everybody`."""

from __future__ import annotations

from allauth.account import urls as account_urls
from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path, register_converter

from deskhand.web import errors, files, health
from deskhand.web.converters import Id, Key

register_converter(Id, "id")
register_converter(Key, "key")

#: Of the sign-in library's pages those that fit: people are invited, and their addresses are an admin's matter.
SIGN_IN_PAGES = {
    "account_login", "account_logout", "account_inactive", "account_signup", "account_reauthenticate",
    "account_change_password", "account_set_password", "account_reset_password", "account_reset_password_done",
    "account_reset_password_from_key", "account_reset_password_from_key_done",
}  # fmt: skip

sign_in: list[URLPattern | URLResolver] = [
    page for page in account_urls.urlpatterns if isinstance(page, URLPattern) and page.name in SIGN_IN_PAGES
]
if "allauth.mfa" in settings.INSTALLED_APPS:
    sign_in.append(path("2fa/", include("allauth.mfa.urls")))
if "allauth.socialaccount" in settings.INSTALLED_APPS:
    sign_in.append(path("3rdparty/", include("allauth.socialaccount.urls")))
    sign_in.append(path("", include("allauth.socialaccount.providers.openid_connect.urls")))

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("deskhand.web.capacity.urls")),
    path("", include("deskhand.web.channels.urls")),
    path("", include("deskhand.web.hours.urls")),
    path("", include("deskhand.web.board.urls")),
    path("", include("deskhand.web.inbox.urls")),
    path("", include("deskhand.web.contacts.urls")),
    path("", include("deskhand.web.mailbox.urls")),
    path("", include("deskhand.web.mails.urls")),
    path("", include("deskhand.web.secrets.urls")),
    path("", include("deskhand.web.integrations.urls")),
    path("", include("deskhand.web.webhooks.urls")),
    path("", include("deskhand.web.subscriptions.urls")),
    path("", include("deskhand.web.me.urls")),
    path("", include("deskhand.web.objects.urls")),
    path("", include("deskhand.web.people.urls")),
    path("", include("deskhand.web.pipelines.urls")),
    path("", include("deskhand.web.notifications.urls")),
    path("", include("deskhand.web.portal.urls")),
    path("", include("deskhand.web.records.urls")),
    path("", include("deskhand.web.routing.urls")),
    path("", include("deskhand.web.routing.simulator_urls")),
    path("", include("deskhand.web.search.urls")),
    path("", include("deskhand.web.inbox.beside_urls")),
    path("", include("deskhand.web.segments.urls")),
    path("", include("deskhand.web.snippets.urls")),
    path("", include("deskhand.web.start.urls")),
    path("", include("deskhand.web.system.urls")),
    path("", include("deskhand.web.tasks.urls")),
    path("", include("deskhand.web.workflows.hook_urls")),
    path("", include("deskhand.web.workflows.urls")),
    path("", include("deskhand.web.workflows.editor.urls")),
    path("files/<id:attachment_id>", files.attachment, name="attachment"),
    path("messages/<id:message_id>/pictures/<int:number>", files.remote_picture, name="remote-picture"),
    path("favicon.ico", health.favicon, name="favicon"),
    path("livez", health.alive, name="livez"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("account/", include(sign_in)),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.out_of_order
