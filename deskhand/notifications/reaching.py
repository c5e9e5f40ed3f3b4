"""The browsers and the chat in which somebody wants to be told: kept encrypted, tried out, and let go of (R-NOT-4)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.delivery import calls, chats, outbox, push
from deskhand.delivery.models import OutboxEntry, State
from deskhand.delivery.push import Message
from deskhand.delivery.types import Answered, NewSend
from deskhand.events.types import Actor
from deskhand.kernel import crypto
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.notifications import pages
from deskhand.notifications.models import Browser, Chat, PushKey

BROWSER, CHAT = "notification_browser", "notification_chat"  # what an entry of the outbox carries
PURPOSE = "notifications"
INSTALLATION = 0  # no account has this id
MOST = 20  # browsers of one person
NAME = 60  # characters
ADDRESS = 2_000


# ── the installation's key ───────────────────────────────────────────────────────────────────────────────────────────


def private_key() -> str:
    """By which push services know this installation; made at first need, and the same for ever."""
    found = PushKey.objects.filter(pk=1).first()
    if found is not None and not _is_readable(INSTALLATION, found.private):  # browsers must be allowed again
        PushKey.objects.filter(pk=1, private=found.private).delete()
        found = None
    if found is None:
        sealed = crypto.encrypt(push.new_key(), account_id=INSTALLATION, purpose=PURPOSE)
        PushKey.objects.bulk_create([PushKey(pk=1, private=sealed)], ignore_conflicts=True)
        found = PushKey.objects.get(pk=1)
    return _opened(found.private, INSTALLATION)


@lru_cache(maxsize=256)
def _opened(sealed: str, account_id: int) -> str:
    return crypto.decrypt(sealed, account_id=account_id, purpose=PURPOSE)


def _is_readable(account_id: int, *sealed: str) -> bool:
    """False once its key is gone: it must be entered again."""
    try:
        for one in sealed:
            _opened(one, account_id)
    except Invalid:
        return False
    return True


def contact() -> str:
    """Where a push service finds who runs this: they take web addresses that begin with https, and mail."""
    url = str(settings.SITE_URL)
    return url if url.startswith("https:") else f"mailto:deskhand@{urlsplit(url).hostname}"


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def add(account_id: int, user_id: int, given: push.Browser, name: str, at: datetime) -> None:
    """From now on they are told there. A browser is one person's: who allowed it last. Safe to repeat.

    Raises Invalid for what is no browser, and for one too many.
    """
    from deskhand.kernel import http  # late: 2 MB

    http.check_url(given.endpoint)
    if len(given.endpoint) > ADDRESS or not push.is_fit(given):
        raise Invalid(_("This browser gave keys that can't be used."), field="key")
    mark = mark_of(given.endpoint)
    with account_scope(account_id):
        mine = Browser.objects.filter(account_id=account_id, user_id=user_id).exclude(mark=mark)
        if mine.count() >= MOST:
            raise Invalid(_("You have allowed as many browsers as you may. Remove one first."))
        kept = {
            name: crypto.encrypt(value, account_id=account_id, purpose=PURPOSE)
            for name, value in asdict(given).items()
        }
        Browser.objects.update_or_create(
            account_id=account_id, mark=mark,
            defaults=kept | {"user_id": user_id, "name": " ".join(name.split())[:NAME], "added_at": at},
        )  # fmt: skip


def mark_of(endpoint: str) -> str:
    """By which a browser is found without its address."""
    return hashlib.sha256(endpoint.encode("utf-8", "replace")).hexdigest()


def remove(account_id: int, user_id: int, browser_id: int) -> None:
    """Raises NotFound for one that is not theirs."""
    found = _mine(account_id, user_id, browser_id)
    _drop_waiting(account_id, BROWSER, [found.pk])
    found.delete()


def _mine(account_id: int, user_id: int, browser_id: int) -> Browser:
    found = Browser.objects.filter(account_id=account_id, user_id=user_id, pk=browser_id).first()
    if found is None:
        raise NotFound(_("There is no such browser."))
    return found


def try_browser(account_id: int, user_id: int, browser_id: int) -> None:
    """Send it a test. Raises NotFound."""
    outbox.enqueue([_push(_mine(account_id, user_id, browser_id), _test(), f"test:{secrets.token_hex(8)}")._replace(is_new=True)])  # fmt: skip


def _test() -> Message:
    return Message("Deskhand", _("This is a test. News will look like this."), pages.SETTINGS)


def _push(browser: Browser, message: Message, key: str) -> NewSend:
    account_id = browser.account_id
    known = push.Browser(
        *(_opened(sealed, account_id) for sealed in (browser.endpoint, browser.key, browser.secret))
    )
    return push.new_send(
        known, message, account_id=account_id, key=f"{key}:push:{browser.pk}", reference_type=BROWSER, reference_id=browser.pk
    )  # fmt: skip


def note(account_id: int, answers: Sequence[Answered]) -> None:
    """Let go of the browsers of which their push service says that they want no more."""
    gone = {
        one.entry.reference_id
        for one in answers
        if one.entry.reference_type == BROWSER and one.answer.reply and one.answer.reply.status in push.GONE
    }
    if gone:
        Browser.objects.filter(account_id=account_id, pk__in=gone).delete()


# ── the chat ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def set_chat(account_id: int, user_id: int, service: str, address: str) -> None:
    """Raises Invalid for a service that we don't know, and for what is no address."""
    from deskhand.kernel import http  # late: 2 MB

    if service not in chats.NAMES:
        raise Invalid(_("Choose a chat."), field="service", value=service)
    address = address.strip()
    if len(address) > ADDRESS:
        raise Invalid(_("This is not a web address."), field="address")
    try:
        http.check_url(address)
    except Invalid as refusal:
        raise Invalid(refusal.message, field="address") from refusal
    sealed = crypto.encrypt(address, account_id=account_id, purpose=PURPOSE)
    with account_scope(account_id):
        # One at a time: there may be no row yet that could be locked.
        sql.execute("select pg_advisory_xact_lock(hashtextextended('deskhand.chat', %s))", [user_id])
        before = _drop_chat(account_id, user_id)
        made = Chat.objects.create(account_id=account_id, user_id=user_id, service=service, address=sealed)
        _audit("user.chat_set", made, before, made)


