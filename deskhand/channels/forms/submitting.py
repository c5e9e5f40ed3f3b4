"""From what was sent in to a message, a contact and a ticket: stored as it came and committed, then filed by the verb that
files mail (R-FORM-1 to R-FORM-3), so that spam, blocked senders, routing and automation are the same.

Who takes it in files it at once; what a crash left behind is found by the claimer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Now

from deskhand.channels.forms import checking, forms
from deskhand.channels.forms.checking import Problem, Sent, Value
from deskhand.channels.forms.forms import Field
from deskhand.channels.forms.models import Form, Submission, SubmissionState
from deskhand.crm.records import associations, companies, contacts, subscriptions, tickets
from deskhand.crm.records.contacts import Taken
from deskhand.crm.records.models import Company, Ticket
from deskhand.crm.records.subscriptions import Choice
from deskhand.crm.records.tickets import SUBJECT
from deskhand.desk import threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox, Outcome, Received
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import clock
from deskhand.kernel.claimer import BatchClaimer, words_of
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, attempt, current_account_id
from deskhand.kernel.errors import Invalid, Limited
from deskhand.kernel.text import deeply_storable, one_line, storable

WAKE = "forms"
HEAD_START = timedelta(seconds=15)  # that who takes it in has to file it
LONGEST_WAIT = 3600  # seconds between tries
PACE, PACE_IN = 50, timedelta(seconds=10)  # submissions that anybody may send to one form (api.md §2.7)
_VISITOR = Actor(ActorKind.VISITOR)


class Rejected(Exception):
    """What was sent does not fit the form."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


def keep(form: Form, sent: Sent, *, submitted_at: datetime | None = None, is_public: bool = True) -> int:
    """Store what was sent, in the open scope of the form's account. Raises Rejected, and Limited where anybody sends too much."""
    now, account_id = clock.now(), form.account_id
    if is_public and _paced(form, now):
        raise Limited("Too many submissions within ten seconds.", retry_after=int(PACE_IN.total_seconds()))
    fields = forms.fields_of(form.definition)
    kinds = {kind.pk for kind in subscriptions.kinds(account_id)} if sent.legal else set()
    consent_kind = str((form.definition.get("legalConsentOptions") or {}).get("type") or "")
    if found := checking.problems(fields, sent, consent_kind, kinds):
        raise Rejected(found)
    values = [
        {"objectTypeId": _kind(fields, one), "name": storable(one.name), "value": storable(one.value)}
        for one in sent.values
    ]
    made = Submission.objects.create(
        account_id=account_id, form=form, values=values, page_url=storable(sent.context.get("pageUri") or ""),
        page_name=one_line(storable(sent.context.get("pageName") or ""))[:500], consent=deeply_storable(sent.legal),
        subscriptions={str(pk): on for pk, on in checking.wanted_mails(sent.legal).items()},
        submitted_at=min(submitted_at or now, now), received_at=now, due_at=now + HEAD_START,
    )  # fmt: skip
    return int(made.pk)


def _kind(fields: Sequence[Field], value: Value) -> str:
    field = checking.field_of(fields, value)
    return field.object_type_id if field else storable(value.object_type_id or "0-1")


def _paced(form: Form, now: datetime) -> bool:
    return Submission.objects.filter(form=form, received_at__gt=now - PACE_IN)[:PACE].count() >= PACE


def file(account_id: int, submission_id: int) -> None:
    """File one, unless that is done or somebody is at it. Safe to repeat."""
    with account_scope(account_id):
        _file(_claimed(account_id, 1, submission_id))


def _claimed(account_id: int, limit: int, only: int | None = None) -> list[Submission]:
    found = Submission.objects.filter(account_id=account_id, state=SubmissionState.WAITING)
    found = found.filter(pk=only) if only is not None else found.filter(due_at__lte=Now())
    return list(
        found.order_by("id").select_related("form").select_for_update(skip_locked=True, of=("self",))[:limit]
    )


def _file(rows: Sequence[Submission]) -> None:
    """In the open scope."""
    for row in rows:
        answers = checking.merged(forms.fields_of(row.form.definition), _values(row))
        received = threads.receive(Incoming(row.form.channel_account_id, _message(row, answers)))
        if received.outcome is not Outcome.SPAM:
            row.left_out = _fill(row, answers, received)
        row.outcome, row.message_ref, row.ticket_ref = (
            received.outcome.value,
            received.message_id,
            received.ticket_id,
        )
        row.state, row.done_at = SubmissionState.DONE, clock.now()
        row.save(update_fields=["outcome", "message_ref", "ticket_ref", "state", "done_at", "left_out"])


def _values(row: Submission) -> list[Value]:
    return [Value(one["name"], one["value"], one["objectTypeId"]) for one in row.values]


