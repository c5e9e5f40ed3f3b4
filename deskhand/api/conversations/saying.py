"""Saying something in a thread, by the verbs that agents use: in whose name, to whom, with which files (api.md §2.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deskhand.accounts import policy
from deskhand.accounts.models import ApiToken, Membership, User
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb, Viewer
from deskhand.api import refusals
from deskhand.api.conversations import naming, reading, shapes
from deskhand.api.conversations.reading import Row
from deskhand.api.operations import Call
from deskhand.api.refusals import Refusal
from deskhand.crm.records import listing
from deskhand.crm.records.models import Ticket
from deskhand.desk import addresses, answers, conversations, notes, replies, uploads, writing
from deskhand.desk.answers import NewAnswer
from deskhand.desk.channels import EMAIL
from deskhand.desk.models import Attachment, Message, MessageKind
from deskhand.desk.models import Thread as StoredThread
from deskhand.desk.notes import Note
from deskhand.desk.replies import NewReply
from deskhand.desk.types import Mailbox, StoredFile
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.text import storable, whole
from deskhand.kernel.written import Written

KEY = "Idempotency-Key"
LONGEST_KEY = 200


def say(call: Call, row: Row, body: shapes.NewMessage | shapes.NewComment) -> Message:
    """Raises Refusal, and what the verbs refuse."""
    words, key = _words(body), _key(call)
    if key:  # who says something else by it at the same time waits, whatever the thread
        sql.rows("select pg_advisory_xact_lock(hashtextextended(%s, %s))", [key, call.viewer.account_id])
    files = _files(call.viewer, body.attachments or ())
    if isinstance(body, shapes.NewMessage):
        said = _reply(call, row, body, words, files, key)
    else:
        said = _comment(call, row, body, words, files, key)
    if (said.kind == MessageKind.COMMENT) != isinstance(body, shapes.NewComment):
        raise Refusal(409, "CONFLICT", f"This {KEY} was used for something else.")
    if said.thread_id != row.id and (row.ticket_id is None or said.ticket_id != row.ticket_id):
        raise Refusal(409, "CONFLICT", f"This {KEY} was used in another thread.")
    return said


def thread_of(call: Call, row: Row, said: Message) -> Row:
    """Where it stands: replies to what did not come by mail begin a thread that goes by mail. Who wrote it may see it."""
    return (reading.one(call.viewer, said.thread_id) if said.thread_id != row.id else None) or row


def _reply(
    call: Call, row: Row, body: shapes.NewMessage, words: Written, files: tuple[StoredFile, ...], key: str | None
) -> Message:  # fmt: skip
    sender = _sender(call, row, body.sender_actor_id, Action.REPLY, Verb.COMMUNICATE)
    boxes = _recipients(call, body.recipients or ())
    channel_id = _channel(row, body)
    common: dict[str, Any] = {
        "text": words.text, "html": words.html, "files": files, "subject": body.subject or "", "send_key": key,
        "channel_account_id": channel_id, **boxes,
    }  # fmt: skip
    if row.ticket_id is None:
        return answers.reply(NewAnswer(row.id, **common), by=sender)
    new = NewReply(row.ticket_id, thread_id=row.id, **common)
    return replies.reply(new, by=sender, drops_draft=False)


def _comment(
    call: Call, row: Row, body: shapes.NewComment, words: Written, files: tuple[StoredFile, ...], key: str | None
) -> Message:  # fmt: skip
    if (body.sender_actor_id is None and call.token.user_id is None) or _is_itself(
        call, body.sender_actor_id
    ):
        return _note(call, row, words, files, key)
    sender = _sender(call, row, body.sender_actor_id, Action.OPEN_HELP_DESK, Verb.VIEW)
    if row.ticket_id is None:
        return answers.comment(row.id, words.text, html=words.html, files=files, send_key=key, by=sender)
    return replies.comment(
        row.ticket_id, words.text, html=words.html, files=files, thread_id=row.id, send_key=key, by=sender,
        drops_draft=False,
    )  # fmt: skip


def _note(call: Call, row: Row, words: Written, files: tuple[StoredFile, ...], key: str | None) -> Message:
    """In the program's own name. Raises Refusal."""
    if not words.text.strip():
        raise refusals.bad("The comment is empty.", context={"field": ["text"]})
    _lock(call, row)
    if twin := replies.sent_before(key):
        return twin
    author = ApiToken.objects.filter(pk=call.token.token_id).values_list("name", flat=True).first() or ""
    note = Note(
        row.ticket_id, words.text, call.by, author=author, html=words.html, files=files, thread_id=row.id, send_key=key
    )  # fmt: skip
    [made] = notes.add_many([note], at=clock.now())
    return Message.objects.get(account_id=call.viewer.account_id, pk=made or 0)


