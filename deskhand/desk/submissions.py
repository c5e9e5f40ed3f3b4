"""What came in by a form goes by mail to the contact's owner who is not there (R-ROUTE-62)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account, User
from deskhand.crm.records.models import Ticket
from deskhand.delivery import outbox
from deskhand.delivery.types import Address, Mail, NewSend
from deskhand.desk.models import ChannelAccount
from deskhand.desk.outgoing import TRANSPORT, reply_address
from deskhand.kernel.written import markup_of


def mail_owners(account_id: int, owners: Mapping[int, int], kinds: Collection[str]) -> None:
    """Mail each ticket, as it was sent in, to this owner: once ever, and only where it came by one of these kinds of channel.

    Nothing is sent while no address is connected. A fixed number of queries.
    """
    forms = ChannelAccount.objects.filter(account_id=account_id, channel__in=kinds).values_list(
        "pk", flat=True
    )
    found = Ticket.objects.filter(account_id=account_id, pk__in=owners, channel_account_id__in=list(forms))
    tickets = list(found.select_related("contact").order_by("pk"))
    if not tickets:
        return
    ours = ChannelAccount.objects.filter(account_id=account_id, channel="email", archived_at=None)
    channel = ours.order_by("-is_default", "id").first()
    if channel is None:
        return
    people = User.objects.in_bulk(list(owners.values()))
    locale = Account.objects.values_list("locale", flat=True).get(pk=account_id)
    outbox.enqueue([_send(channel, one, people[owners[one.pk]], locale) for one in tickets])


def _send(channel: ChannelAccount, ticket: Ticket, owner: User, locale: str) -> NewSend:
    writer = ticket.contact.name or ticket.contact.email if ticket.contact else ""
    with translation.override(owner.locale or locale):
        subject = _("Sent in while you are away: %(subject)s") % {"subject": ticket.subject}
        text = "\n\n".join([
            _("%(name)s, whose owner you are, sent this in:") % {"name": writer},
            ticket.content,
            f"{settings.SITE_URL}/inbox/all-open/{ticket.pk}",
        ])  # fmt: skip
    # A colleague's answer is noted on the ticket (R-EM-9).
    answers_to = reply_address(channel, ticket.originating_thread_id) if ticket.originating_thread_id else ""
    mail = Mail(
        sender=Address(channel.address, channel.name), to=(Address(owner.email, owner.name),), subject=" ".join(subject.split()),
        text=text, html=markup_of(text), reply_to=(Address(answers_to, channel.name),) if answers_to else (),
        automatic="auto-generated",
    )  # fmt: skip
    return NewSend(
        account_id=channel.account_id, transport=TRANSPORT, idempotency_key=f"owner-away:{ticket.pk}", recipients=[owner.email],
        payload=mail.payload(), channel_account_id=channel.pk,
    )  # fmt: skip