def _message(row: Submission, answers: Mapping[Field, str]) -> InboundMessage:
    """What they wrote; where the form asks for no text, all that they answered."""
    said = {(field.object_type, field.name): answer for field, answer in answers.items()}
    name = " ".join(filter(None, (said.get(("contact", one), "") for one in ("firstname", "lastname"))))
    lines = "\n".join(f"{field.label}: {answer}" for field, answer in answers.items() if answer)
    return InboundMessage(
        external_id="",
        sender=Mailbox(said.get(("contact", "email"), "").strip(), one_line(name)),
        subject=one_line(said.get(("ticket", "subject"), "") or row.form.name)[:SUBJECT],
        text=said.get(("ticket", "content"), "").strip() or lines,
        received_at=row.received_at,
        is_email=False,
    )


# ── what the records get ─────────────────────────────────────────────────────────────────────────────────────────────


def _fill(row: Submission, answers: Mapping[Field, str], received: Received) -> list[str]:
    """Write the answers to the records that they are about (R-FORM-2); returns those that a record would not take."""
    of: dict[str, dict[str, Any]] = {"contact": {}, "company": {}, "ticket": {}}
    for field, answer in answers.items():
        if answer and not forms.why_not(field):
            of[field.object_type][field.name] = answer
    email = of["contact"].pop("email", "").strip().lower()
    contact_id = contacts.ids_of([email]).get(email) if email else None
    left: list[str] = []
    if contact_id:
        left += _written(of["contact"], lambda given: contacts.update(contact_id, given, by=_VISITOR))
        _subscribe(row, contact_id)
    else:
        left += list(of["contact"])
    if received.ticket_id:
        ticket_id = received.ticket_id
        mine = {name: value for name, value in of["ticket"].items() if name not in ("subject", "content")}
        left += _written(mine, lambda given: tickets.update(ticket_id, given, by=_VISITOR))
    left += _company(of["company"], contact_id, received.ticket_id)
    return left


def _written(values: dict[str, Any], write: Any) -> list[str]:
    """Write what can be; one value that is refused keeps no other back."""
    left: list[str] = []
    while values:
        try:
            with attempt():
                write(values)
            break
        except (Invalid, Taken) as refusal:
            name = getattr(refusal, "field", "")
            gone = [name] if name in values else list(values)
            left += gone
            values = {own: value for own, value in values.items() if own not in gone}
    return left


def _company(values: dict[str, Any], contact_id: int | None, ticket_id: int | None) -> list[str]:
    """The company of that domain, or else of that name, or a new one; linked to the contact and the ticket. What is known of
    one that is there is not for anybody to change."""
    domain = str(values.get("domain") or "").strip().lower()
    name = str(values.get("name") or "").strip() or domain
    if not name:
        return list(values)
    known = Company.objects.filter(account_id=current_account_id(), archived_at=None)
    by_domain = (
        known.filter(domain=domain).order_by("id").values_list("pk", flat=True).first() if domain else None
    )
    company_id = (
        by_domain or known.filter(name__iexact=name).order_by("id").values_list("pk", flat=True).first()
    )
    left: list[str] = []
    if company_id is None:
        try:
            with attempt():
                company_id = companies.make({"name": name}, by=_VISITOR)
        except Invalid:
            return list(values)
        rest = {own: value for own, value in values.items() if own != "name"}
        left = _written(rest, lambda given: companies.update(company_id, given, by=_VISITOR))
    if contact_id:
        companies.add_contact(company_id, contact_id, by=_VISITOR)
    if ticket_id and Ticket.objects.filter(account_id=current_account_id(), pk=ticket_id).exists():
        associations.connect("ticket", ticket_id, "company", company_id, by=_VISITOR)
    return left


def _subscribe(row: Submission, contact_id: int) -> None:
    choices = [Choice(contact_id, int(pk), bool(on)) for pk, on in row.subscriptions.items()]
    if choices:
        subscriptions.choose(choices, source="form", by=_VISITOR)


class SubmissionClaimer(BatchClaimer[Submission]):
    """Files what a crash, or an error, left behind."""

    name = "forms"
    wake = WAKE

    def next_account(self) -> int | None:
        found = sql.row(
            "select account_id from forms_submission where state = 'WAITING' and due_at <= statement_timestamp()"
            " order by due_at limit 1 for update skip locked"
        )
        return found[0] if found else None

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[Submission]:
        return _claimed(account_id, limit, only)

    def work(self, account_id: int, rows: Sequence[Submission]) -> None:
        _file(rows)

    def failed(self, account_id: int, row: Submission, error: Exception) -> None:
        """Never given up: a person sent it and was told that it is here."""
        sql.execute(
            "update forms_submission set attempts = attempts + 1, error = %s,"
            " due_at = now() + least(%s, 5 * 2 ^ least(attempts, 12)) * interval '1 second' where account_id = %s and id = %s",
            [words_of(error), LONGEST_WAIT, account_id, row.pk],
        )

    def row_id(self, row: Submission) -> int:
        return int(row.pk)
