"""What mail people want: the kinds an account sends, and what each contact chose (R-MAIL-4, R-MAIL-12).

Who chose nothing gets what a workflow sends to marketing contacts. Mail about somebody's own request asks nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deskhand.accounts import audit
from deskhand.crm.records import directory
from deskhand.crm.records.models import Contact, Subscription, SubscriptionType
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock, crypto
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import attempt, current_account_id
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line, whole

PAGE, AGENT, WORKFLOW, MERGE = "page", "agent", "workflow", "merge"
LONGEST = 120
PURPOSE = "unsubscribe"

DEFAULTS = (
    (gettext_noop("Customer service communication"), gettext_noop("News about how we help you, and questions about it.")),
    (gettext_noop("Marketing information"), gettext_noop("Offers, events and news about what we sell.")),
)  # fmt: skip


def ensure_defaults(account_id: int, locale: str = "en") -> None:
    """Give a new account its first two kinds, in its language. Safe to repeat."""
    if SubscriptionType.objects.filter(account_id=account_id).exists():
        return
    with translation.override(locale):
        SubscriptionType.objects.bulk_create(
            SubscriptionType(account_id=account_id, name=_(name), description=_(text), created_at=clock.now())
            for name, text in DEFAULTS
        )


# ── kinds ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def kinds(account_id: int, *, with_archived: bool = False) -> list[SubscriptionType]:
    found = SubscriptionType.objects.filter(account_id=account_id).order_by("id")
    return list(found if with_archived else found.filter(archived_at=None))


def kind(type_id: int) -> SubscriptionType:
    found = SubscriptionType.objects.filter(account_id=current_account_id(), pk=type_id).first()
    if found is None:
        raise NotFound(_("There is no such kind of mail."))
    return found


def add_kind(name: str, description: str, *, by: Actor) -> SubscriptionType:
    """Raises Invalid without a name, or for one that is taken."""
    row = SubscriptionType(account_id=current_account_id(), created_at=clock.now())
    _name(row, name, description)
    audit.record(
        "subscription_type.created",
        by=by,
        target_type="subscription_type",
        target_id=row.pk,
        after={"name": row.name},
    )
    return row


def change_kind(type_id: int, name: str, description: str, *, by: Actor) -> SubscriptionType:
    """Raises NotFound, and Invalid as `add_kind` does."""
    row = kind(type_id)
    before = {"name": row.name, "description": row.description}
    _name(row, name, description)
    after = {"name": row.name, "description": row.description}
    if before != after:
        audit.record(
            "subscription_type.updated",
            by=by,
            target_type="subscription_type",
            target_id=row.pk,
            before=before,
            after=after,
        )
    return row


def set_archived(type_id: int, on: bool, *, by: Actor) -> SubscriptionType:
    """Offer it to nobody any more, or again; what people chose stays. Safe to repeat."""
    row = kind(type_id)
    if on is (row.archived_at is not None):
        return row
    row.archived_at = clock.now() if on else None
    _save(row)
    audit.record(
        "subscription_type.updated", by=by, target_type="subscription_type", target_id=row.pk, before={"is_archived": not on},
        after={"is_archived": on},
    )  # fmt: skip
    return row


def _name(row: SubscriptionType, name: str, description: str) -> None:
    row.name, row.description = one_line(name)[:LONGEST], one_line(description)[:500]
    if not row.name:
        raise Invalid(_("Give it a name."), field="name", value=name, hint=_("Enter a name."))
    _save(row)


def _save(row: SubscriptionType) -> None:
    try:
        with attempt():
            row.save()
    except IntegrityError as taken:
        raise Invalid(
            _("There is a kind of mail of this name already."), field="name", value=row.name, hint=_("Use another name.")
        ) from taken  # fmt: skip


# ── what people chose ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Choice:
    """`type_id` None: everything. `is_on`: they get it."""

    contact_id: int
    type_id: int | None
    is_on: bool
    cause: Cause | None = None
    depth: int = 0


def choose(choices: Sequence[Choice], *, source: str, by: Actor, at: datetime | None = None) -> set[int]:
    """Write choices; returns the contacts for whom something changed. Who wants a kind wants mail: all is no longer off.

    One set: a contact has each type at most once in it.
    """
    at, account_id = at or clock.now(), current_account_id()
    rows = {(one.contact_id, one.type_id): one for one in choices}
    wanting = {
        one.contact_id: one for one in choices if one.is_on and one.type_id and (one.contact_id, None) not in rows
    }  # fmt: skip
    for contact_id in refuse_all(account_id, wanting) if wanting else ():
        one = wanting[contact_id]
        rows[contact_id, None] = Choice(contact_id, None, True, one.cause, one.depth)
    if not rows:
        return set()
    found = sql.rows(
        _CHOOSE,
        [account_id, source, at, [pk for pk, _type in rows], [kind for _pk, kind in rows], [one.is_on for one in rows.values()]],
    )  # fmt: skip
    changed = [rows[contact_id, type_id] for contact_id, type_id in found]
    log.record_many(
        [
            NewEvent(
                "contact.subscribed" if one.is_on else "contact.unsubscribed", "contact", one.contact_id, 0, by, at,
                {"subscription": one.type_id, "source": source}, one.cause, one.depth,
            )
            for one in changed
        ]
    )  # fmt: skip
    return {one.contact_id for one in changed}


# What somebody has who never chose is not written down: to want it then is no change.
_CHOOSE = """
insert into crm_subscription as s (account_id, source, changed_at, contact_id, type_id, is_on)
select %s, %s, %s, x.* from unnest(%s::bigint[], %s::bigint[], %s::boolean[]) x(contact_id, type_id, is_on)
order by x.contact_id, x.type_id
on conflict (account_id, contact_id, type_id) do update set is_on = excluded.is_on, source = excluded.source, changed_at = excluded.changed_at
where s.is_on <> excluded.is_on
returning s.contact_id, s.type_id
"""


def of_contact(contact_id: int) -> dict[int | None, Subscription]:
    found = Subscription.objects.filter(account_id=current_account_id(), contact_id=contact_id)
    return {one.type_id: one for one in found}


def refuse_all(account_id: int, contact_ids: Collection[int]) -> set[int]:
    return refusing(account_id, contact_ids, [])


def refusing(account_id: int, contact_ids: Collection[int], type_ids: Collection[int]) -> set[int]:
    """Which of these contacts want none of these kinds of mail, or no such mail at all. One query."""
    found = sql.rows(
        "select distinct contact_id from crm_subscription where account_id = %s and contact_id = any(%s) and not is_on"
        " and (type_id is null or type_id = any(%s))",
        [account_id, sorted(contact_ids), sorted(type_ids)],
    )
    return {contact_id for (contact_id,) in found}


def hand_over(merged_id: int, survivor_id: int, *, by: Actor) -> None:
    """What the merged contact did not want, the survivor does not get (R-MERGE-7)."""
    unwanted = [one for one in of_contact(merged_id).values() if not one.is_on]
    choose([Choice(survivor_id, one.type_id, False) for one in unwanted], source=MERGE, by=by)


# ── the link in a mail ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Link:
    account_id: int
    contact_id: int
    type_id: int | None


def token_of(link: Link) -> str:
    """What the link of a mail names: whose choice about what. Anyone who has it may make that choice, and nothing else."""
    said = f"{link.account_id}.{link.contact_id}.{link.type_id or 0}"
    return f"{said}.{crypto.sign(said.encode(), account_id=link.account_id, purpose=PURPOSE)}"


def read_token(token: str) -> Link:
    """Raises NotFound for one that we did not make."""
    said, _dot, signature = token.rpartition(".")
    numbers = [whole(part) for part in said.split(".")]
    if len(numbers) == 3 and None not in numbers:
        account_id, contact_id, type_id = (number or 0 for number in numbers)
        if crypto.is_signed(said.encode(), signature, account_id=account_id, purpose=PURPOSE):
            return Link(account_id, contact_id, type_id or None)
    raise NotFound(_("This link is not complete. Copy the whole of it from the mail."))


def contact_of(link: Link) -> Contact | None:
    """Whoever it is now: a contact that was merged became part of another one. None when the contact is gone."""
    contact_id = directory.survivors("contact", [link.contact_id]).get(link.contact_id, link.contact_id)
    return Contact.objects.filter(account_id=link.account_id, pk=contact_id).first()