def forget_chat(account_id: int, user_id: int) -> None:
    with account_scope(account_id):
        if before := _drop_chat(account_id, user_id):
            _audit("user.chat_removed", before, before, None)


def _drop_chat(account_id: int, user_id: int) -> Chat | None:
    """Returns what there was."""
    found = Chat.objects.select_for_update().filter(account_id=account_id, user_id=user_id).first()
    if found is not None:
        _drop_waiting(account_id, CHAT, [found.pk])
        Chat.objects.filter(pk=found.pk).delete()
    return found


def _audit(action: str, about: Chat, before: Chat | None, after: Chat | None) -> None:
    """With whom it goes to, and not with the address, which is a secret."""
    was, became = (
        {"address": f"{chats.NAMES[one.service]}, {_place(one)}"} if one else {} for one in (before, after)
    )
    by = Actor.user(about.user_id)  # nobody sets another's
    audit.record(action, by=by, target_type="user", target_id=about.user_id, before=was, after=became)


def _place(chat: Chat) -> str:
    """Whom it goes to, without the path, which is a secret; "" once its key is gone."""
    if not _is_readable(chat.account_id, chat.address):
        return ""
    return calls.Call("POST", _opened(chat.address, chat.account_id)).place


def _drop_waiting(account_id: int, kind: str, ids: Sequence[int]) -> None:
    """What waits for a door that is taken away leaves by it no more."""
    waiting = OutboxEntry.objects.filter(account_id=account_id, reference_type=kind, reference_id__in=ids)
    waiting.filter(state=State.WAITING).delete()


