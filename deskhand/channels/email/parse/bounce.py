"""Recognizes mails that could not be delivered, with a report (B4) or by their words (B5), and complaints (B7)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deskhand.channels.email.parse import headers as head
from deskhand.channels.email.parse.body import Body, Part
from deskhand.channels.email.parse.headers import Headers
from deskhand.channels.email.parse.types import AutoKind, Bounce

MAX_TEXT = 60_000

_DAEMON = re.compile(
    r"mailer-?daemon|post_?master|mail.?delivery|delivery.?(?:sub)?system|mail administrator|mailadmin|mailsystem|mail.?system"
    r"|post.?office|mdaemon|system administrator|\bmta\b|mailmaster|no-?reply@mail|bounce|internet mail|mail.?robot|undeliver",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|non.?deliver|not deliver|delivery (?:status )?(?:notif|fail|report|error|problem|has)|deliver.{0,20}(?:fail|problem|error|delay)"
    r"|fail(?:ed|ure).{0,25}(?:deliver|notice|mail|send|message)|returned (?:mail|to sender|message|e-?mail)|mail (?:system )?error|mail (?:could not|failed)|message (?:could not|you sent)"
    r"|could not (?:send|be deliver)|unzustellbar|nicht zugestellt|nicht zustellbar|unable to deliver|mail failure|failure notice|user unknown|unknown user|couldn't be delivered"
    r"|ikke leveres|kan ikke leveres|non remis|non recapit|mancato recapito|no se (?:pudo|ha podido) entregar|no entregad|impossible de remettre"
    r"|onbestelbaar|ej levererat|olevererbart|niedostarcz|nedoručit|не доставлено|недоставлен|配信(?:エラー|不能)|エラー通知|届けられません|未達|送信エラー|投递失败|退信"
    r"|rejected|message delayed|delayed mail|warning: message|mail delivery|considered unsolicited|^\s*failed mail|^nondeliver|error sending|e-?mail bounced|delivery notification",
    re.IGNORECASE,
)
#: What daemons write in the text. Two different ones, or one with an address and a status, tell a bounce.
_BODY = re.compile(
    r"could ?n[o']t be delivered|could not be delivered|cannot be delivered|couldn't be delivered|undeliverable|not deliver(?:ed|able)|was not delivered|delivery (?:has )?failed"
    r"|permanent(?:ly)? (?:fatal )?(?:error|fail)|failed permanently|fatal errors|user unknown|unknown user|no such user|invalid (?:user|recipient|mailbox)|mailbox (?:is )?(?:full|unavailable|not found|does not exist)"
    r"|recipient (?:address )?rejected|does(?: not|n't) exist|unable to deliver|wasn't able to deliver|delivery to the following|following (?:address|recipient|message)"
    r"|returned (?:mail|message|to (?:the )?sender)|original message follows|copy of (?:the|your) (?:message|mail)|your message.{0,60}(?:could|was|has)|address(?:es)? (?:failed|rejected)"
    r"|reason for (?:failure|the problem)|remote (?:host|server) (?:said|replied|returned)|quota exceeded|over quota|exceed(?:s|ed|ing)? (?:the )?(?:storage|quota|disk)|relay(?:ing)? denied"
    r"|配信できません|届けることが|送信できませんでした|メールボックスが一杯|あて先が|存在しない|nicht zugestellt|konnte nicht|did not reach|transcript of session|unrouteable|host unknown|connection timed out|retry time",
    re.IGNORECASE,
)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_SMTP_CODE = re.compile(r"(?<!\d)[45]\d\d[ -]{1,3}(?:#?[45]\.\d\.\d|[A-Za-z<])")
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:=]{1,64}@[^\s<>()\[\]\"',;:=]{1,255}")
_QUOTED_ID = re.compile(r"^[>\s]*Message-I[Dd]:\s*(<[^<>\s]{1,990}>)", re.MULTILINE | re.IGNORECASE)
_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{1,40}):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
#: Microsoft's feedback loop tells the recipient in a header of the mail that it encloses, without a report.
_MICROSOFT_COMPLAINT = "x-hmxmroriginalrecipient"
_DONE_ACTIONS = ("delivered", "relayed", "expanded")


def find_bounce(
    headers: Headers,
    body: Body,
    *,
    content: tuple[str, dict[str, str]],
    subject: str,
    return_path: str | None,
    sender_text: str,
) -> tuple[AutoKind, str, Bounce] | None:
    """Return kind, what told it, and the details; None if the mail is neither bounce, receipt nor complaint."""
    reports = dict(reversed(body.reports))
    if body.enclosed and _MICROSOFT_COMPLAINT in body.enclosed[0].raw_headers:
        return AutoKind.COMPLAINT, _MICROSOFT_COMPLAINT, _complaint("", body)
    if "message/feedback-report" in reports or content[1].get("report-type", "").lower() == "feedback-report":
        return (
            AutoKind.COMPLAINT,
            "feedback-report",
            _complaint(reports.get("message/feedback-report", ""), body),
        )
    for kind in ("message/disposition-notification", "message/global-disposition-notification"):
        if kind in reports:
            return AutoKind.REPORT, kind, _receipt(reports[kind], body)
    for kind in ("message/delivery-status", "message/global-delivery-status"):
        if kind in reports:
            details = _delivery_status(reports[kind], body)
            done = details.action in _DONE_ACTIONS
            return (AutoKind.REPORT if done else AutoKind.BOUNCE), kind, details
    if content[0] == "multipart/report" and "disposition" in content[1].get("report-type", "").lower():
        return AutoKind.REPORT, "Content-Type", _by_words(headers, body)
    if content[0] == "multipart/report" and "delivery-status" in content[1].get("report-type", "").lower():
        return AutoKind.BOUNCE, "Content-Type", _by_words(headers, body)
    told = _told_by_words(headers, body, subject, return_path, sender_text)
    return (AutoKind.BOUNCE, told, _by_words(headers, body)) if told else None


def _told_by_words(
    headers: Headers, body: Body, subject: str, return_path: str | None, sender_text: str
) -> str:
    """Say what makes a mail without a report a bounce, "" if nothing does (B5)."""
    if "x-failed-recipients" in headers:
        return "X-Failed-Recipients"
    is_daemon = _DAEMON.search(sender_text) is not None
    has_subject = _SUBJECT.search(subject) is not None
    is_null = return_path == ""
    if (is_daemon or is_null) and has_subject:
        return "Subject"
    if not (is_daemon or is_null or has_subject):
        return ""
    if "auto-submitted" in headers and not has_subject:
        return ""  # who sends this header sends reports too: words alone are an automatic answer
    text = body.text[:MAX_TEXT]
    words = len({match.lower() for match in _BODY.findall(text)})
    coded = bool(_STATUS.search(text) or _SMTP_CODE.search(text))
    returns = bool(body.enclosed) or bool(_QUOTED_ID.search(text))
    score = words + coded + returns + (is_daemon and is_null)
    return "text" if words and score >= 3 else ""


def fields(text: str) -> dict[str, str]:
    """Return the first value of each header-like field, unfolded."""
    found: dict[str, str] = {}
    for match in _FIELD.finditer(text[:MAX_TEXT]):
        found.setdefault(match[1].lower(), " ".join(match[2].split()))
    return found


def _after_type(value: str) -> str:
    """Return the address of `rfc822; address`."""
    kind, semicolon, address = value.partition(";")
    return _first_address(address if semicolon else kind)


def _first_address(value: str) -> str:
    match = _ADDRESS.search(value[:2000])
    return match[0].strip("<>.") if match else ""


def _delivery_status(report: str, body: Body) -> Bounce:
    told = fields(report)
    diagnostic = told.get("diagnostic-code", "").partition(";")
    status = _STATUS.search(told.get("status", "")) or _STATUS.search(told.get("diagnostic-code", ""))
    return Bounce(
        final_recipient=_after_type(told.get("final-recipient", ""))
        or _after_type(told.get("original-recipient", "")),
        status=status[1] if status else "",
        action=told.get("action", "").lower().split(" ")[0][:20],
        diagnostic=(diagnostic[2] or diagnostic[0]).strip()[:1000],
        original_message_id=_original_id(body, told.get("original-message-id", "")),
    )


def _receipt(report: str, body: Body) -> Bounce:
    told = fields(report)
    return Bounce(
        final_recipient=_after_type(told.get("final-recipient", "")),
        action=told.get("disposition", "").rpartition(";")[2].strip().lower()[:20],
        original_message_id=_original_id(body, told.get("original-message-id", "")),
    )


def _complaint(report: str, body: Body) -> Bounce:
    told = fields(report)
    recipient = told.get("original-rcpt-to") or told.get("removal-recipient") or ""
    if not recipient and body.enclosed:
        enclosed = body.enclosed[0].raw_headers
        recipient = head.first(enclosed, _MICROSOFT_COMPLAINT) or head.first(enclosed, "to")
    return Bounce(
        final_recipient=_first_address(recipient),
        action=told.get("feedback-type", "abuse").lower()[:20],
        original_message_id=_original_id(body, ""),
    )


def _by_words(headers: Headers, body: Body) -> Bounce:
    text = body.text[:MAX_TEXT]
    status = _STATUS.search(text)
    failed = head.text(head.first(headers, "x-failed-recipients"))
    delayed = re.search(
        r"delayed|will (?:continue|keep|retry)|still trying|temporar(?:y|ily)", text[:4000], re.IGNORECASE
    )
    return Bounce(
        final_recipient=_first_address(failed) or _first_address(text),
        status=status[1] if status else "",
        action="delayed" if delayed and not (status and status[1].startswith("5")) else "failed",
        diagnostic=_diagnostic_line(text),
        original_message_id=_original_id(body, ""),
    )


def _diagnostic_line(text: str) -> str:
    lines: Iterable[str] = text.split("\n")[:400]
    return next((" ".join(line.split())[:500] for line in lines if _SMTP_CODE.search(line[:1000])), "")


def _original_id(body: Body, told: str) -> str:
    """Return the id of the mail that is reported on: from the report, the returned mail, or the text."""
    found = head.message_ids(told) if told else ()
    for part in body.enclosed:
        found = found or _id_of(part)
    for kind, text in body.reports:
        if not found and kind in ("text/rfc822-headers", "message/global-headers"):
            found = head.message_ids(fields(text).get("message-id", ""))
    if not found:
        match = _QUOTED_ID.search(body.text[:MAX_TEXT])
        found = (match[1],) if match else ()
    return found[0] if found else ""


def _id_of(part: Part) -> tuple[str, ...]:
    return head.message_ids(head.first(part.raw_headers, "message-id"))
