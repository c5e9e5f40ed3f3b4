"""Messages and comments of tickets, as conditions ask for them (R-TRIG-4)."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from deskhand.crm.schema.activities import CREATED, Activity, prop
from deskhand.crm.schema.defaults import CHANNELS
from deskhand.crm.schema.types import Kind

_OF_TICKET = (
    "desk_message {{a}} WHERE {{a}}.account_id = %s AND {{a}}.ticket_id = {{r}} AND {{a}}.kind = '{}'"
)
_CHANNEL = (
    "(SELECT account.channel FROM desk_thread thread JOIN desk_channelaccount account ON account.account_id = thread.account_id"
    " AND account.id = thread.channel_account_id WHERE thread.account_id = {a}.account_id AND thread.id = {a}.thread_id)"
)


def _is_end(which: str, more: str = "") -> str:
    """Whether it is the first or the last one of its ticket, of those in one direction."""
    order = "<" if which == "first" else ">"
    return (
        "NOT EXISTS (SELECT FROM desk_message said WHERE said.account_id = {a}.account_id AND said.ticket_id = {a}.ticket_id"
        f" AND said.kind = 'MESSAGE' AND said.id {order} {{a}}.id{more})"
    )


_IN, _OUT = (f" AND said.direction = '{one}'" for one in ("IN", "OUT"))
_PLACES = {
    "FIRST": _is_end("first"),
    "LAST": _is_end("last"),
    "FIRST_RECEIVED": "{a}.direction = 'IN' AND " + _is_end("first", _IN),
    "LAST_RECEIVED": "{a}.direction = 'IN' AND " + _is_end("last", _IN),
    "FIRST_SENT": "{a}.direction = 'OUT' AND " + _is_end("first", _OUT),
    "LAST_SENT": "{a}.direction = 'OUT' AND " + _is_end("last", _OUT),
}
_PLACE = "array_remove(ARRAY[{}], NULL)".format(
    ", ".join(f"CASE WHEN {test} THEN '{place}' END" for place, test in _PLACES.items())
)
MESSAGE = Activity(
    "message",
    _("Message"),
    _("No message"),
    _("The same message"),
    (
        prop("direction", _("Direction"), Kind.ENUM, ("IN", _("Received")), ("OUT", _("Sent"))),
        prop("place", _("Place in the conversation"), Kind.MULTI, ("FIRST", _("First message")), ("LAST", _("Latest message")),
             ("FIRST_RECEIVED", _("First received")), ("LAST_RECEIVED", _("Latest received")), ("FIRST_SENT", _("First sent")),
             ("LAST_SENT", _("Latest sent"))),
        prop("text", _("Text"), Kind.TEXT),
        prop("subject", _("Subject"), Kind.TEXT),
        prop("channel", _("Channel"), Kind.ENUM, *((one.value, one.label) for one in CHANNELS)),
        prop("sender", _("Sender’s address"), Kind.TEXT),
        prop("is_automatic", _("Written by a machine"), Kind.BOOL),
        prop("has_files", _("Has files"), Kind.BOOL),
        prop("is_failed", _("Not delivered"), Kind.BOOL),
        prop(CREATED, _("Date"), Kind.DATETIME),
    ),
    {
        "direction": "{a}.direction", "place": _PLACE, "text": "{a}.text", "subject": "{a}.subject", "channel": _CHANNEL,
        "sender": "{a}.sender_address", "is_automatic": "{a}.is_automatic", CREATED: "{a}.created_at",
        "has_files": "EXISTS (SELECT FROM desk_attachment file WHERE file.account_id = {a}.account_id AND file.message_id = {a}.id"
                     " AND NOT file.is_inline)",
        "is_failed": "({a}.delivery IN ('FAILED', 'BOUNCED'))",
    },
    {"ticket": _OF_TICKET.format("MESSAGE")},
)  # fmt: skip
COMMENT = Activity(
    "comment",
    _("Internal comment"),
    _("No internal comment"),
    _("The same comment"),
    (
        prop("text", _("Text"), Kind.TEXT),
        prop("author", _("Written by"), Kind.REF),
        prop(CREATED, _("Date"), Kind.DATETIME),
    ),
    {
        "text": "{a}.text",
        "author": "CASE WHEN {a}.actor_kind = 'user' THEN {a}.actor_id END",
        CREATED: "{a}.created_at",
    },
    {"ticket": _OF_TICKET.format("COMMENT")},
)