def try_chat(account_id: int, user_id: int) -> None:
    """Post a test. Raises NotFound without an address."""
    found = Chat.objects.filter(account_id=account_id, user_id=user_id).first()
    if found is None:
        raise NotFound(_("There is no address of a chat."))
    outbox.enqueue([_post(found, _test(), f"test:{secrets.token_hex(8)}")._replace(is_new=True)])


def _post(chat: Chat, message: Message, key: str) -> NewSend:
    text = f"{message.title}\n{message.body}" if message.body else message.title
    link = f"{settings.SITE_URL}{message.path}"
    made = chats.call(chat.service, _opened(chat.address, chat.account_id), text, link)
    return calls.new_send(
        made, account_id=chat.account_id, key=f"{key}:chat:{chat.pk}", reference_type=CHAT, reference_id=chat.pk
    )  # fmt: skip


# ── for all that leaves ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Doors:
    """Where people can be told beside their mailbox."""

    browsers: Mapping[int, Sequence[Browser]]
    chats: Mapping[int, Chat]

    def pushes(self, user_id: int, message: Message, key: str) -> list[NewSend]:
        return [_push(one, message, key) for one in self.browsers.get(user_id, ())]

    def posts(self, user_id: int, message: Message, key: str) -> list[NewSend]:
        return [_post(self.chats[user_id], message, key)] if user_id in self.chats else []


def doors(account_id: int, to_browsers: Collection[int], to_chats: Collection[int]) -> Doors:
    """Of these people; a query for each kind that is asked for."""
    browsers: dict[int, list[Browser]] = {}
    if to_browsers:
        for one in Browser.objects.filter(account_id=account_id, user_id__in=to_browsers).order_by("id"):
            if _is_readable(account_id, one.endpoint, one.key, one.secret):
                browsers.setdefault(one.user_id, []).append(one)
    found = Chat.objects.filter(account_id=account_id, user_id__in=to_chats) if to_chats else ()
    return Doors(browsers, {one.user_id: one for one in found if _is_readable(account_id, one.address)})


# ── one's own page ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Tried:
    """What came of the last thing that was sent there."""

    is_sent: bool
    is_failed: bool
    error: str
    at: datetime


@dataclass(frozen=True)
class Reached:
    """What somebody's page says of their browsers and their chat."""

    browsers: Sequence[tuple[Browser, Tried | None]]
    chat: Chat | None
    chat_tried: Tried | None

    @property
    def chat_place(self) -> str:
        return _place(self.chat) if self.chat else ""


def reached(account_id: int, user_id: int) -> Reached:
    browsers = list(Browser.objects.filter(account_id=account_id, user_id=user_id).order_by("id"))
    chat = Chat.objects.filter(account_id=account_id, user_id=user_id).first()
    tried = _tried(account_id, BROWSER, [one.pk for one in browsers])
    return Reached(
        [(one, tried.get(one.pk)) for one in browsers], chat,
        _tried(account_id, CHAT, [chat.pk]).get(chat.pk) if chat else None,
    )  # fmt: skip


def _tried(account_id: int, kind: str, ids: Collection[int]) -> dict[int, Tried]:
    """By what was sent last; one query."""
    last = OutboxEntry.objects.filter(account_id=account_id, reference_type=kind, reference_id__in=ids)
    found = last.order_by("reference_id", "-id").distinct("reference_id")
    return {
        one.reference_id or 0: Tried(
            one.state == State.SENT, one.state == State.FAILED, one.error, one.sent_at or one.created_at
        )
        for one in found
    }


@transaction.atomic
def let_go(account_id: int, user_id: int) -> None:
    """Of all of somebody's browsers and their chat, with what waits for them."""
    own = Browser.objects.filter(account_id=account_id, user_id=user_id)
    _drop_waiting(account_id, BROWSER, list(own.values_list("pk", flat=True)))
    own.delete()
    _drop_chat(account_id, user_id)