def _lock(call: Call, row: Row) -> None:
    """So that of two calls with one key the second meets what the first has said. Raises Refusal for what is no more what
    was read: it was put away, or has a ticket now."""
    if row.ticket_id is not None:
        is_there = replies.lock(row.ticket_id).archived_at is None
    else:
        loose = StoredThread.objects.filter(
            account_id=call.viewer.account_id, pk=row.id, ticket_id=None, archived_at=None
        )
        is_there = loose.select_for_update().first() is not None
    if not is_there:
        raise refusals.missing("There is no such thread.")


# ── what is given ────────────────────────────────────────────────────────────────────────────────────────────────────


def _words(body: shapes.NewSaid) -> Written:
    """Markup comes from outside: it is read in a guarded child (S1). Raises Invalid."""
    text = storable(body.text)
    if not body.rich_text or not body.rich_text.strip():
        return Written(text)
    read = writing.read(body.rich_text)
    return Written(text if text.strip() else read.text, read.html)


def _key(call: Call) -> str | None:
    """Each token has its own. Raises Refusal."""
    given = call.request.headers.get(KEY, "")
    if len(given) > LONGEST_KEY or not given.isprintable():
        raise refusals.bad(f"{KEY} has at most {LONGEST_KEY} printable characters.")
    return f"api:{call.token.token_id}:{given}" if given else None


def _is_itself(call: Call, actor_id: str | None) -> bool:
    return call.token.user_id is None and actor_id == f"{naming.INTEGRATION}-{call.token.token_id}"


def _sender(call: Call, row: Row, given: str | None, action: Action, verb: Verb) -> User:
    """In whose name: a token that is somebody's writes in theirs only; what that person may not do, nobody does for them.
    Raises Refusal, Forbidden."""
    own = call.token.user_id
    if given is None and own is None:
        raise refusals.bad(
            "Some required fields were not set: [senderActorId]", context={"fields": ["senderActorId"]}
        )
    letter, rest = naming.split(given) if given is not None else (naming.AGENT, str(own))
    user_id = whole(rest) if letter == naming.AGENT else None
    members = Membership.objects.select_related("user").filter(
        account_id=call.viewer.account_id, user_id=user_id or 0, is_active=True, user__is_active=True
    )
    member = members.first()
    if member is None:
        raise refusals.bad(
            f"senderActorId is {(given or '')[:80]!r}; it must be A- and the id of an active user.",
            context={"field": ["senderActorId"]},
        )
    if own is not None and member.user_id != own:
        raise Refusal(403, "FORBIDDEN", "This token writes in its own user's name.")
    viewer = policy.viewer_for(call.viewer.account_id, member.user_id)
    policy.require(viewer, action)
    _require_reach(viewer, row, verb)
    return member.user


def _require_reach(viewer: Viewer, row: Row, verb: Verb) -> None:
    if row.ticket_id is None:
        conversations.require(viewer, row.id, verb)
        return
    ticket = Ticket.objects.get(account_id=viewer.account_id, pk=row.ticket_id)
    if not policy.visible(viewer, "ticket", verb).reaches(ticket):
        raise Refusal(403, "FORBIDDEN", "The sender may not write in this ticket.")


