"""What a customer may read of the conversations about their requests. The one place that knows (R-POR-2, R-POR-3).

Each rule stands here twice: as a predicate and as SQL, which a property test holds equal. A customer sees a ticket that
is about them, or about somebody of their company where they see that; of a ticket they read what was said to or by those
people. Comments, side conversations, strangers' words and mail between others are not theirs, whoever merged the tickets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who is signed in to the portal."""

    account_id: int
    contact_id: int
    emails: frozenset[str]  # all of theirs, in lower case
    company_id: int | None = None  # all of whose people's requests they see; None: only their own

    # ── one record ───────────────────────────────────────────────────────────────────────────────────────────────────

    def owns(self, ticket: TicketFacts) -> bool:
        """Whether it is their own request, not just their company's."""
        return self.contact_id == ticket.contact_id or self.contact_id in ticket.linked

    def sees(self, ticket: TicketFacts) -> bool:
        if ticket.is_spam or ticket.is_archived:
            return False
        return self.owns(ticket) or (self.company_id is not None and ticket.company_id == self.company_id)

    def reads(self, message: MessageFacts) -> bool:
        """Of a ticket that they see."""
        if not message.is_public:
            return False
        known = self.emails | (message.of_emails if self._answers_for(message) else frozenset())
        return not known.isdisjoint(message.people)

    def _answers_for(self, message: MessageFacts) -> bool:
        """Whether the thread is theirs, or of somebody in the company whose requests they see."""
        is_company = self.company_id is not None and message.of_company_id == self.company_id
        return message.of_contact_id == self.contact_id or is_company

    # ── sets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def owned_sql(self) -> tuple[str, list[Any]]:
        """As `owns`, on tickets called `t`."""
        return (
            "(t.contact_id = %s or t.id in (select to_id from crm_association where account_id = %s"
            " and from_type = 'contact' and from_id = %s and to_type = 'ticket'))",
            [self.contact_id, self.account_id, self.contact_id],
        )

    def sees_sql(self) -> tuple[str, list[Any]]:
        """As `sees`, on tickets called `t`."""
        owned, params = self.owned_sql()
        company = ""
        if self.company_id is not None:
            company = (
                " or t.contact_id in (select id from crm_contact where account_id = %s and company_id = %s)"
            )
            params = [*params, self.account_id, self.company_id]
        text = f"t.account_id = %s and not t.is_spam and t.archived_at is null and ({owned}{company})"
        return text, [self.account_id, *params]

    def reads_sql(self) -> tuple[str, list[Any]]:
        """As `reads`, on messages `m` joined with their threads `h`."""
        text = """m.account_id = %s and m.kind = 'MESSAGE' and not m.is_unverified and m.filtered is null
and m.filling is null and not h.is_side and not h.is_spam and h.archived_at is null and exists (
    select 1 from (
        select lower(m.sender_address) as email
        union all
        select lower(box ->> 'email') from jsonb_path_query(m.recipients, 'strict $.*[*]') box
    ) person
    where person.email <> '' and (person.email = any(%s) or person.email in (
        select x.email from crm_contact c
        cross join lateral (
            select c.email union all
            select a.email from crm_contactaddress a where a.account_id = c.account_id and a.contact_id = c.id
        ) x
        where c.account_id = %s and c.id = h.contact_id and (c.id = %s or c.company_id = %s)
    )))"""
        params = [self.account_id, sorted(self.emails), self.account_id, self.contact_id, self.company_id]
        return text, params


@dataclass(frozen=True, slots=True)
class TicketFacts:
    contact_id: int | None
    company_id: int | None  # that contact's primary one (R-POR-4)
    linked: frozenset[int] = frozenset()  # further contacts
    is_spam: bool = False
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """`is_public`: said in the open, in a conversation that is no side one, and written; `people`: who wrote it and whom it
    went to.
    """

    people: frozenset[str]
    of_contact_id: int | None = None  # whose thread it is in
    of_company_id: int | None = None
    of_emails: frozenset[str] = frozenset()
    is_public: bool = True
