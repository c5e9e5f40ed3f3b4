"""What the conversations of a ticket say about it, for properties that are worked out as they are read (R-PROP-5)."""

from __future__ import annotations

_OF_TICKET = "WHERE {0}.account_id = {{t}}.account_id AND {0}.ticket_id = {{t}}.id"
_SAID = "said.kind = 'MESSAGE'"
_BY_PEOPLE = f"{_SAID} AND said.direction = 'OUT' AND said.actor_kind = 'user' AND NOT said.is_automatic"
_OF_EMAIL = "account.channel = 'email'"


def _messages(what: str, which: str, order: str = "", joined: str = "") -> str:
    return f"(SELECT {what} FROM desk_message said {joined} {_OF_TICKET.format('said')} AND {which} {order})"


def _latest(what: str, which: str, joined: str = "") -> str:
    return _messages(what, which, "ORDER BY said.id DESC LIMIT 1", joined)


_CHANNEL = (
    "JOIN desk_thread thread ON thread.account_id = said.account_id AND thread.id = said.thread_id"
    " JOIN desk_channelaccount account ON account.account_id = said.account_id AND account.id = thread.channel_account_id"
)
#: The first one of a conversation begins it; the later ones answer.
_EMAIL_TYPE = (
    "CASE WHEN said.direction = 'OUT' THEN 'SENT_TO_CONTACT' WHEN EXISTS (SELECT FROM desk_message before"
    " WHERE before.account_id = said.account_id AND before.thread_id = said.thread_id AND before.id < said.id"
    " AND before.kind = 'MESSAGE') THEN 'REPLY_FROM_CONTACT' ELSE 'ORIGINAL_FROM_CONTACT' END"
)
_TALKED = "said.kind IN ('MESSAGE', 'COMMENT')"
_CONTACTED = f"nullif({_messages('count(*)', _BY_PEOPLE)}, 0)"
_EMAIL = f"{_SAID} AND {_OF_EMAIL}"
_ACTIVITY = _messages("max(said.created_at)", _TALKED)


def _people(table: str, which: str = "true") -> str:
    """Whose row of a table there is for the ticket."""
    return (
        f"(SELECT array_agg(DISTINCT one.user_id ORDER BY one.user_id) FROM {table} one"
        f" {_OF_TICKET.format('one')} AND one.user_id IS NOT NULL AND {which})"
    )


_MENTIONED = _people("desk_mention")
#: By the names of the properties (behaviour.md §3).
FORMULAS: dict[str, str] = {
    "hs_num_associated_conversations": f"(SELECT count(*) FROM desk_thread thread {_OF_TICKET.format('thread')} AND NOT thread.is_side)",
    "hs_originating_generic_channel_id": (
        "(SELECT account.channel FROM desk_channelaccount account"
        " WHERE account.account_id = {t}.account_id AND account.id = {t}.channel_account_id)"
    ),
    "hs_current_generic_channel_id": _latest("account.channel", _SAID, _CHANNEL),
    "hs_outbound_ticket": f"coalesce({_messages('said.direction = ' + chr(39) + 'OUT' + chr(39), _SAID, 'ORDER BY said.id LIMIT 1')}, false)",
    "hs_last_email_date": _messages("max(said.created_at)", _EMAIL, joined=_CHANNEL),
    "hs_last_email_activity": _latest(_EMAIL_TYPE, _EMAIL, _CHANNEL),
    "hs_last_email_type": _latest(_EMAIL_TYPE, _EMAIL, _CHANNEL),
    "hs_last_email_details": _latest("said.subject", _EMAIL, _CHANNEL),
    "hs_latest_message_is_forwarded_email": _latest("said.is_forward", _SAID),
    "hs_latest_message_is_thread_comment": _latest("said.kind = 'COMMENT'", _TALKED),
    #: Closed after one answer of ours, and never opened again.
    "hs_is_one_touch_ticket": f"({{t}}.is_closed AND {{t}}.reopened_at IS NULL AND {_messages('count(*)', _BY_PEOPLE)} = 1)",
    "hs_lastactivitydate": _ACTIVITY,
    "last_engagement_date": _ACTIVITY,
    "notes_last_updated": _ACTIVITY,
    "num_notes": _messages("count(*)", "said.kind = 'COMMENT'"),
    "num_contacted_notes": _messages("count(*)", _BY_PEOPLE),
    "hs_number_of_touches": _messages("count(*)", _BY_PEOPLE),
    "hs_seen_by_agent_ids": _people("desk_seen"),
    "hs_latest_message_seen_by_agent_ids": _people(
        "desk_seen", f"one.seen_at >= {_messages('max(said.created_at)', _SAID)}"
    ),
    "hs_draft_user_ids": _people("desk_draft"),
    "hs_snoozed_by_user_ids": _people("desk_snooze"),
    "hs_snoozed_for_portal": (
        f"EXISTS (SELECT FROM desk_snooze snooze {_OF_TICKET.format('snooze')} AND snooze.user_id IS NULL)"
    ),
    "hs_user_ids_of_all_notification_followers": _people("desk_follower", "one.follows"),
    "hs_user_ids_of_all_notification_unfollowers": _people("desk_follower", "NOT one.follows"),
    "hs_mentions_user_ids": _people("desk_mention", "one.resolved_at IS NULL"),
    "hs_mentions_resolved_user_ids": _people("desk_mention", "one.resolved_at IS NOT NULL"),
    "hs_all_conversation_mentions": _MENTIONED,
}
