"""Forms as a channel: filing, and what a crash leaves (R-FORM-1, R-FORM-2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from deskhand.channels.forms import forms, submitting
from deskhand.channels.forms.checking import Sent, Value
from deskhand.channels.forms.models import Form, Submission
from deskhand.channels.forms.submitting import SubmissionClaimer
from deskhand.crm.records.models import Ticket
from deskhand.desk import replies
from deskhand.desk.models import ChannelAccount, Thread
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id

FIELDS = [
    {"objectTypeId": "0-1", "name": "email", "label": "Email", "required": True},
    {"objectTypeId": "0-5", "name": "subject", "label": "Subject", "dependentFields": [
        {"dependentCondition": {}, "dependentField": {"objectTypeId": "0-5", "name": "content", "label": "More", "required": True}},
    ]},
]  # fmt: skip


def made() -> Form:
    return forms.create("Support", {"fieldGroups": [{"fields": FIELDS}]}, by=SYSTEM)


def kept(form: Form, **answers: str) -> int:
    return submitting.keep(form, Sent([Value(name, value) for name, value in answers.items()], {}))


def test_the_claimer_files_what_waits_and_only_when_it_is_due(world: Any) -> None:
    """What was acknowledged is not lost, and not there twice."""
    pk = kept(made(), email="grace@navy.example", subject="A moth")
    claimer, account_id = SubmissionClaimer(), current_account_id()

    assert claimer.claim(account_id, 10) == []  # whoever took it in is about to file it
    Submission.objects.filter(pk=pk).update(due_at=clock.now() - timedelta(minutes=1))
    assert claimer.next_account() == account_id
    claimer.work(account_id, claimer.claim(account_id, 10))

    assert claimer.next_account() is None
    submitting.file(account_id, pk)
    assert [one.subject for one in Ticket.objects.all()] == ["A moth"]


def test_what_could_not_be_filed_is_tried_again(world: Any) -> None:
    pk = kept(made(), email="grace@navy.example")
    claimer = SubmissionClaimer()

    claimer.failed(current_account_id(), Submission.objects.get(pk=pk), ValueError("away"))

    row = Submission.objects.get(pk=pk)
    assert (row.state, row.attempts) == ("WAITING", 1)
    assert row.error
    assert row.due_at > clock.now() - timedelta(minutes=1)


def test_a_question_that_depends_on_another_is_asked_of_nobody_else() -> None:
    fields = forms.fields_of({"fieldGroups": [{"fields": FIELDS}]})

    assert [(one.name, one.required) for one in fields] == [
        ("email", True),
        ("subject", False),
        ("content", False),
    ]


def test_a_form_is_known_as_a_channel_and_changed_with_it(world: Any) -> None:
    """R-FORM-1; its entries in the audit log are those of channels."""
    form = made()
    forms.change(form, "Help", {"fieldGroups": [{"fields": FIELDS[:1]}]}, by=SYSTEM)
    channel = ChannelAccount.objects.get(pk=form.channel_account_id)

    assert (channel.channel, channel.name, channel.creates_tickets) == ("form", "Help", True)
    assert forms.takes_any(form)
    forms.archive(form, by=SYSTEM)
    assert not forms.takes_any(form)
    assert forms.find(str(form.guid)) is None


@pytest.mark.parametrize("guid", ["", "x", "\x00", "00000000-0000-4000-8000-000000000000"])
def test_there_is_no_such_form(world: Any, guid: str) -> None:
    assert forms.find(guid) is None


def test_agents_answer_by_mail_from_the_default_address(world: Any) -> None:
    """R-FORM-1: a form has no way back of its own."""
    submitting.file(current_account_id(), kept(made(), email="grace@navy.example", subject="A moth"))

    thread = Thread.objects.get(pk=replies.thread_for(Ticket.objects.get().pk, at=clock.now()))
    assert thread.channel_account_id == world.channel.pk
