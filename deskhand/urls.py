"""All addresses of the product. Everything asks for a signed-in person unless its view says `@for_everybody`."""

from __future__ import annotations

from allauth.account import urls as account_urls
from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path, register_converter

from deskhand.web import errors, files, health
from deskhand.web.converters import Id, Key
from deskhand.web.inbox import views as inbox
from deskhand.web.mailbox import views as mailbox
from deskhand.web.me import views as me
from deskhand.web.pipelines import views as pipelines
from deskhand.web.system import views as system

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

tickets: list[URLPattern | URLResolver] = [
    path("", inbox.ticket, name="inbox-ticket"),
    path("/row", inbox.row, name="inbox-row"),
    path("/thread", inbox.thread, name="inbox-thread"),
    path("/status", inbox.set_status, name="ticket-status"),
    path("/owner", inbox.set_owner, name="ticket-owner"),
    path("/answer", inbox.answer, name="ticket-reply"),
    path("/spam", inbox.set_spam, name="ticket-spam"),
]

lane_step: list[URLPattern | URLResolver] = [
    path("", pipelines.edit_step, name="lane-step-edit"),
    path("/save", pipelines.save_step, name="lane-step-save"),
    path("/delete", pipelines.ask_delete, name="lane-step-delete"),
    path("/deleted", pipelines.delete_step, name="lane-step-deleted"),
    path("/place", pipelines.ask_place, name="lane-step-place"),
    path("/placed", pipelines.place_step, name="lane-step-placed"),
    path("/comments", pipelines.comments, name="lane-step-comments"),
    path("/comment", pipelines.add_comment, name="lane-step-comment"),
]

lane: list[URLPattern | URLResolver] = [
    path("/switch", pipelines.switch_lane, name="lane-switch"),
    path("/every-time", pipelines.set_every_time, name="lane-every-time"),
    path("/steps", pipelines.add_step, name="lane-step-add"),
    path("/steps/new", pipelines.new_step, name="lane-step-new"),
    path("/steps/<key:step_id>", include(lane_step)),
]

automate: list[URLPattern | URLResolver] = [
    path("", pipelines.automate, name="automate"),
    path("/channels/<id:channel_id>", pipelines.set_channel, name="automate-channel"),
    path("/statuses/<key:rule>", pipelines.set_status_rule, name="automate-status"),
    path("/close-date", pipelines.set_close_date, name="automate-close-date"),
    path("/lanes/<id:stage_id>", include(lane)),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", inbox.home, name="home"),
    path("inbox", inbox.home, name="inbox"),
    path("inbox/<key:view>", inbox.view, name="inbox-view"),
    path("inbox/<key:view>/list", inbox.list_pane, name="inbox-list"),
    path("inbox/<key:view>/side", inbox.side, name="inbox-side"),
    path("inbox/<key:view>/after/<key:after>", inbox.more_rows, name="inbox-more"),
    path("inbox/<key:view>/newer/<key:newest>", inbox.new_tickets, name="inbox-new"),
    path("inbox/<key:view>/<id:ticket_id>", include(tickets)),
    path("tickets/<id:ticket_id>/draft", inbox.save_draft, name="ticket-draft"),
    path("conversations/<id:thread_id>/ticket", inbox.make_ticket, name="make-ticket"),
    path("conversations/<id:thread_id>/spam", inbox.set_thread_spam, name="thread-spam"),
    path("files/<id:attachment_id>", files.attachment, name="attachment"),
    path("mailbox", mailbox.mails, name="mailbox"),
    path("mailbox/<id:mail_id>", mailbox.mail, name="mailbox-mail"),
    path("settings/system", system.system, name="system"),
    path("settings/system/mails/release", system.release_mails, name="system-mails-release"),
    path("settings/system/mails/<id:entry_id>/again", system.mail_again, name="system-mail-again"),
    path("settings/system/quarantine/again", system.process_again, name="system-quarantine-again"),
    path("settings/system/quarantine/<id:mail_id>", system.quarantined, name="system-quarantined"),
    path(
        "settings/system/quarantine/<id:mail_id>/again",
        system.process_again,
        name="system-quarantine-one-again",
    ),
    path("settings/system/jobs/again", system.run_again, name="system-jobs-again"),
    path("settings/system/jobs/<id:job_id>/again", system.run_again, name="system-job-again"),
    path("settings/pipelines/automate", pipelines.home, name="automate-home"),
    path("settings/pipelines/<id:pipeline_id>/automate", include(automate)),
    path("settings/mails/<id:mail_id>", pipelines.mail, name="mail-template"),
    path("settings/mails/<id:mail_id>/save", pipelines.save_mail, name="mail-template-save"),
    path("me/theme", me.theme, name="theme"),
    path("me/availability", me.set_availability, name="availability"),
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