def _channel(row: Row, body: shapes.NewMessage) -> int | None:
    """Our address that is asked for; None for the thread's own. Raises Refusal."""
    if body.channel_id is not None and naming.channel_key(body.channel_id) != EMAIL:
        raise refusals.bad(
            f"channelId is {body.channel_id[:80]!r}; replies leave by email ({naming.channel_id(EMAIL)}).",
            context={"field": ["channelId"]},
        )
    if body.channel_account_id is None:
        return None
    found = whole(body.channel_account_id)
    if found is None:
        raise refusals.bad(
            f"channelAccountId is {body.channel_account_id[:80]!r}; it must be the id of an email address.",
            context={"field": ["channelAccountId"]},
        )
    return None if found == row.channel_account_id and row.channel == EMAIL else found


def _recipients(call: Call, given: Sequence[shapes.NewRecipient]) -> dict[str, tuple[Mailbox, ...]]:
    """{line: people}; nobody is named for whom the verb finds it out. Raises Refusal and Invalid."""
    lines: dict[str, list[str]] = {"to": [], "cc": [], "bcc": []}
    emails = _emails(call, given)
    for one in given:
        many = one.delivery_identifiers or []
        identifiers = [one.delivery_identifier, *many] if one.delivery_identifier else many
        found = [each.value for each in identifiers if each.type == "HS_EMAIL_ADDRESS"]
        if not found and one.actor_id:
            found = [emails[one.actor_id]] if emails.get(one.actor_id) else []
        if not found:
            raise refusals.bad(
                "A recipient has no email address. Give a deliveryIdentifier of the type HS_EMAIL_ADDRESS.",
                context={"field": ["recipients"]},
            )
        boxes = [Mailbox(email, one.name or "") for email in dict.fromkeys(found)]
        lines[(one.recipient_field or "TO").lower()] += [addresses.written(box) for box in boxes]
    return {line: addresses.read(",".join(some), "recipients") for line, some in lines.items() if some}


def _emails(call: Call, given: Sequence[shapes.NewRecipient]) -> dict[str, str]:
    """{actor: address} of those that are named so; two queries at most."""
    split = {one.actor_id: naming.split(one.actor_id) for one in given if one.actor_id}
    found = {actor: rest for actor, (letter, rest) in split.items() if letter == naming.ADDRESS}
    for letter in (naming.VISITOR, naming.AGENT):
        asked = {
            number: actor
            for actor, (one, rest) in split.items()
            if one == letter and (number := whole(rest)) is not None
        }
        if not asked:
            continue
        if letter == naming.VISITOR:
            known = {one.pk: one.email for one in listing.seen(call.viewer, "contact", list(asked))}
        else:
            ours = Membership.objects.filter(account_id=call.viewer.account_id, user_id__in=asked)
            known = dict(ours.values_list("user_id", "user__email"))
        found |= {asked[pk]: email for pk, email in known.items() if email}
    return found


def _files(viewer: Viewer, given: Sequence[shapes.NewAttachment]) -> tuple[StoredFile, ...]:
    """What goes along, by the ids of files. Raises Refusal, and Invalid for what is too large."""
    if len(given) > uploads.MOST:
        raise refusals.bad(
            f"A message has at most {uploads.MOST} attachments.", context={"field": ["attachments"]}
        )
    asked = [one.file_id or "" for one in given]
    found = _attached(viewer, asked)
    for one in asked:
        if one not in found:
            raise refusals.bad(f"There is no file {one[:80]!r}.", context={"field": ["attachments"]})
    files = tuple(found[one] for one in asked)
    if files:
        uploads.refuse_too_large(files[-1].name, sum(file.size for file in files))
    return files


def _attached(viewer: Viewer, asked: Sequence[str]) -> dict[str, StoredFile]:
    """Files of messages that the viewer may read, by their ids."""
    numbers = {
        number: one
        for one in asked
        if one.startswith("attachment-") and (number := whole(one.removeprefix("attachment-"))) is not None
    }
    if not numbers:
        return {}
    found = Attachment.objects.select_related("message").filter(account_id=viewer.account_id, pk__in=numbers)
    known = {one.pk: one for one in found}
    threads = {one.message.thread_id for one in known.values()}
    rows = reading.rows(viewer, reading.Asked(ids=sorted(threads)), len(threads)) if threads else []
    seen = {row.id for row in rows}
    return {
        numbers[pk]: StoredFile(one.name, one.content_type, one.size, one.sha256)
        for pk, one in known.items()
        if one.message.thread_id in seen
    }
