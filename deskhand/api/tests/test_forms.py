"""Forms and what is sent in by them (api.md §2.7, §3.8; R-FORM-1 to R-FORM-3)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from deskhand.accounts.models import Membership, Role
from deskhand.channels.forms import submitting
from deskhand.channels.forms.models import Submission
from deskhand.crm.records import subscriptions
from deskhand.crm.records.models import Association, Company, Contact, Ticket
from deskhand.desk import blocking
from deskhand.desk.models import ChannelAccount, Message
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import make_world

pytestmark = pytest.mark.django_db

FORMS = "/marketing/v3/forms/"
PRIORITIES = [
    {"label": "High", "value": "HIGH", "displayOrder": 0},
    {"label": "Low", "value": "LOW", "displayOrder": 1},
]
FIELDS = [
    {"objectTypeId": "0-1", "name": "email", "label": "Email", "fieldType": "email", "required": True},
    {"objectTypeId": "0-1", "name": "firstname", "label": "First name", "fieldType": "single_line_text"},
    {"objectTypeId": "0-1", "name": "lastname", "label": "Last name", "fieldType": "single_line_text"},
    {"objectTypeId": "0-2", "name": "name", "label": "Company", "fieldType": "single_line_text"},
    {"objectTypeId": "0-2", "name": "domain", "label": "Domain", "fieldType": "single_line_text"},
    {"objectTypeId": "0-5", "name": "subject", "label": "Subject", "fieldType": "single_line_text"},
    {"objectTypeId": "0-5", "name": "content", "label": "What happened", "fieldType": "multi_line_text"},
    {"objectTypeId": "0-5", "name": "hs_ticket_priority", "label": "Priority", "fieldType": "dropdown", "options": PRIORITIES},
]  # fmt: skip
GRACE = {
    "email": "grace@navy.example",
    "firstname": "Grace",
    "lastname": "Hopper",
    "subject": "A moth",
    "content": "In the relay.",
}


def definition(**more: Any) -> dict[str, Any]:
    groups = [{"groupType": "default_group", "richTextType": "text", "fields": FIELDS}]
    return {"formType": "hubspot", "name": "Support", "fieldGroups": groups, **more}


def form(program: Any, **more: Any) -> str:
    status, made = program("POST", FORMS, definition(**more))
    assert status == 201, made
    return made["id"]  # type: ignore[no-any-return]


def sent(answers: dict[str, str], **more: Any) -> dict[str, Any]:
    kinds = {one["name"]: one["objectTypeId"] for one in FIELDS}
    fields = [
        {"objectTypeId": kinds.get(name, "0-1"), "name": name, "value": value}
        for name, value in answers.items()
    ]
    return {"fields": fields, **more}


def submit(program: Any, guid: str, body: Any, account: Any = None) -> tuple[int, Any]:
    """As a page does: no token."""
    number = program.world.account.pk if account is None else account
    answer = Client().post(
        f"/submissions/v3/integration/submit/{number}/{guid}", body, content_type="application/json",
        headers={"Origin": "https://shop.example"},
    )  # fmt: skip
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return answer.status_code, answer.json()


def kinds(body: Any) -> list[str]:
    assert (body["status"], body["message"], body["category"]) == (
        "error",
        "The request is not valid",
        "VALIDATION_ERROR",
    )
    return [one["errorType"] for one in body["errors"]]


def inside(program: Any) -> Any:
    return account_scope(program.world.account.pk)


# ── sending in ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_submission_becomes_a_ticket_with_its_contact(program: Any) -> None:
    """R-FORM-1, R-FORM-2"""
    guid = form(program)
    status, body = submit(program, guid, sent(GRACE | {"hs_ticket_priority": "HIGH"}))

    assert (status, body) == (200, {"inlineMessage": "Thank you."})
    with inside(program):
        ticket, contact = Ticket.objects.get(), Contact.objects.get(email="grace@navy.example")
        assert (ticket.subject, ticket.contact_id, ticket.source_type, ticket.priority) == (
            "A moth",
            contact.pk,
            "FORM",
            "HIGH",
        )
        assert (contact.first_name, contact.last_name) == ("Grace", "Hopper")
        message = Message.objects.get(ticket_id=ticket.pk)
        assert (message.direction, message.text, message.sender_address) == (
            "IN",
            "In the relay.",
            "grace@navy.example",
        )


def test_the_same_contact_is_found_by_address_and_changed(program: Any) -> None:
    """R-FORM-2"""
    guid = form(program)
    submit(program, guid, sent(GRACE))
    submit(program, guid, sent(GRACE | {"email": "Grace@Navy.example", "lastname": "Murray Hopper"}))

    with inside(program):
        assert [one.last_name for one in Contact.objects.filter(email="grace@navy.example")] == [
            "Murray Hopper"
        ]
        assert Ticket.objects.count() == 2


def test_the_company_is_found_or_made_and_linked(program: Any) -> None:
    """api.md §2.7: 0-2"""
    guid = form(program)
    for _again in range(2):
        assert submit(program, guid, sent(GRACE | {"name": "Navy", "domain": "Navy.example"}))[0] == 200

    with inside(program):
        company = Company.objects.get()
        assert (company.name, company.domain) == ("Navy", "navy.example")
        assert Contact.objects.get(email="grace@navy.example").company_id == company.pk
        linked = Association.objects.filter(from_type="ticket", to_type="company", to_id=company.pk)
        assert linked.count() == 2


def test_without_an_address_there_is_a_ticket_without_a_contact(program: Any) -> None:
    """R-FORM-3; where no text is asked for, the ticket says all that was answered."""
    groups = [{"groupType": "default_group", "richTextType": "text", "fields": FIELDS[1:3]}]
    guid = form(program, fieldGroups=groups)
    assert submit(program, guid, sent({"firstname": "Grace", "lastname": "Hopper"}))[0] == 200

    with inside(program):
        ticket = Ticket.objects.get()
        assert (ticket.contact_id, ticket.subject, ticket.content) == (
            None,
            "Support",
            "First name: Grace\nLast name: Hopper",
        )


def test_what_is_wrong_is_told_all_at_once_and_nothing_is_kept(program: Any) -> None:
    """api.md §2.7, the types of errors"""
    guid = form(program)
    wrong = sent({"email": "not-an-address", "hs_ticket_priority": "VERY", "colour": "red"})
    wrong["context"] = {"pageUri": "shop", "ipAddress": "1.2.3", "hutk": "x"}
    status, body = submit(program, guid, wrong)

    assert status == 400
    assert sorted(kinds(body)) == [
        "FIELD_NOT_IN_FORM_DEFINITION", "INVALID_EMAIL", "INVALID_HUTK", "INVALID_IP_ADDRESS", "INVALID_PAGE_URI",
        "VALUE_NOT_IN_FIELD_DEFINITION",
    ]  # fmt: skip
    assert kinds(submit(program, guid, sent({"subject": "x"}))[1]) == ["REQUIRED_FIELD"]
    assert kinds(submit(program, guid, sent({"email": " "}))[1])[0] == "REQUIRED_FIELD"
    many = {"fields": [{"name": "email", "value": "a@b.example"}] * 1001}
    assert kinds(submit(program, guid, many)[1]) == ["MAX_NUMBER_OF_SUBMITTED_VALUES_EXCEEDED"]
    assert kinds(submit(program, guid, sent(GRACE | {"content": "x" * 65_537}))[1]) == ["INPUT_TOO_LARGE"]
    assert kinds(submit(program, guid, sent(GRACE, submittedAt="yesterday"))[1]) == ["INVALID_METADATA"]
    assert kinds(submit(program, guid, sent(GRACE, submittedAt="9" * 18))[1]) == ["INVALID_METADATA"]
    with inside(program):
        assert not Submission.objects.exists()
        assert not Ticket.objects.exists()


def test_validation_can_be_skipped_but_not_of_an_address(program: Any) -> None:
    guid = form(program)
    body = sent({"subject": "x", "hs_ticket_priority": "VERY", "colour": "red"}, skipValidation=True)

    assert submit(program, guid, body)[0] == 200
    assert kinds(submit(program, guid, sent({"email": "x"}, skipValidation=True))[1]) == ["INVALID_EMAIL"]
    with inside(program):
        assert Submission.objects.get().left_out == ["hs_ticket_priority"]
        assert Ticket.objects.get().priority in (None, "")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"fields": 3}',
        b'{"fields": [{"name": "a"}]}',
        b'{"fields": [{"name": null, "value": 1}]}',
    ],
)
def test_a_wrong_body_is_refused(program: Any, body: bytes) -> None:
    guid = form(program)
    assert submit(program, guid, body)[0] == 400


def test_letters_that_can_t_be_stored_are_no_reason_to_lose_it(program: Any) -> None:
    guid = form(program)
    body = sent(
        GRACE | {"subject": "A\x00 moth"},
        context={"pageUri": "https://shop.example/\x00", "pageName": "\x00"},
    )

    assert submit(program, guid, body)[0] in (200, 400)


def test_words_of_consent_that_can_t_be_stored_are_no_reason_to_lose_it(program: Any) -> None:
    """api.md §2.7, P6."""
    said = {"consent": {"consentToProcess": True, "text": "Yes\x00"}}

    assert submit(program, form(program), sent(GRACE, legalConsentOptions=said))[0] == 200
    with account_scope(program.world.account.pk):
        assert Submission.objects.get().consent["consent"]["text"] == "Yes"


def test_a_page_that_the_form_leads_to_is_told(program: Any) -> None:
    action = {"postSubmitAction": {"type": "redirect_url", "value": "https://shop.example/thanks"}}
    guid = form(program, configuration=action)

    assert submit(program, guid, sent(GRACE))[1] == {"redirectUri": "https://shop.example/thanks"}


@pytest.mark.parametrize("guid", ["x", "00000000-0000-4000-8000-000000000000", "%00"])
def test_there_is_no_such_form(program: Any, guid: str) -> None:
    assert submit(program, guid, sent(GRACE))[0] == 404


def test_a_form_is_its_account_s_alone(program: Any) -> None:
    guid, other = form(program), make_world("other")

    assert submit(program, guid, sent(GRACE), other.account.pk)[0] == 404
    for number in ("0", "x", "9" * 18, "9" * 30):
        assert submit(program, guid, sent(GRACE), number)[0] == 404
    status, _body = program(
        "POST", f"/submissions/v3/integration/secure/submit/{other.account.pk}/{guid}", sent(GRACE)
    )
    assert status == 404


def test_a_form_that_is_away_takes_nothing(program: Any) -> None:
    guid = form(program)
    with inside(program):
        ChannelAccount.objects.filter(channel="form").update(archived_at="2026-01-01T00:00:00Z")
    assert submit(program, guid, sent(GRACE))[0] == 404


def test_who_is_blocked_calls_nobody(program: Any) -> None:
    """R-CC-12: spam is kept and opens nothing."""
    guid = form(program)
    with inside(program):
        blocking.block("grace@navy.example", by=Actor.user(program.world.ada.pk))
    assert submit(program, guid, sent(GRACE))[0] == 200

    with inside(program):
        assert not Ticket.objects.exists()
        assert Submission.objects.get().outcome == "spam"
        assert not Contact.objects.filter(email="grace@navy.example").exists()


def test_anybody_sends_fifty_in_ten_seconds_and_a_program_more(program: Any, monkeypatch: Any) -> None:
    """api.md §2.7"""
    monkeypatch.setattr(submitting, "PACE", 2)
    guid = form(program)
    for _time in range(2):
        assert submit(program, guid, sent(GRACE))[0] == 200
    assert submit(program, guid, sent(GRACE))[0] == 429

    secure = f"/submissions/v3/integration/secure/submit/{program.world.account.pk}/{guid}"
    assert program("POST", secure, sent(GRACE)) == (200, {"inlineMessage": "Thank you."})


def test_the_secure_twin_asks_for_a_token_with_the_scope(program: Any, program_of: Any, client: Any) -> None:
    guid = form(program)
    secure = f"/submissions/v3/integration/secure/submit/{program.world.account.pk}/{guid}"

    assert client.post(secure, sent(GRACE), content_type="application/json").status_code == 401
    assert program_of(scopes=["tickets"])("POST", secure, sent(GRACE))[0] == 403
    with inside(program):
        assert not Submission.objects.exists()


def test_what_a_crash_left_behind_is_filed_once(program: Any, monkeypatch: Any) -> None:
    """What was acknowledged is on disk."""
    guid = form(program)
    monkeypatch.setattr(submitting, "file", lambda *_: 1 / 0)
    assert submit(program, guid, sent(GRACE))[0] == 200
    monkeypatch.undo()
    with inside(program):
        [kept] = Submission.objects.values_list("pk", flat=True)
        assert not Ticket.objects.exists()

    for _again in range(2):
        submitting.file(program.world.account.pk, kept)
    with inside(program):
        assert Ticket.objects.count() == 1


# ── consent ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_consent_is_kept_and_subscribes(program: Any) -> None:
    guid = form(
        program, legalConsentOptions={"type": "explicit_consent_to_process", "privacyText": "We keep it."}
    )
    with inside(program):
        news = subscriptions.add_kind("News", "", by=SYSTEM).pk

    def given(**more: Any) -> tuple[int, Any]:
        return submit(program, guid, sent(GRACE, legalConsentOptions=more))

    assert kinds(submit(program, guid, sent(GRACE))[1]) == ["MISSING_PROCESSING_CONSENT"]
    assert kinds(given(consent={"consentToProcess": True})[1]) == ["MISSING_PROCESSING_CONSENT_TEXT"]
    mail = {"value": True, "subscriptionTypeId": news, "text": "News?"}
    agreed = {"consentToProcess": True, "text": "I agree."}
    assert kinds(given(consent={**agreed, "communications": [mail, mail]})[1]) == [
        "DUPLICATE_SUBSCRIPTION_TYPE_ID"
    ]
    assert kinds(given(consent={**agreed, "communications": [{**mail, "text": ""}]})[1]) == [
        "MISSING_COMMUNICATION_CONSENT_TEXT"
    ]
    unknown = {**mail, "subscriptionTypeId": 10**12}
    assert kinds(given(consent={**agreed, "communications": [unknown]})[1]) == ["INVALID_LEGAL_OPTION_FORMAT"]
    interest = {"value": True, "subscriptionTypeId": news, "legalBasis": "CUSTOMER"}
    assert "MISSING_LEGITIMATE_INTEREST_TEXT" in kinds(given(legitimateInterest=interest)[1])
    assert kinds(given(consent=agreed, legitimateInterest=interest)[1]) == ["INVALID_LEGAL_OPTION_FORMAT"]

    assert given(consent={**agreed, "communications": [mail]})[0] == 200
    with inside(program):
        contact = Contact.objects.get(email="grace@navy.example")
        assert subscriptions.of_contact(contact.pk)[news].is_on
        assert Submission.objects.get().consent["consent"]["text"] == "I agree."


# ── reading back ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_submissions_are_read_back_newest_first(program: Any) -> None:
    guid = form(program)
    for number in range(3):
        body = sent(
            {"email": f"g{number}@navy.example"},
            submittedAt=f"176722560{number}000",
            context={"pageUri": "https://shop.example/help"},
        )
        assert submit(program, guid, body)[0] == 200
    url = f"/form-integrations/v1/submissions/forms/{guid}"

    status, first = program("GET", url, limit="2")

    assert (status, [one["submittedAt"] for one in first["results"]]) == (200, [1767225602000, 1767225601000])
    assert first["results"][0] == {
        "submittedAt": 1767225602000, "pageUrl": "https://shop.example/help",
        "values": [{"objectTypeId": "0-1", "name": "email", "value": "g2@navy.example"}],
    }  # fmt: skip
    rest = program("GET", first["paging"]["next"]["link"].removeprefix("http://testserver"))[1]
    assert [one["submittedAt"] for one in rest["results"]] == [1767225600000]
    assert "paging" not in rest
    assert program("GET", "/form-integrations/v1/submissions/forms/x")[0] == 404


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_form_is_made_read_changed_and_archived(program: Any) -> None:
    """api.md §3.8; a form is a channel (R-FORM-1)."""
    guid = form(program)

    read = program("GET", f"{FORMS}{guid}")[1]
    assert (read["formType"], read["name"], read["archived"]) == ("hubspot", "Support", False)
    assert read["fieldGroups"][0]["fields"][0]["name"] == "email"
    assert read["configuration"]["postSubmitAction"] == {"type": "thank_you", "value": "Thank you."}
    assert [one["id"] for one in program("GET", FORMS)[1]["results"]] == [guid]
    with inside(program):
        channel = ChannelAccount.objects.get(channel="form")
        assert (channel.name, channel.address, channel.archived_at) == ("Support", guid, None)

    status, changed = program("PATCH", f"{FORMS}{guid}", {"name": "Help"})
    assert (status, changed["name"], changed["fieldGroups"]) == (200, "Help", read["fieldGroups"])
    status, changed = program("PUT", f"{FORMS}{guid}", definition(name="Anew"))
    assert (status, changed["name"], changed["id"]) == (200, "Anew", guid)

    for _again in range(2):
        assert program("DELETE", f"{FORMS}{guid}") == (204, None)
    assert program("GET", f"{FORMS}{guid}")[0] == 404
    assert program("GET", f"{FORMS}{guid}", archived="true")[1]["archived"] is True
    assert submit(program, guid, sent(GRACE))[0] == 404
    assert program("GET", f"/form-integrations/v1/submissions/forms/{guid}")[1] == {"results": []}
    with inside(program):
        assert ChannelAccount.objects.get(channel="form").archived_at


@pytest.mark.parametrize(
    ("object_type", "name", "said"),
    [
        ("0-1", "colour", "does not exist"), ("0-1", "createdate", "read only"), ("0-3", "dealname", "asks about 0-1, 0-2, 0-5"),
        ("0-5", "hs_pipeline_stage", "set in its channel"), ("0-1", "a\x00", "does not exist"),
    ],
)  # fmt: skip
def test_what_a_form_can_t_ask_is_named(program: Any, object_type: str, name: str, said: str) -> None:
    field = {"objectTypeId": object_type, "name": name, "label": "X", "fieldType": "single_line_text"}
    status, body = program("POST", FORMS, definition(fieldGroups=[{"fields": [field]}]))

    assert status == 400
    assert said in body["message"]
    assert program("GET", FORMS)[1]["results"] == []


@pytest.mark.parametrize(
    "more",
    [
        {"name": ""}, {"name": " "}, {"name": None}, {"name": "x" * 201}, {"fieldGroups": 3}, {"fieldGroups": [{"fields": [{}]}]},
        {"fieldGroups": [{"fields": FIELDS[:1] * 2}]}, {"formType": "other"},
        {"configuration": {"postSubmitAction": {"type": "redirect_url", "value": "javascript:alert(1)"}}},
    ],
)  # fmt: skip
def test_a_form_that_can_t_be_is_refused(program: Any, more: dict[str, Any]) -> None:
    assert program("POST", FORMS, definition(**more))[0] == 400
    assert program("GET", FORMS)[1]["results"] == []


def test_forms_are_for_who_may_connect_channels(program: Any, program_of: Any, world: Any) -> None:
    """R-PERM-1; scope and permission"""
    guid = form(program)
    with inside(program):
        role = Role.objects.create(account_id=world.account.pk, name="Nothing", permissions={})
        Membership.objects.filter(user=world.bob).update(role=role, is_super_admin=False)
    for caller in (program_of(scopes=["tickets"]), program_of(user_id=world.bob.pk)):
        assert caller("GET", FORMS)[0] == 403
        assert caller("POST", FORMS, definition())[0] == 403
        assert caller("PATCH", f"{FORMS}{guid}", {"name": "x"})[0] == 403
        assert caller("DELETE", f"{FORMS}{guid}")[0] == 403
        assert caller("GET", f"/form-integrations/v1/submissions/forms/{guid}")[0] == 403
    assert program("GET", f"{FORMS}{guid}")[1]["name"] == "Support"
