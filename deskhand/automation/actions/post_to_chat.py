"""Post to a channel of Slack, Teams, Mattermost or Discord by the incoming webhook that each of them gives out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.plans import Feature
from deskhand.automation import secrets, templates, webcalls
from deskhand.automation.actions import choices
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import Doing, Done, Group, failed
from deskhand.automation.webcalls import Caller, Fillers, Wanted
from deskhand.delivery import chats
from deskhand.delivery.calls import Call
from deskhand.delivery.chats import NAMES, SLACK
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.notifications import pages


class PostToChat(Caller):
    kind = "post_to_chat"
    label = gettext_lazy("Post to a chat")
    about = gettext_lazy("A message in a channel of Slack, Teams, Mattermost or Discord.")
    icon, tone, group = "message-square-text", "blue", Group.TELL
    feature = Feature.WEBHOOKS

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        keys = choices.secret_names(around.account_id)
        return (
            Setting(
                "service", _("Chat"), Input.CHOICE, required=True, default=SLACK,
                options=tuple(Option(value, name) for value, name in NAMES.items()),
            ),
            Setting(
                "secret", _("Address of the channel"), Input.CHOICE, required=True, options=keys, links=((_("Secrets"), secrets.PAGE, 0),),
                help=_("Make an incoming webhook in the chat, and keep its address as a secret: whoever knows it can post there."),
            ),
            Setting("text", _("Text"), Input.LONG, required=True, takes_tokens=True, help=_("A link to the record is added.")),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = [] if settings.get("service") in NAMES else [("service", _("Choose a chat."))]
        if not settings.get("secret"):
            found.append(("secret", _("Choose the secret that holds the address of the channel.")))
        if not str(settings.get("text") or "").strip():
            found.append(("text", _("Write what is to be posted.")))
        found += webcalls.problems_of_secrets(
            current_account_id(), {"secret": settings.get("secret")}, "secret"
        )
        return found + templates.problems(settings, "text")

    def summary(self, settings: Mapping[str, Any]) -> str:
        name = NAMES.get(str(settings.get("service")), "")
        return f"{name}: {settings.get('text') or ''}" if name else _("Post to a chat")

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        made = _posts(batch)
        webcalls.place(
            [Wanted(doing, call) for doing, call in zip(batch, made, strict=True) if isinstance(call, Call)]
        )
        return [_told(doing, call) for doing, call in zip(batch, made, strict=True)]

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        return [_told(doing, call) for doing, call in zip(batch, _posts(batch), strict=True)]


def _told(doing: Doing, call: Call | str) -> Done:
    if isinstance(call, str):
        return failed(call)
    return Done(message=_("On its way to %(chat)s") % {"chat": NAMES[str(doing.settings["service"])]}, sent=1)


def _posts(batch: Sequence[Doing]) -> list[Call | str]:
    """Each post, or why it can't be made."""
    fillers = Fillers(batch)
    found: list[Call | str] = []
    for doing in batch:
        try:
            fillers.of(doing)
            service, text = str(doing.settings["service"]), doing.fill(doing.settings["text"]).strip()
            url = fillers.secret(str(doing.settings["secret"])).strip()
            found.append(chats.call(service, url, text, _link(doing)))
        except Invalid as unfit:
            found.append(unfit.message)
    return found


def _link(doing: Doing) -> str:
    return f"{django_settings.SITE_URL}{pages.record(doing.object_type, doing.record_id)}"
