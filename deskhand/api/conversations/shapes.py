"""Bodies of the operations on conversations (api.md §2.6)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from deskhand.api.objects.shapes import Paging
from deskhand.api.shapes import Shape
from deskhand.desk.writing import LIMIT

Text = Annotated[str, Field(max_length=LIMIT)]
IdentifierType = Literal["CHANNEL_SPECIFIC_OPAQUE_ID", "HS_EMAIL_ADDRESS", "HS_PHONE_NUMBER", "HS_SHORT_CODE"]


class Identifier(Shape):
    """An address on a channel."""

    type: IdentifierType
    value: str


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


class ThreadChanges(Shape):
    status: Literal["OPEN", "CLOSED"] | None = None
    archived: bool | None = None


class NewRecipient(Shape):
    actor_id: str | None = None
    name: str | None = None
    recipient_field: Literal["TO", "CC", "BCC"] | None = None
    delivery_identifier: Identifier | None = None
    delivery_identifiers: list[Identifier] | None = None  # as older clients have it


class NewAttachment(Shape):
    type: str = "FILE"
    file_id: str | None = None


class NewSaid(Shape):
    text: Text = ""
    rich_text: Text | None = None
    sender_actor_id: str | None = None
    attachments: list[NewAttachment] | None = None


class NewMessage(NewSaid):
    type: Literal["MESSAGE"]
    subject: Annotated[str, Field(max_length=500)] | None = None
    channel_id: str | None = None
    channel_account_id: str | None = None
    recipients: list[NewRecipient] | None = None


class NewComment(NewSaid):
    type: Literal["COMMENT"]


class ToSay(RootModel[Annotated[NewMessage | NewComment, Field(discriminator="type")]]):
    """A message to the customer, or a comment among colleagues."""


class ActorIds(Shape):
    inputs: Annotated[list[str], Field(max_length=100)]


# ── what goes ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Inbox(Shape):
    id: str
    name: str
    type: Literal["INBOX", "HELP_DESK"]
    archived: bool
    archived_at: str | None = None


class Inboxes(Shape):
    total: int
    results: list[Inbox]
    paging: Paging | None = None


class Channel(Shape):
    id: str
    name: str


class Channels(Shape):
    total: int
    results: list[Channel]
    paging: Paging | None = None


class ChannelAccount(Shape):
    id: str
    channel_id: str
    inbox_id: str
    name: str
    active: bool
    authorized: bool
    archived: bool
    created_at: str
    archived_at: str | None = None
    delivery_identifier: Identifier


class ChannelAccounts(Shape):
    total: int
    results: list[ChannelAccount]
    paging: Paging | None = None


class ThreadLinks(Shape):
    associated_ticket_id: str | None = None


class Thread(Shape):
    id: str
    inbox_id: str
    status: Literal["OPEN", "CLOSED"]
    spam: bool
    archived: bool
    created_at: str
    closed_at: str | None = None
    assigned_to: str | None = None
    associated_contact_id: str | None = None
    original_channel_id: str
    original_channel_account_id: str
    latest_message_timestamp: str
    latest_message_sent_timestamp: str | None = None
    latest_message_received_timestamp: str | None = None
    thread_associations: ThreadLinks | None = None


class Threads(Shape):
    results: list[Thread]
    paging: Paging | None = None


class Client(Shape):
    client_type: Literal["HUBSPOT", "INTEGRATION", "SYSTEM", "UNKNOWN"]
    integration_app_id: int | None = None


class Sender(Shape):
    actor_id: str
    name: str | None = None
    sender_field: str | None = None
    delivery_identifier: Identifier | None = None


class Recipient(Shape):
    actor_id: str | None = None
    name: str | None = None
    recipient_field: Literal["TO", "CC", "BCC"]
    delivery_identifier: Identifier


class Attachment(Shape):
    type: Literal["FILE"]
    file_id: str
    name: str
    file_usage_type: Literal["AUDIO", "IMAGE", "OTHER", "STICKER", "VOICE_RECORDING"]


class Failure(Shape):
    error_message: str


class Status(Shape):
    status_type: Literal["SENT", "FAILED", "READ", "RECEIVED"]
    failure_details: Failure | None = None


class Message(Shape):
    """What stands in a conversation: said, said among colleagues, or happened."""

    id: str
    type: Literal["MESSAGE", "COMMENT", "ASSIGNMENT", "THREAD_STATUS_CHANGE"]
    conversations_thread_id: str
    created_at: str
    updated_at: str | None = None
    created_by: str
    client: Client
    senders: list[Sender]
    recipients: list[Recipient]
    archived: bool
    text: str | None = None
    rich_text: str | None = None
    subject: str | None = None
    attachments: list[Attachment] | None = None
    direction: Literal["INCOMING", "OUTGOING"] | None = None
    channel_id: str | None = None
    channel_account_id: str | None = None
    in_reply_to_id: str | None = None
    truncation_status: Literal["NOT_TRUNCATED", "TRUNCATED", "TRUNCATED_TO_MOST_RECENT_REPLY"] | None = None
    status: Status | None = None
    assigned_to: str | None = None
    assigned_from: str | None = None
    new_status: Literal["OPEN", "CLOSED"] | None = None


class Messages(Shape):
    results: list[Message]
    paging: Paging | None = None


class OriginalContent(Shape):
    text: str
    rich_text: str | None = None


class Actor(Shape):
    id: str
    type: Literal["AGENT", "VISITOR", "BOT", "EMAIL", "INTEGRATOR", "SYSTEM", "LLM"]
    name: str | None = None
    email: str | None = None


class BatchOfActors(Shape):
    status: Literal["COMPLETE"]
    results: list[Actor]
    started_at: str
    completed_at: str
