"""Messages to channels of Slack, Teams, Mattermost and Discord, by the incoming webhooks that each of them gives out."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from deskhand.delivery.calls import Call

SLACK, TEAMS, MATTERMOST, DISCORD = "slack", "teams", "mattermost", "discord"
NAMES = {SLACK: "Slack", TEAMS: "Microsoft Teams", MATTERMOST: "Mattermost", DISCORD: "Discord"}
_BREAK = "\u200b"  # is not seen, and parts what would be markup
LONGEST = {
    SLACK: 3_000,
    TEAMS: 8_000,
    MATTERMOST: 8_000,
    DISCORD: 1_900,
}  # characters, within what each takes


def call(service: str, url: str, text: str, link: str) -> Call:
    """The call that posts it."""
    headers = {"content-type": "application/json"}
    return Call("POST", url, headers, json.dumps(body_of(service, text, link)))


def body_of(service: str, text: str, link: str) -> dict[str, Any]:
    """What each service takes. Nothing that a customer wrote mentions anybody, or becomes markup."""
    text = text[: LONGEST[service]]
    match service:
        case "slack":
            return {"text": _for_slack(text) + (f"\n<{link}>" if link else ""), "unfurl_links": False}
        case "teams":
            return _card(text, link)
        case "discord":
            return {"content": f"{_unlinked(text)}\n{link}".strip(), "allowed_mentions": {"parse": []}}
    quiet = _unlinked(text).replace("@", f"@{_BREAK}")  # so that nobody is called
    return {"text": f"{quiet}\n{link}".strip()}


def _unlinked(text: str) -> str:
    """No words that stand for an address of somebody's choice."""
    return text.replace("](", f"]{_BREAK}(")


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _card(text: str, link: str) -> dict[str, Any]:
    """Workflows in Teams take a message with an adaptive card; a run of text has no markup."""
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]}],
    }  # fmt: skip
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": _("Open"), "url": link}]
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }
