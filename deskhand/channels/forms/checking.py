"""Whether what was sent fits the form: all that is wrong with it, by the contract's names (api.md §2.7)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from deskhand.accounts.users import canonical_email
from deskhand.channels.forms.forms import Field
from deskhand.crm.records.checking import checked
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid

MOST, LONGEST = 1000, 65_536  # values; characters of one
LONGEST_URL = 2000
_COOKIE = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True)
class Value:
    """What was answered to a question; a question with several answers comes several times."""

    name: str
    value: str
    object_type_id: str | None = None


@dataclass(frozen=True)
class Problem:
    kind: str
    message: str


@dataclass(frozen=True)
class Sent:
    """What somebody sent in. `context` and `legal` as they came."""

    values: Sequence[Value]
    context: Mapping[str, Any]
    legal: Mapping[str, Any] | None = None
    skips_validation: bool = False


def problems(
    fields: Sequence[Field], sent: Sent, consent_kind: str, mail_kinds: Collection[int]
) -> list[Problem]:
    """Everything that is wrong. `consent_kind` is what the form asks for, `mail_kinds` what people may be sent."""
    if len(sent.values) > MOST:
        kind = "MAX_NUMBER_OF_SUBMITTED_VALUES_EXCEEDED"
        return [Problem(kind, f"A submission has at most {MOST} values.")]
    found = [
        Problem("INPUT_TOO_LARGE", f"'fields.{one.name[:80]}' has more than {LONGEST} characters.")
        for one in sent.values
        if len(one.value) > LONGEST
    ]
    if found:
        return found
    answers = merged(fields, sent.values)
    if not sent.skips_validation:
        found += _unknown(fields, sent.values)
        found += [
            Problem(
                "REQUIRED_FIELD", f"Error in 'fields.{field.name}'. Required field '{field.name}' is missing"
            )
            for field in fields
            if field.required and not answers.get(field, "").strip()
        ]
    found += [
        problem
        for field, answer in answers.items()
        if answer and (problem := _wrong(field, answer, sent.skips_validation))
    ]
    return found + _of_context(sent.context) + _of_consent(sent.legal, consent_kind, mail_kinds)


def merged(fields: Sequence[Field], values: Sequence[Value]) -> dict[Field, str]:
    """{question: its answers, with semicolons between}, of those that the form asks."""
    found: dict[Field, str] = {}
    for one in values:
        field = field_of(fields, one)
        if field is not None:
            found[field] = f"{found[field]};{one.value}" if field in found else one.value
    return found


def field_of(fields: Sequence[Field], value: Value) -> Field | None:
    """The question that it answers; by its name alone where its kind of record is not named."""
    named = [field for field in fields if field.name == value.name]
    if value.object_type_id:
        return next((field for field in named if field.object_type_id == value.object_type_id), None)
    return named[0] if named else None


def _unknown(fields: Sequence[Field], values: Sequence[Value]) -> list[Problem]:
    return [
        Problem(
            "FIELD_NOT_IN_FORM_DEFINITION",
            f"Error in 'fields.{one.name[:80]}'. There is no such field in the form.",
        )
        for one in values
        if field_of(fields, one) is None
    ]


def _wrong(field: Field, answer: str, is_lenient: bool) -> Problem | None:
    prop, place = field.prop, f"Error in 'fields.{field.name}'."
    if prop is None:
        return None
    is_address = (field.object_type_id, field.name) == ("0-1", "email")
    if is_lenient and not is_address:
        return None
    chosen = set(answer.split(";")) if prop.kind is Kind.MULTI else {answer}
    if field.options and not chosen <= field.options:
        return Problem("VALUE_NOT_IN_FIELD_DEFINITION", f"{place} {answer[:80]!r} is not one of its options.")
    try:
        checked(field.object_type, {field.name: answer})
        if is_address and not _is_address(answer):
            raise Invalid("", field="email")
    except Invalid as refusal:
        if is_address:
            return Problem("INVALID_EMAIL", f"{place} {answer[:80]!r} is not an email address.")
        kind = _KINDS.get(prop.kind, "VALUE_NOT_IN_FIELD_DEFINITION")
        return Problem(kind, f"{place} {refusal.message}")
    return None


_KINDS = {Kind.NUMBER: "INVALID_NUMBER", Kind.DURATION: "INVALID_NUMBER"}


def _is_address(text: str) -> bool:
    try:
        canonical_email(text)
    except Invalid:
        return False
    return True


def _of_context(context: Mapping[str, Any]) -> list[Problem]:
    found = []
    page, ip, cookie = (context.get(name) for name in ("pageUri", "ipAddress", "hutk"))
    if page and not is_url(page):
        found.append(Problem("INVALID_PAGE_URI", "'context.pageUri' is no address of a page."))
    if ip and not _is_ip(ip):
        found.append(Problem("INVALID_IP_ADDRESS", "'context.ipAddress' is no IP address."))
    if cookie and not _COOKIE.fullmatch(cookie):
        found.append(Problem("INVALID_HUTK", "'context.hutk' is not a visitor's token."))
    return found


def is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return len(text) <= LONGEST_URL and parts.scheme in ("http", "https") and bool(parts.netloc)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _of_consent(legal: Mapping[str, Any] | None, kind: str, mail_kinds: Collection[int]) -> list[Problem]:
    legal = legal or {}
    consent, interest = legal.get("consent"), legal.get("legitimateInterest")
    if consent and interest:
        return [
            Problem(
                "INVALID_LEGAL_OPTION_FORMAT", "Only one of 'consent' and 'legitimateInterest' can be given."
            )
        ]
    found = []
    if kind == "explicit_consent_to_process" and not (consent or {}).get("consentToProcess"):
        found.append(Problem("MISSING_PROCESSING_CONSENT", "The form needs consent to process what is sent."))
    if consent:
        if consent.get("consentToProcess") and not (consent.get("text") or "").strip():
            found.append(
                Problem("MISSING_PROCESSING_CONSENT_TEXT", "'consent.text' says what was agreed to.")
            )
        mails = consent.get("communications") or []
        if any(not (one.get("text") or "").strip() for one in mails):
            found.append(
                Problem("MISSING_COMMUNICATION_CONSENT_TEXT", "'communications.text' says what was asked.")
            )
        found += _of_mails([one.get("subscriptionTypeId") for one in mails], mail_kinds)
    if interest:
        if not (interest.get("text") or "").strip():
            found.append(Problem("MISSING_LEGITIMATE_INTEREST_TEXT", "'legitimateInterest.text' is missing."))
        found += _of_mails([interest.get("subscriptionTypeId")], mail_kinds)
    return found


def _of_mails(numbers: Sequence[int | None], known: Collection[int]) -> list[Problem]:
    found = []
    if len(set(numbers)) < len(numbers):
        found.append(Problem("DUPLICATE_SUBSCRIPTION_TYPE_ID", "A subscription type is given twice."))
    if unknown := [one for one in numbers if one not in known]:
        found.append(Problem("INVALID_LEGAL_OPTION_FORMAT", f"There is no subscription type {unknown[0]}."))
    return found


def wanted_mails(legal: Mapping[str, Any] | None) -> dict[int, bool]:
    """{kind of mail: whether they want it}"""
    legal = legal or {}
    given = [*((legal.get("consent") or {}).get("communications") or ())]
    if legal.get("legitimateInterest"):
        given.append(legal["legitimateInterest"])
    return {one["subscriptionTypeId"]: bool(one.get("value")) for one in given}
